"""The published Tiefenrausch network (Kopf et al. 2020), from its Caffe2 files to ONNX: our teacher and yardstick.

    python models/tiefenrausch/published.py FOLDER OUT.onnx [--float] [--check CHECK.npz]

FOLDER holds `tiefenrausch.pb` (the graph) and `tiefenrausch_init.pb` (its weights) from the authors' release,
github.com/facebookresearch/one_shot_3d_photography (MIT). They are no part of this project.

Every tensor of the graph is uint8 with one scale and zero point, and those ranges are load-bearing: a zero point of 0
is the ReLU, and without the clipping the network answers garbage. Two forms keep them: QDQ (exact arithmetic, fastest
natively) and float activations clipped to the ranges (`--float`; in wasm twice as fast as QDQ). Needs `onnx`.

`--check` rewrites a check.npz with what this network answers to its image, so that a page checks by it.
"""

import argparse
import struct
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GRAPH, WEIGHTS = "tiefenrausch.pb", "tiefenrausch_init.pb"
LEVELS = 255  # of uint8
OPSET = 17
TITLE = "as published by Kopf et al. 2020"  # for the details on the page
IR_VERSION = 9  # what opset 17 needs; runtimes older than the installed onnx read it, too
# Field numbers of caffe2.proto: NetDef.op; OperatorDef.input, .output, .type, .arg; Argument.name, .f, .i, .s, .ints
OP, INPUT, OUTPUT, TYPE, ARG = 2, 1, 2, 4, 5
NAME, FLOAT, INT, STRING, INTS = 1, 2, 3, 4, 6


def fields(message: bytes):
    """(field number, value) of each field of a protobuf message: int for varints, bytes for the rest."""
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        wire = key & 7
        if wire == 0:
            value, position = varint(message, position)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if size is None:
                size, position = varint(message, position)
            value, position = message[position : position + size], position + size
        yield key >> 3, value


