import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from app import depth
from app.errors import UserError

RAMP = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))


class Brightness:
    """Log-disparity is the brightness: a network whose answer is known."""

    name = "brightness"

    async def run(self, inputs):
        image = inputs["image"]
        self.shape = image.shape
        return image[0].mean(0)


def png(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


def npy(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1152, 1536), (288, 384)), ((1536, 1024), (384, 256)), ((384, 384), (384, 384)), ((192, 1536), (32, 384))],
)
def test_network_size(size, expected):
    assert depth.network_size(*size) == expected


def test_estimate_sees_the_photo_the_right_way_round():
    texture = np.zeros((600, 800, 3), np.uint8)
    texture[:, 400:] = 255
    network = Brightness()
    disparity = asyncio.run(depth.estimate(texture, network))
    assert network.shape == (1, 3, 288, 384)
    assert disparity.shape == (288, 384)
    assert disparity.dtype == np.float32
    assert disparity[:, 200:].min() == 1
    assert disparity[:, :184].max() == 0


def test_estimate_of_a_uniform_photo_is_flat():
    disparity = asyncio.run(depth.estimate(np.full((90, 120, 3), 77, np.uint8), Brightness()))
    assert (disparity == 0.5).all()


def test_normalise_forgets_scale_and_offset():
    assert depth.normalise(RAMP * 40 - 7, knee=0) == pytest.approx(depth.normalise(RAMP, knee=0), abs=1e-6)


def test_normalise_shrugs_off_outliers():
    spoiled = RAMP.copy()
    spoiled[0, 0], spoiled[5, 5] = 1e6, -1e6
    assert np.abs(depth.normalise(spoiled, knee=0) - depth.normalise(RAMP, knee=0)).mean() < 0.01


def test_far_field_is_compressed_and_order_kept():
    plain, bent = depth.normalise(RAMP, knee=0), depth.normalise(RAMP)
    assert (np.diff(bent, axis=1) >= 0).all()
    assert bent.min() == 0
    assert bent.max() == 1
    far = bent[plain <= depth.FAR_KNEE]
    assert np.ptp(far) < 0.05  # less than the step at which layers tear
    near = plain > 0.5
    slope = np.diff(bent, axis=1)[near[:, 1:]] / np.diff(plain, axis=1)[near[:, 1:]]
    assert slope[np.isfinite(slope)].max() < 1.15


def test_holes_take_the_nearest_value():
    holed = RAMP.copy()
    holed[10:20, 30:32] = np.nan
    assert np.abs(depth.normalise(holed, knee=0) - depth.normalise(RAMP, knee=0)).max() < 0.05


@pytest.mark.parametrize("value", [0, 5, -3, np.nan, np.inf])
def test_constant_map_is_the_middle(value):
    assert (depth.normalise(np.full((4, 5), value, np.float32)) == 0.5).all()


def test_given_keeps_detail_up_to_the_lattice():
    fine = np.random.default_rng(0).random((600, 800)).astype(np.float32)
    assert depth.given(fine[:300, :400], (800, 600)).shape == (300, 400)
    assert depth.given(fine, (4000, 3000)).shape == (576, 768)


def test_given_mixes_no_surfaces():
    step = np.where(np.arange(2000) < 777, 0.0, 1.0)[None].repeat(1500, 0)
    assert set(np.unique(depth.given(step, (2000, 1500)))) == {0, 1}


def test_given_must_have_the_shape_of_the_photo():
    with pytest.raises(UserError) as error:
        depth.given(RAMP, (480, 640))
    assert error.value.code == "depth-shape"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_read_grey_images(dtype):
    values = (RAMP * np.iinfo(dtype).max).astype(dtype)
    assert np.array_equal(depth.read(png(values), "depth.png"), values.astype(np.float32))


def test_read_grey_stored_as_colour():
    values = (RAMP * 255).astype(np.uint8)
    assert np.array_equal(depth.read(png(np.stack([values] * 3, 2)), "depth.png"), values.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.uint8])
def test_read_npy(dtype):
    values = (RAMP * 100).astype(dtype)
    assert np.array_equal(depth.read(npy(values), "DEPTH.NPY"), values.astype(np.float32))
    assert depth.read(npy(values[None]), "d.npy").shape == values.shape


def test_lengths_become_disparity():
    """A plane is affine in disparity; metres of it in a 16-bit file come back affine, zero as not measured."""
    disparity = RAMP * 0.9 + 0.1
    millimetres = np.rint(1000 / disparity).astype(np.uint16)
    millimetres[3, 3] = 0
    read = depth.read(png(millimetres), "depth.png", far_is_large=True)
    assert np.isnan(read[3, 3])
    assert depth.normalise(read, knee=0) == pytest.approx(depth.normalise(disparity, knee=0), abs=0.03)


def test_grey_levels_are_only_turned_over():
    values = (RAMP * 255).astype(np.uint8)
    read = depth.read(png(values), "depth.png", far_is_large=True)
    assert depth.normalise(read, knee=0) == pytest.approx(1 - depth.normalise(values, knee=0), abs=1e-5)


def test_negative_depth_is_turned_over():
    read = depth.read(npy(-RAMP), "d.npy", far_is_large=True)
    assert depth.normalise(read, knee=0) == pytest.approx(depth.normalise(RAMP, knee=0), abs=1e-5)


RAINBOW = np.stack([np.uint8(RAMP * 255), np.uint8(255 - RAMP * 255), np.uint8(0 * RAMP)], 2)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "d.png"),
        (b"", "d.npy"),
        (b"words", "d.txt"),
        (png(RAINBOW), "colours.png"),
        (png(np.zeros((4, 40), np.uint8)), "small.png"),
        (npy(np.zeros((10, 10, 3))), "d.npy"),
        (npy(np.full((10, 10), np.nan)), "d.npy"),
        (npy(np.zeros((10, 10), complex)), "d.npy"),
        (npy(RAMP)[:-8], "d.npy"),
        (png(np.uint8(RAMP * 255))[:-40], "d.png"),
    ],
)
def test_other_files_are_refused(data, name):
    with pytest.raises(UserError) as error:
        depth.read(data, name)
    assert error.value.code == "bad-depth"
