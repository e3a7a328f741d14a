import os
import struct
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from label import LONG_SIDE, MULTIPLE  # noqa: E402
from PIL import Image  # noqa: E402
from published import GRAPH, WEIGHTS, convert, fields, fill, operators  # noqa: E402


def varint(value: int) -> bytes:
    value %= 1 << 64
    out = b""
    while value >= 128:
        out, value = out + bytes([value % 128 + 128]), value // 128
    return out + bytes([value])


def field(number: int, value) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def argument(name: str, value) -> bytes:
    message = field(1, name.encode())
    if isinstance(value, list):
        return message + b"".join(field(6, item) for item in value)
    return message + field({int: 3, float: 2, bytes: 4}[type(value)], value)


def operator(kind: str, inputs: str, output: str, **arguments) -> bytes:
    message = b"".join(field(1, name.encode()) for name in inputs.split()) + field(2, output.encode())
    message += field(4, kind.encode()) + b"".join(field(5, argument(*item)) for item in arguments.items())
    return field(2, message)


@pytest.fixture
def net():
    """One 1x1 convolution of three channels with the weights 1, 2 and -1 and the bias 0.5, its output in 0..2.55."""
    kernel = bytes([129, 130, 127])
    weights = operator("Int8GivenTensorFill", "", "w", values=kernel, shape=[1, 1, 1, 3], Y_scale=1.0, Y_zero_point=128)
    weights += operator("Int8GivenIntTensorFill", "", "b", values=[128], shape=[1], Y_scale=1 / 256, Y_zero_point=0)
    shape = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "kernels": [1, 1], "group": 1}
    graph = operator("NCHW2NHWC", "0", "0_NHWC")
    graph += operator("Int8Quantize", "0_NHWC", "q", Y_scale=1 / 256, Y_zero_point=0)
    graph += operator("Int8Conv", "q w b", "c", Y_scale=0.01, Y_zero_point=0, **shape)
    return graph + operator("Int8Dequantize", "c", "623"), weights


def test_wire_format_gives_what_was_written():
    assert list(fields(field(1, 300) + field(2, b"ab") + field(6, -5))) == [(1, 300), (2, b"ab"), (6, -5)]


def test_operators_are_read_with_their_arguments(net):
    kind, inputs, outputs, arguments = operators(net[0])[2]
    assert (kind, inputs, outputs) == ("Int8Conv", ["q", "w", "b"], ["c"])
    assert arguments["kernels"] == [1, 1]
    assert arguments["Y_scale"] == pytest.approx(0.01)


@pytest.mark.parametrize("quantised", [True, False])
def test_both_forms_compute_and_clip_alike(net, quantised):
    session = onnxruntime.InferenceSession(convert(*net, quantised).SerializeToString())
    image = np.zeros((1, 3, 1, 3), np.float32)
    image[0, :, 0] = np.array([[0.5, 0.25, 0], [0, 0, 0.75], [0.75, 0.75, 0]]).T
    (answer,) = session.run(None, {"image": np.ascontiguousarray(image)})
    # 0.5 + 2 * 0.25 + 0.5; 0.5 - 0.75 is clipped at the zero point; 0.5 + 0.75 + 2 * 0.75 at the last level.
    assert answer.ravel() == pytest.approx([1.5, 0, 2.55], abs=0.01)


def test_operator_that_is_not_known_is_named(net):
    with pytest.raises(ValueError, match="Int8Softmax"):
        convert(net[0] + operator("Int8Softmax", "623", "x"), net[1])


def area_averaged(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) at the network's size, each pixel the mean of the area it covers, as the authors reduced theirs. (The
    box filter of Pillow counts a pixel wholly or not at all; with it the answer to one of the two is off by 0.09.)"""
    scale = LONG_SIDE / max(image.shape)
    sizes = [int(side * scale) // MULTIPLE * MULTIPLE for side in image.shape[:2]]
    for axis, size in enumerate(sizes):
        count = image.shape[axis]
        edges, pixels = np.linspace(0, count, size + 1), np.arange(count)
        overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        weights = np.maximum(overlap, 0) * size / count
        image = np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)
    return image


RELEASE = os.environ.get("TIEFBLICK_RELEASE", "")  # a folder with the release's networks, samples and maps of them


@pytest.mark.skipif(not RELEASE, reason="TIEFBLICK_RELEASE names no folder with the published release")
@pytest.mark.parametrize("quantised", [True, False])
@pytest.mark.parametrize("name", ["columns", "pumpkin"])
def test_the_authors_own_maps_are_reproduced(name, quantised):
    folder = Path(RELEASE)
    model = convert(*((folder / file).read_bytes() for file in (GRAPH, WEIGHTS)), quantised)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with Image.open(folder / f"{name}.jpg") as photo:
        pixels = area_averaged(np.asarray(photo.convert("RGB"), float)) / 255
    image = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
    answer = session.run(None, {"image": image})[0][0, 0]
    assert np.abs(answer - np.log(np.load(folder / f"{name}.npy").squeeze())).mean() < 0.02


@pytest.fixture
def layers():
    torch = pytest.importorskip("torch")
    from network import Published

    torch.manual_seed(0)
    return Published().eval()


def test_layer_table_has_the_published_costs(layers):
    from network import costs

    parameters, adds = costs(layers)
    assert parameters == 3_550_841
    assert round(adds / 1e9, 2) == 6.83


def test_layers_keep_the_size_of_the_image(layers):
    import torch

    with torch.no_grad():
        assert layers(torch.rand(1, 3, 64, 96)).shape == (1, 1, 64, 96)


@pytest.mark.skipif(not RELEASE, reason="TIEFBLICK_RELEASE names no folder with the published release")
def test_layers_with_the_published_weights_answer_as_the_converted_network(layers):
    import torch

    release = [(Path(RELEASE) / file).read_bytes() for file in (GRAPH, WEIGHTS)]
    fill(layers, *release)
    session = onnxruntime.InferenceSession(convert(*release, False).SerializeToString())
    image = np.random.default_rng(0).uniform(size=(1, 3, 96, 64)).astype(np.float32)
    with torch.no_grad():
        answer = layers(torch.from_numpy(image)).numpy()
    assert answer == pytest.approx(session.run(None, {"image": image})[0], abs=1e-3)
    assert np.ptp(answer) > 0.1
