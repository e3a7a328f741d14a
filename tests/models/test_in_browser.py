"""Networks in ONNX Runtime Web, in Chromium. A small network will do: 2 x - 1, clipped at 0."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
playwright = pytest.importorskip("playwright.sync_api")

from in_browser import medians, opened  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from builder import common, parts  # noqa: E402

pytestmark = pytest.mark.skipif(
    not parts.find_chromium() or not (common.NODE_MODULES / "onnxruntime-web").exists(),
    reason="there is no Chromium, or the npm parts are not installed",
)
IMAGE = np.random.default_rng(0).uniform(size=(1, 3, 8, 12)).astype(np.float32)


def small(factor: float = 2.0) -> bytes:
    nodes = [
        helper.make_node("Mul", ["image", "factor"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["moved"]),
        helper.make_node("Relu", ["moved"], ["answer"]),
    ]
    shape = [1, 3, "h", "w"]
    ends = [[helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)] for name in ("image", "answer")]
    values = {"factor": factor, "one": 1.0}
    constants = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "small", *ends, constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def test_networks_answer_in_their_order_with_any_number_of_threads():
    for threads in (1, 2):
        with opened([small(), small(3.0)], threads=threads) as networks:
            answers = networks.answers(IMAGE)
            times = networks.times(IMAGE.shape, runs=4, warm_up=1)
        for factor, answer in zip((2, 3), answers, strict=True):
            assert answer == pytest.approx(np.maximum(factor * IMAGE - 1, 0), abs=1e-5)
        assert times.shape == (2, 4)
        assert (times > 0).all()


def test_a_file_that_is_no_network_fails_with_the_runtimes_words():
    with pytest.raises(playwright.Error, match=r"(?i)model|protobuf"):
        medians([b"no network"], IMAGE.shape)