def varint(message: bytes, position: int) -> tuple[int, int]:
    """(value, next position) of the base-128 number at `position`; negative ones are 64-bit two's complement."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return (value - (1 << 64) if value >> 63 else value), position


def operators(net: bytes) -> list[tuple[str, list[str], list[str], dict]]:
    """(type, inputs, outputs, arguments) of each operator of a Caffe2 NetDef, in order."""
    result = []
    for operator in (value for number, value in fields(net) if number == OP):
        parts = list(fields(operator))
        names = {k: [v.decode() for n, v in parts if n == k] for k in (INPUT, OUTPUT, TYPE)}
        result.append((names[TYPE][0], names[INPUT], names[OUTPUT], dict(argument(v) for n, v in parts if n == ARG)))
    return result


def argument(message: bytes) -> tuple[str, object]:
    """(name, value): float, int, bytes or a list of ints."""
    name, value, ints = "", None, []
    for number, field in fields(message):
        if number == NAME:
            name = field.decode()
        elif number == INTS:
            ints.append(field)
        elif number == FLOAT:
            (value,) = struct.unpack("<f", field)
        else:
            value = field
    return name, ints if value is None else value


def read_weights(net: bytes) -> dict[str, tuple[np.ndarray, float, int]]:
    """name: (values, scale, zero point); kernels uint8 (O, I, kh, kw), biases int32 (O,)."""
    weights = {}
    for _, _, (name,), args in operators(net):
        values = args["values"]
        array = np.frombuffer(values, np.uint8) if isinstance(values, bytes) else np.array(values, np.int32)
        array = array.reshape(args["shape"])
        if array.ndim == 4:
            array = array.transpose(0, 3, 1, 2)  # Caffe2's NHWC order
        weights[name] = np.ascontiguousarray(array), args["Y_scale"], args["Y_zero_point"]
    return weights


class Converter:
    """Builds the ONNX graph operator by operator; `quantised` chooses QDQ, else clipped float."""

    def __init__(self, weights: dict, quantised: bool):
        self.weights, self.quantised = weights, quantised
        self.nodes, self.initializers = [], []

    def add(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value, dtype) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weight(self, name: str) -> str:
        """The named kernel or bias, stored as integers, as float."""
        values, scale, zero = self.weights[name]
        stored = self.constant(f"{name}.q", values, values.dtype)
        scale, zero = self.constant(f"{name}.scale", scale, np.float32), int(zero)
        if self.quantised:
            return self.add(
                "DequantizeLinear", [stored, scale, self.constant(f"{name}.zero", zero, values.dtype)], name
            )
        cast = self.add("Cast", [stored], f"{name}.float", to=TensorProto.FLOAT)
        if zero:
            cast = self.add("Sub", [cast, self.constant(f"{name}.zero", zero, np.float32)], f"{name}.centred")
        return self.add("Mul", [cast, scale], name)

    def bounded(self, raw: str, output: str, args: dict) -> str:
        """`raw` held to the range of the uint8 tensor that the published graph has here."""
        scale, zero = args["Y_scale"], args["Y_zero_point"]
        if not self.quantised:
            low = self.constant(f"{output}.low", -zero * scale, np.float32)
            return self.add(
                "Clip", [raw, low, self.constant(f"{output}.high", (LEVELS - zero) * scale, np.float32)], output
            )
        pair = [self.constant(f"{output}.scale", scale, np.float32), self.constant(f"{output}.zero", zero, np.uint8)]
        quantised = self.add("QuantizeLinear", [raw, *pair], f"{output}.q")
        return self.add("DequantizeLinear", [quantised, *pair], output)

    def operator(self, kind: str, inputs: list[str], output: str, args: dict) -> None:
        """Append what one Caffe2 operator does."""
        if kind in ("NCHW2NHWC", "Int8Dequantize"):  # ours is NCHW, and DequantizeLinear has been done
            self.add("Identity", inputs, output)
        elif kind == "Int8Quantize":
            self.bounded(inputs[0], output, args)
        elif kind == "Int8Conv":
            keys = {
                "strides": "strides",
                "pads": "pads",
                "dilations": "dilations",
                "kernels": "kernel_shape",
                "group": "group",
            }
            attributes = {onnx_name: args[name] for name, onnx_name in keys.items()}
            raw = self.add("Conv", [inputs[0], *map(self.weight, inputs[1:])], f"{output}.raw", **attributes)
            self.bounded(raw, output, args)
        elif kind == "Int8Add":
            self.bounded(self.add("Add", inputs, f"{output}.raw"), output, args)
        elif kind == "Int8ResizeNearest":
            scales = self.constant(f"{output}.scales", [1, 1, args["height_scale"], args["width_scale"]], np.float32)
            floor = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            self.add("Resize", [inputs[0], "", scales], output, mode="nearest", **floor)
        else:
            raise ValueError(f"The graph has an operator that is not known here: {kind}.")


def convert(graph: bytes, weights: bytes, quantised: bool = True) -> onnx.ModelProto:
    """The two Caffe2 files to a model: `image` (1, 3, H, W) in 0..1, sides multiples of 32, to `log_disparity`."""
    converter = Converter(read_weights(weights), quantised)
    rename = {"0": "image", "623": "log_disparity"}  # the graph's own input and output
    for kind, inputs, (output,), args in operators(graph):
        converter.operator(kind, [rename.get(name, name) for name in inputs], rename.get(output, output), args)
    shapes = [("image", [1, 3, "h", "w"]), ("log_disparity", [1, 1, "h", "w"])]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name, shape in shapes]
    graph = helper.make_graph(converter.nodes, "published", *ends, converter.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def fill(network, graph: bytes, weights: bytes) -> None:
    """Copy the release's weights and ranges into a `network.Published`, whose modules are in the graph's order."""
    import torch  # here, because the conversion needs none

    tensors = read_weights(weights)
    known = [part for part in operators(graph) if "Y_scale" in part[3] and part[0] != "Int8ResizeNearest"]
    ranges = [module for module in network.modules() if hasattr(module, "high")]
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    for module, (_, _, _, args) in zip(ranges, known, strict=True):
        module.low.fill_(-args["Y_zero_point"] * args["Y_scale"])
        module.high.fill_((LEVELS - args["Y_zero_point"]) * args["Y_scale"])
    layers = [inputs[1:] for kind, inputs, _, _ in known if kind == "Int8Conv"]
    for module, names in zip(convolutions, layers, strict=True):
        for parameter, (values, scale, zero) in zip((module.weight, module.bias), map(tensors.get, names), strict=True):
            parameter.data.copy_(torch.from_numpy((values.astype(np.float32) - zero) * np.float32(scale)))


def main(folder: Path, out: Path, quantised: bool = True) -> None:
    """Convert the release in `folder` to the ONNX file `out`."""
    onnx.save(convert(*((folder / name).read_bytes() for name in (GRAPH, WEIGHTS)), quantised), out)


def rewrite_check(check: Path, network: Path) -> None:
    """Keep the image of `check`, and store what `network` answers to it."""
    import onnxruntime

    image = np.load(check)["image"]
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255
    answer = session.run(None, {"image": batch})[0][0, 0]
    np.savez_compressed(check, image=image, log_disparity=answer.astype(np.float16), name=TITLE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--float", action="store_true", help="float activations, clipped, instead of QDQ")
    parser.add_argument("--check", type=Path, help="a check.npz to rewrite for this network")
    given = parser.parse_args()
    main(given.folder, given.out, not given.float)
    if given.check:
        rewrite_check(given.check, given.out)
