"""Forms of the shipped network for other runtimes; all start from the file that the page loads."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import numpy_helper  # noqa: E402
from variants import SHIPPED, head, photographs, qdq, static, unpacked  # noqa: E402

SIZE = (96, 64)
IMAGE = np.random.default_rng(0).uniform(size=(1, 3, *SIZE)).astype(np.float32)
SIX = 6.0  # of ReLU6
NOTHING = 1e-6  # a step between weights


def answer(model, image=IMAGE):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0][0, 0]


@pytest.fixture(scope="module")
def shipped():
    return onnx.load(SHIPPED)


@pytest.fixture(scope="module")
def whole(shipped):
    return unpacked(shipped)


@pytest.fixture(scope="module")
def quantised(whole):
    return qdq(whole, [IMAGE])


def constants(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_unpacked_network_answers_as_before(shipped, whole):
    assert answer(whole) == pytest.approx(answer(shipped), abs=1e-5)
    assert {node.op_type for node in whole.graph.node}.isdisjoint({"Cast", "Constant"})


def test_qdq_keeps_the_weights_of_the_shipped_file(shipped, quantised):
    """But for channels that are next to nothing, of which the encoder has a few: ONNX Runtime bounds their scale."""
    stored, kept, compared = constants(shipped), constants(quantised), 0
    for name, scale in stored.items():
        ours, theirs = (name.removesuffix("_scale") + ending for ending in ("_int8", "_quantized"))
        if name.endswith("_scale") and theirs in kept:
            alive = scale.ravel() > NOTHING
            assert np.array_equal(kept[theirs][alive], stored[ours][alive])
            compared += 1
    assert compared > 70


def test_qdq_answers_much_the_same(whole, quantised):
    difference = np.abs(answer(quantised) - answer(whole))
    assert 0 < difference.mean() < 0.05 * np.ptp(answer(whole))


def test_qdq_clips_where_relu6_did(whole, quantised):
    """The quantised range of what a Clip made begins at 0, ends at 6 or before; the Clip is gone but in the head."""
    values = constants(quantised)
    clipped = {node.output[0] for node in whole.graph.node if node.op_type == "Clip"}
    ranges = [
        (values[node.input[1]] * (255 - int(values[node.input[2]])), values[node.input[2]])
        for node in quantised.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] in clipped
    ]
    assert len(ranges) > 50
    assert all(zero == 0 and 0 < high <= SIX + 1e-5 for high, zero in ranges)
    assert {node.name for node in quantised.graph.node if node.op_type == "Clip"} <= set(head(whole))


def test_head_stays_float(whole, quantised):
    assert whole.graph.node[-1].name in head(whole)
    assert not any(name.startswith(("/stem", "/fuse.1")) for name in head(whole))
    makers = {name: node for node in quantised.graph.node for name in node.output}
    assert makers["log_disparity"].op_type != "DequantizeLinear"


@pytest.mark.parametrize("size", [(96, 64), (64, 64)])
def test_static_form_has_one_size_and_the_same_answer(whole, size):
    model = static(whole, *size)
    image = np.random.default_rng(1).uniform(size=(1, 3, *size)).astype(np.float32)
    assert answer(model, image) == pytest.approx(answer(whole, image), abs=1e-5)
    sizes = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == [1, 3, *size]
    assert not any(node.op_type == "DepthToSpace" for node in model.graph.node)


def test_static_form_answers_rightly_on_webgl(whole):
    """On SwiftShader, which is WebGL without a GPU; most of the time goes into compiling some hundred shaders."""
    pytest.importorskip("playwright")
    from builder import common, parts

    if not parts.find_chromium() or not (common.NODE_MODULES / "onnxruntime-web").exists():
        pytest.skip("there is no Chromium, or the npm parts are not installed")
    from in_browser import opened

    image = IMAGE[..., :32, :32]
    with opened([static(whole, 32, 32).SerializeToString()], "webgl") as networks:
        (found,) = networks.answers(image)
    assert found[0, 0] == pytest.approx(answer(whole, image), abs=1e-4)


def test_a_folder_without_photos_is_said(tmp_path):
    with pytest.raises(SystemExit, match="no photos"):
        photographs(tmp_path)
