"""Make the shipped depth_pilot.onnx from the trained float32 network, and check.npz from a photo.

    python models/depth_pilot/quantize.py TRAINED.onnx PHOTO

Weights become int8 with one scale an output channel; biases and activations stay float32. `Cast` and `Mul` turn the
weights back, and ONNX Runtime folds the two away when a session is made. 384x288, best of 30, ms:

    ONNX Runtime                     float32   Cast + Mul   DequantizeLinear
    1.31.1 native, 1 thread             16.6         16.0               28.8
    1.31.1 native, 2 threads             9.5         10.1               28.7
    web 1.30.0, wasm in Node, 1 thread  71.3         74.8               74.5
    file, bytes                    4,068,484    1,175,319          1,171,358

DequantizeLinear is not folded natively unless the session is told so, which is why it is not used. Needs the `onnx`
package, which the project itself does not.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))
from app.network import OnnxNetwork, as_input  # noqa: E402

CHECK_SIZE = (160, 160)  # pixels: small to ship, and large enough for all levels of the network
LARGEST = 127  # int8, symmetric


def quantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every convolution weight of `model` as int8 with a scale an output channel."""
    nodes, initializers = [], []
    for tensor in model.graph.initializer:
        weight = numpy_helper.to_array(tensor)
        if weight.ndim != 4:  # a bias
            initializers.append(tensor)
            continue
        scale = np.abs(weight).max(axis=(1, 2, 3), keepdims=True).astype(np.float32) / LARGEST
        scale = np.maximum(scale, np.finfo(np.float32).tiny)
        initializers.append(numpy_helper.from_array(np.rint(weight / scale).astype(np.int8), f"{tensor.name}_int8"))
        initializers.append(numpy_helper.from_array(scale, f"{tensor.name}_scale"))
        nodes.append(helper.make_node("Cast", [f"{tensor.name}_int8"], [f"{tensor.name}_float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{tensor.name}_float", f"{tensor.name}_scale"], [tensor.name]))
    graph = helper.make_graph(
        [*nodes, *model.graph.node], "depth_pilot", model.graph.input, model.graph.output, initializers
    )
    small = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(small, full_check=True)
    return small


def store_check(photo: Path, model: Path) -> None:
    """Store what the network answers to a small version of the photo; a backend must answer the same."""
    with Image.open(photo) as image:
        pixels = np.asarray(image.convert("RGB").resize(CHECK_SIZE, Image.Resampling.BOX))
    answer = asyncio.run(OnnxNetwork(model).run(as_input(pixels)))
    np.savez_compressed(HERE / "check.npz", image=pixels, log_disparity=answer.astype(np.float16))


if __name__ == "__main__":
    onnx.save(quantize(onnx.load(sys.argv[1])), HERE / "depth_pilot.onnx")
    store_check(Path(sys.argv[2]), HERE / "depth_pilot.onnx")
