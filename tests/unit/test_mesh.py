import numpy as np
import pytest
from scipy import ndimage

from app.atlas import compose
from app.grow import grow
from app.ldi import lift
from app.mesh import MeshOptions, mesh
from app.render import render
from tests import scenes, validators
from tests.layers import build

EXTREMES = ((-1, 0), (1, 0), (0, -1), (0, 1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))


@pytest.fixture(scope="module", params=scenes.ALL, ids=lambda scene: scene.__name__)
def built(request):
    return build(request.param())


def _view(built, offset):
    positions = built.camera.unproject(built.mesh.points, built.mesh.disparity)
    mesh_, image = built.mesh, built.pages.image
    return render(positions, mesh_.uv, mesh_.triangles, image, built.camera, offset, (320, 240))


def test_validators_hold(built):
    validators.all_hold(built.mesh, built.ldi, built.pages)


def test_nothing_is_uncovered_at_the_extremes(built):
    for offset in ((0, 0), *EXTREMES):
        _, covered, _ = _view(built, offset)
        assert covered.all(), f"{(~covered).sum()} pixels uncovered at {offset}"


def test_the_centre_view_is_the_photo(built):
    image, _, _ = _view(built, (0, 0))
    camera = built.camera
    y = ((np.arange(240) + 0.5) / 240 - 0.5) * camera.zoom * camera.height + camera.height / 2
    x = ((np.arange(320) + 0.5) / 320 - 0.5) * camera.zoom * camera.width + camera.width / 2
    expected = built.scene.colour[y.astype(int)][:, x.astype(int)].astype(int)
    off = np.abs(image.astype(int) - expected).max(2) > 24
    # Silhouettes move by less than a pixel and the collar is filled anew; all else is the photo, pixel for pixel.
    assert off.mean() < 0.04


def test_a_slanted_plane_has_no_layers_and_few_triangles():
    built = build(scenes.slanted_plane())
    assert len(built.pages.index) == 1
    assert len(built.ldi) == built.ldi.photo_pixels
    assert len(built.mesh.triangles) < 400


def test_a_cut_is_no_rubber_sheet():
    for scene in (scenes.square, scenes.staircase, scenes.pole, scenes.ring):
        built = build(scene())
        for offset in EXTREMES:
            assert not _view(built, offset)[2].any(), f"{scene.__name__} is stretched at {offset}"


def test_triangles_are_wound_counter_clockwise_for_the_camera():
    built = build(scenes.t_junction())
    a, b, c = (built.mesh.points[built.mesh.triangles[:, k]] for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area <= 0).all()  # y points down here and up in glTF


def test_budget_of_triangles_is_kept_on_rough_relief():
    generator = np.random.default_rng(5)
    relief = ndimage.gaussian_filter(generator.normal(0, 1, (240, 320)), 3)
    disparity = (0.5 + 0.1 * relief / relief.std()).astype(np.float32)
    colour = generator.integers(0, 255, (240, 320, 3), np.uint8)
    layers = lift(disparity, colour)
    pages = compose(layers, colour)
    free = len(mesh(layers, pages).triangles)
    bound = len(mesh(layers, pages, MeshOptions(max_triangles=free // 2)).triangles)
    assert 0.2 * free < bound <= 0.5 * free


def test_smallest_lattice():
    colour = np.full((2, 2, 3), 90, np.uint8)
    layers = grow(lift(np.array([[0.1, 0.1], [0.9, 0.9]], np.float32), colour), 1.0)
    result = mesh(layers, compose(layers, colour))
    assert len(result.triangles) >= 2
