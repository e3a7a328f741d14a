"""Other forms of the shipped network, for other runtimes.

    python models/tiefenrausch/variants.py qdq PHOTOS OUT.onnx        # int8 activations, for runtimes that gain by them
    python models/tiefenrausch/variants.py static OUT.onnx [--size 384 288]      # what WebGL runs: one size a file

Both start from `tiefenrausch.onnx` (`--network FILE`): no checkpoint and no PyTorch is needed.

qdq: QuantizeLinear and DequantizeLinear around every tensor up to the head. Weights keep the int8 values of the shipped
file. Ranges of activations are what some photos show (PHOTOS, any folder of images), never beyond the 0 to 6 of ReLU6;
the clipping itself is then part of the quantisation. The head stays float: 256 levels of log-disparity would draw steps
on slopes and put pixels that differ little into no order (ordinal error 0.357 in place of 0.353). So does the last
block before it, which places the edges (boundary F1 0.0275, else 0.0271; float 0.0275). Scored on a processor with
VNNI; ONNX Runtime's kernels for older x86 ones may saturate where products of uint8 and int8 are summed in pairs.

static: float weights and fixed sizes. The WebGL backend of ONNX Runtime Web 1.30 has no nearest Resize, and adds what
DepthToSpace made at the wrong places, because its element-wise operators take it that equal shapes lie equally in their
textures. A transposed convolution with a kernel of ones does the same for both, exactly. Weights must be float: int8
ones it reads wrongly. Checked with SwiftShader: off by 1e-6; its time there, 15 s, says nothing of a GPU, and was not
measured on one. ONNX Runtime has deprecated this backend (release notes of 1.29), so that the page does not ship it.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from label import reduce
from onnx import helper, numpy_helper
from PIL import Image

HERE = Path(__file__).resolve().parent
SHIPPED = HERE / "tiefenrausch.onnx"
PHOTOS = 48  # to calibrate with: the ranges are the least and largest values over all of them
# Modules of network.py that are quantized; what follows the last of them is the head.
BODY = ("/stem", "/enc", "/neck", "/skip", "/dec", "/fuse.1", "/fuse.2", "/fuse.3")
STATIC_SIZES = ((384, 288), (288, 384), (384, 256), (256, 384), (288, 288))  # of 4:3, 3:2 and square photos


def unpacked(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with float weights, from the form that `export.py` writes; constants become initializers."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name in [name.removesuffix("_int8") for name in constants if name.endswith("_int8")]:
        constants[name] = constants.pop(f"{name}_int8") * constants.pop(f"{name}_scale")
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.output[0] not in constants and not node.output[0].endswith("_float"):
            nodes.append(node)
    return rebuilt(model, nodes, constants)


def rebuilt(model: onnx.ModelProto, nodes: list, constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    """`model` with other nodes and constants; those that no node takes are left out."""
    taken = {name for node in nodes for name in node.input}
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in taken]
    graph = helper.make_graph(nodes, "tiefenrausch", model.graph.input, model.graph.output, initializers)
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(made, full_check=True)
    return made


def head(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes between the last block and the output."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found, queue = [], [model.graph.output[0].name]
    while queue:
        node = makers.get(queue.pop())
        if node is not None and not node.name.startswith(BODY) and node.name not in found:
            found.append(node.name)
            queue += node.input
    return found


def qdq(model: onnx.ModelProto, images: list[np.ndarray]) -> onnx.ModelProto:
    """`unpacked` network to QDQ form; images: (1, 3, H, W) float32 in 0..1, of which the ranges are taken."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Images(CalibrationDataReader):
        left = iter(images)

        def get_next(self):
            image = next(self.left, None)
            return None if image is None else {"image": image}

    with tempfile.TemporaryDirectory() as folder:
        source, target = (Path(folder) / name for name in ("float.onnx", "qdq.onnx"))
        onnx.save(model, source)  # a model in memory would be changed
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "per_channel": True}
        excluded = {"nodes_to_exclude": head(model)}
        quantize_static(source, target, Images(), quant_format=QuantFormat.QDQ, **kinds, **excluded)
        return onnx.load(target)


def photographs(folder: Path, count: int = PHOTOS) -> list[np.ndarray]:
    """(1, 3, H, W) float32 of that many photos, evenly chosen among the sorted names."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    if not paths:
        raise SystemExit(f"{folder} has no photos to take the ranges of activations from.")
    images = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        with Image.open(path) as image:
            images.append(np.ascontiguousarray(reduce(image).transpose(2, 0, 1)[None], np.float32) / 255)
    return images


def static(model: onnx.ModelProto, height: int, width: int) -> onnx.ModelProto:
    """`unpacked` network for images of one size, of operators that the WebGL backend runs rightly."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        for dim, size in zip(value.type.tensor_type.shape.dim[2:], (height, width), strict=True):
            dim.dim_value = size
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in fixed.graph.initializer}
    channels = {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in onnx.shape_inference.infer_shapes(fixed).graph.value_info
        if len(value.type.tensor_type.shape.dim) == 4
    }
    nodes = [_for_webgl(node, channels, constants) for node in fixed.graph.node]
    return rebuilt(fixed, nodes, constants)


def _for_webgl(node: onnx.NodeProto, channels: dict[str, int], constants: dict[str, np.ndarray]) -> onnx.NodeProto:
    """The node, or the transposed convolution that stands for it, whose kernel is put among the constants."""
    attributes = {part.name: helper.get_attribute_value(part) for part in node.attribute}
    count = channels.get(node.input[0], 0)
    if node.op_type == "Resize" and attributes["mode"] == b"nearest":
        groups, kernel = count, np.ones((count, 1, 2, 2))  # each pixel four times
    elif node.op_type == "DepthToSpace":
        groups, kernel = count // 4, np.tile(np.eye(4).reshape(4, 1, 2, 2), (count // 4, 1, 1, 1))
    else:
        return node
    name = f"{node.output[0]}_kernel"
    constants[name] = kernel.astype(np.float32)
    shape = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0] * 4, "group": groups}
    return helper.make_node("ConvTranspose", [node.input[0], name], list(node.output), name=node.name, **shape)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    forms = parser.add_subparsers(dest="form", required=True)
    for form in ("qdq", "static"):
        command = forms.add_parser(form)
        if form == "qdq":
            command.add_argument("photos", type=Path)
        command.add_argument("out", type=Path)
        command.add_argument("--network", type=Path, default=SHIPPED)
    command.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), default=STATIC_SIZES[0])
    given = parser.parse_args()
    network = unpacked(onnx.load(given.network))
    made = qdq(network, photographs(given.photos)) if given.form == "qdq" else static(network, *given.size)
    onnx.save(made, given.out)
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")
