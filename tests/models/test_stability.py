import numpy as np
import pytest
from label import MULTIPLE
from PIL import Image
from scipy import ndimage
from stability import changes, deviation, report


class Answers:
    """A session whose answer is a function of the image (H, W, 3) in 0..1."""

    def __init__(self, function):
        self.function = function

    def run(self, _, inputs):
        return [self.function(inputs["image"][0].transpose(1, 2, 0))[None, None]]


@pytest.fixture(scope="module")
def photo():
    noise = np.random.default_rng(0).uniform(size=(96, 128, 3))
    smooth = ndimage.gaussian_filter(noise, (6, 6, 0))
    return np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def test_each_change_says_where_its_pixels_lie(photo):
    for name, change in changes(photo).items():
        rows, columns = (np.rint(places).astype(int) for places in (change.rows, change.columns))
        expected = photo[np.ix_(rows, columns)].astype(float)
        assert np.abs(change.image - expected).mean() < 4, name
    assert changes(photo)["crop"].image.shape == (96 - MULTIPLE, 128 - MULTIPLE, 3)


def test_what_depends_on_the_scene_alone_is_stable(photo):
    found = report(Answers(lambda image: image.mean(axis=2)), [photo])
    assert found["mirror"] == pytest.approx(0, abs=1e-6)
    assert found["crop"] == pytest.approx(0, abs=1e-6)
    assert 0 < found["resize"] < 0.1
    assert 0 < found["jpeg"] < 0.1


def test_what_depends_on_the_place_in_the_picture_is_not(photo):
    places = Answers(lambda image: np.broadcast_to(np.linspace(0, 1, image.shape[1]), image.shape[:2]))
    found = report(places, [photo])
    assert found["mirror"] > 0.5
    assert found["crop"] < 0.1  # a slope of another place and scale is the same slope, but for the exponential
    assert found["jpeg"] == pytest.approx(0, abs=1e-9)


def test_deviation_sees_neither_scale_nor_shift_of_disparity(photo):
    change = changes(photo)["jpeg"]
    answer = photo[..., 0] / 255
    assert deviation(answer, np.log(3 * np.exp(answer) + 2), change) == pytest.approx(0, abs=1e-9)
    assert deviation(answer, -answer, change) > 0.5  # turned over


def test_sheet_has_a_cell_for_each_photo_and_map(photo, tmp_path):
    pytest.importorskip("onnxruntime")
    from sheet import CELL, GAP, TITLE, sheet

    from app.network import DEPTH_MODEL

    Image.fromarray(photo).save(tmp_path / "photo.png")
    page = sheet([tmp_path / "photo.png"] * 2, [DEPTH_MODEL])
    assert page.size == (2 * (CELL + GAP), 2 * (CELL + GAP) + TITLE)
    first, second = (np.asarray(page)[CELL // 2 + TITLE, column] for column in (CELL // 2, CELL + GAP + CELL // 2))
    assert first.tolist() != second.tolist() != [255, 255, 255]


def test_near_is_painted_light():
    from sheet import painted

    ramp = np.asarray(painted(np.linspace(0, 1, 1024).reshape(32, 32)).convert("L"), float)
    assert (np.diff(ramp.ravel()) >= -1).all()
    assert ramp[-1, -1] - ramp[0, 0] > 150
