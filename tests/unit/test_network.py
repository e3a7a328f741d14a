import asyncio
import io
import sys

import numpy as np
import pytest

from app import network
from app.errors import UserError

needs_onnxruntime = pytest.mark.skipif(sys.platform == "emscripten", reason="the browser has its own ONNX Runtime")


class Answers:
    """A backend that answers what it is told."""

    name = "test"

    def __init__(self, answer):
        self.answer = answer

    async def run(self, inputs):
        image = inputs["image"]
        assert image.dtype == np.float32
        assert image.shape[:2] == (1, 3)
        return self.answer


def deviation(answer) -> float:
    return asyncio.run(network.check(Answers(answer), network.Stored.load()))


def test_input_is_planar_and_in_unit_range():
    image = np.zeros((32, 64, 3), np.uint8)
    image[5, 7] = 255, 51, 0

    class Planes(Answers):
        async def run(self, inputs):
            assert inputs["image"].shape == (1, 3, 32, 64)
            assert inputs["image"][0, :, 5, 7] == pytest.approx([1, 0.2, 0])
            return await super().run(inputs)

    answer = np.arange(32 * 64, dtype=np.float32).reshape(1, 1, 32, 64)
    assert np.array_equal(asyncio.run(network.log_disparity(Planes(answer), image)), answer[0, 0])


def test_check_measures_the_deviation():
    right = network.Stored.load().log_disparity
    off = right.copy()
    off[3, 4] += 0.5
    assert deviation(right) == 0
    assert deviation(off) == pytest.approx(0.5, abs=1e-3)


def test_check_refuses_what_is_no_answer():
    right = network.Stored.load().log_disparity
    assert deviation(right[:-1]) == np.inf
    assert deviation(np.full_like(right, np.nan)) == np.inf


def test_check_tells_wrong_answers_apart():
    """An answer that ignores the image, or stands upside down, is further off than the tolerance."""
    right = network.Stored.load().log_disparity
    for wrong in (np.full_like(right, right.mean()), right[::-1], right[:, ::-1], right * 0.9):
        assert deviation(wrong) > 1.5 * network.CHECK_TOLERANCE


@needs_onnxruntime
def test_shipped_network_passes_its_check():
    for threads in (1, 2):
        assert asyncio.run(network.check(network.OnnxNetwork(threads=threads), network.Stored.load())) < 1e-3


@needs_onnxruntime
@pytest.mark.parametrize("size", [(384, 288), (288, 384), (32, 384)])
def test_any_size_that_is_a_multiple_of_32(size):
    answer = asyncio.run(network.log_disparity(network.OnnxNetwork(), np.full((*size, 3), 128, np.uint8)))
    assert answer.shape == size
    assert np.isfinite(answer).all()


@needs_onnxruntime
@pytest.mark.parametrize("model", [b"", b"no network", network.MODELS / "none.onnx"])
def test_damaged_or_missing_model_is_a_sentence(model):
    with pytest.raises(UserError) as error:
        network.OnnxNetwork(model)
    assert error.value.code == "no-network"


def test_stored_loads_from_an_open_file():
    stored = network.Stored.load(io.BytesIO(network.DEPTH_CHECK.read_bytes()))
    assert stored.image.dtype == np.uint8
    assert stored.log_disparity.shape == stored.image.shape[:2]
    assert stored.name == "Tiefblick's own"
