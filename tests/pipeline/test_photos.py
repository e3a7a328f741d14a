"""Photos through the whole pipeline, as the command line runs it."""

import asyncio
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import glb, photo
from app.network import OnnxNetwork
from app.pipeline import STAGES, Options, Pipeline
from app.render import VIEWS, render
from tests.khronos import messages
from tests.photos import gdepth, picture, save

SAMPLES = Path(__file__).resolve().parents[2] / "static" / "samples"
NAMES = ("astronaut", "cat", "coffee")
MOST_TRIANGLES, MOST_BYTES = 30_000, 500_000
MOST_STRETCHED = 0.005  # share of the view


@cache
def network() -> OnnxNetwork:
    return OnnxNetwork()


def convert(data: bytes, disparity: np.ndarray | None = None, **options):
    return asyncio.run(Pipeline(network(), Options(**options)).run(photo.decode(data), disparity))


@cache
def sample(name: str):
    return convert((SAMPLES / f"{name}.jpg").read_bytes())


@cache
def square():
    """A dark textured square, near, before a light wall: the photo, its disparity, and the 3D photo."""
    random = np.random.default_rng(0)
    pixels = (200 + random.integers(-20, 21, (300, 400, 1))).repeat(3, 2).astype(np.uint8)
    pixels[100:200, 150:250] = (60 + random.integers(-20, 21, (100, 100, 1))).repeat(3, 2)
    disparity = np.full((300, 400), 0.2, np.float32)
    disparity[100:200, 150:250] = 0.9
    return convert(save(pixels, "PNG"), disparity)


def views(result):
    positions, uv, triangles, atlas, extras = glb.decode(result.glb)
    camera = glb.camera_of(extras)
    return {name: render(positions, uv, triangles, atlas, camera, offset) for name, offset in VIEWS.items()}


def check(result) -> None:
    """What holds for every 3D photo."""
    assert {message["code"] for message in messages(result.glb)} <= {"IMAGE_NPOT_DIMENSIONS"}
    assert result.counts["triangles"] < MOST_TRIANGLES
    assert len(result.glb) == result.counts["glb_bytes"] < MOST_BYTES
    assert set(result.times) == set(STAGES)
    for name, (_, covered, stretched) in views(result).items():
        assert covered.all(), name
        assert stretched.mean() < MOST_STRETCHED, name


@pytest.mark.parametrize("name", NAMES)
def test_samples(name):
    check(sample(name))


@pytest.mark.parametrize("name", NAMES)
def test_centre_view_is_the_photo(name):
    """JPEG and resampling aside."""
    result = sample(name)
    image, _, _ = views(result)["centre"]
    camera = result.camera
    with Image.open(SAMPLES / f"{name}.jpg") as original:
        margin = (1 - camera.zoom) / 2
        box = (margin * original.width, margin * original.height)
        box = (*box, original.width - box[0], original.height - box[1])
        expected = np.asarray(original.resize(image.shape[1::-1], Image.Resampling.BILINEAR, box))
    difference = np.abs(image.astype(int) - expected)
    assert difference.mean() < 4
    assert np.percentile(difference, 99) < 40


@pytest.mark.parametrize("name", NAMES)
def test_views_differ(name):
    shown = {view: image.astype(int) for view, (image, _, _) in views(sample(name)).items()}
    for first, second in (("left", "right"), ("up", "down"), ("left", "centre")):
        assert np.abs(shown[first] - shown[second]).mean() > 2


def test_known_scene():
    check(square())
    assert square().counts["grown_pixels"] > 0


def test_near_things_move_against_far_things():
    """The square's edges, by brightness, against where the geometry says they are."""
    result = square()
    camera, near = result.camera, 1.0  # the nearest disparity is normalised to 1
    for name in ("left", "centre", "right"):
        image, _, _ = views(result)[name]
        dark = np.nonzero(image[150, :, 0] < 130)[0]
        shift = VIEWS[name][0] * (near - camera.focus) * camera.parallax
        expected = [((x - shift) / camera.width - 0.5) / camera.zoom * camera.width + 200 for x in (150, 250)]
        assert [dark[0], dark[-1] + 1] == pytest.approx(expected, abs=2)


def test_no_foreground_in_the_revealed_background():
    """The wall is above 180 and the square below 80; in between is only the silhouette, no wider than 2 pixels."""
    for image, _, _ in views(square()).values():
        grey = image[..., 0].astype(int)
        between = (grey > 100) & (grey < 165)
        assert between.sum() < 2 * 400  # its circumference in pixels, at most two of them mixed


def test_stored_depth_takes_the_place_of_the_network():
    class Nothing:
        name = "none"

        async def run(self, inputs):
            raise AssertionError("the network was asked")

    levels = np.full((64, 96), 200, np.uint8)
    levels[20:44, 30:66] = 20
    found = photo.decode(gdepth(save(levels, "PNG"), photo=save(picture(480, 320), "JPEG")))
    result = asyncio.run(Pipeline(Nothing()).run(found))
    check(result)
    assert np.ptp(result.mesh.disparity) == pytest.approx(1, abs=0.02)
    assert result.counts["grown_pixels"] > 0


def test_uniform_photo_is_a_flat_3d_photo():
    result = convert(save(np.full((200, 300, 3), 90, np.uint8), "PNG"))
    check(result)
    images = [image for image, _, _ in views(result).values()]
    assert all((np.abs(image.astype(int) - 90) <= 2).all() for image in images)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (256, 32), (40, 320), (2000, 250)])
@pytest.mark.parametrize("kind", ["smooth", "noise"])
def test_odd_sizes(size, kind):
    width, height = size
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    result = convert(save(picture(width, height) if kind == "smooth" else noise, "PNG"))
    assert {message["code"] for message in messages(result.glb)} <= {"IMAGE_NPOT_DIMENSIONS"}
    for name, (_, covered, _) in views(result).items():
        assert covered.all(), name


@pytest.mark.parametrize("range_", [0.01, 0.02])
def test_range_is_one_number(range_):
    """The band that is filled and the distance that the camera moves grow together: nothing is uncovered."""
    result = convert((SAMPLES / "astronaut.jpg").read_bytes(), range=range_)
    assert result.camera.range == range_
    assert all(covered.all() for _, covered, _ in views(result).values())


def test_same_photo_same_file():
    assert convert((SAMPLES / "cat.jpg").read_bytes()).glb == sample("cat").glb
