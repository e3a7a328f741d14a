"""Make tiefenrausch.onnx and check.npz from a checkpoint of train.py, or from the mean of several.

    python models/tiefenrausch/export.py RUN/last.pt... [--out FOLDER] [--float FILE] [--qdq FILE --photos FOLDER]

Batch normalisation is folded into the convolutions, whose weights become int8 with one scale an output channel; biases
and activations stay float32, clipped by ReLU6. `Cast` and `Mul` turn the weights back, which ONNX Runtime folds away
when a session is made: int8 pays for the download, not for the run (float activations beat QDQ threefold in wasm). For
runtimes that do gain by int8 activations, `--qdq` writes that form, too (see `variants.py`).
Prints how far rounding moves the answers, and stops where the float file does not answer what PyTorch does.
"""

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from network import SIZE, TIEFENRAUSCH, Network, costs
from onnx import TensorProto, helper, numpy_helper
from variants import photographs, qdq, unpacked

HERE = Path(__file__).resolve().parent
LARGEST = 127  # int8, symmetric
OPSET = 17
TOLERANCE = 1e-4  # log-disparity, between PyTorch and ONNX Runtime: float32 sums in another order
NAME = "Tiefblick's own"  # for the details on the page
CHECK_IMAGE = HERE / "check.npz"  # its `image` stays: (160, 160, 3) uint8, a public-domain portrait


def to_onnx(network: Network) -> onnx.ModelProto:
    """The float network, `image` (1, 3, H, W) to `log_disparity` (1, 1, H, W), sides multiples of 32."""
    buffer, sides = io.BytesIO(), {2: "h", 3: "w"}
    names = {"input_names": ["image"], "output_names": ["log_disparity"]}
    axes = {"image": sides, "log_disparity": sides}
    example = torch.zeros(1, 3, *SIZE)
    torch.onnx.export(network.eval(), example, buffer, **names, dynamic_axes=axes, opset_version=OPSET, dynamo=False)
    return onnx.load_from_string(buffer.getvalue())


def quantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every convolution weight of `model` as int8 with a scale an output channel."""
    nodes, initializers = [], []
    for tensor in model.graph.initializer:
        weight = numpy_helper.to_array(tensor)
        if weight.ndim != 4:  # a bias
            initializers.append(tensor)
            continue
        whole, scale = rounded(weight)
        name = tensor.name
        initializers += [
            numpy_helper.from_array(whole, f"{name}_int8"),
            numpy_helper.from_array(scale, f"{name}_scale"),
        ]
        nodes.append(helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [name]))
    graph = model.graph
    graph = helper.make_graph([*nodes, *graph.node], "tiefenrausch", graph.input, graph.output, initializers)
    small = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(small, full_check=True)
    return small


def rounded(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(O, I, kh, kw) float32 to int8 of the same shape and its scales (O, 1, 1, 1) float32."""
    scale = np.abs(weight).max(axis=(1, 2, 3), keepdims=True).astype(np.float32) / LARGEST
    scale = np.maximum(scale, np.finfo(np.float32).tiny)  # a channel of zeros
    return np.rint(weight / scale).astype(np.int8), scale


def run(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    """(1, 3, H, W) to (H, W)."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0][0, 0]


def mean_weights(checkpoints: list[Path]) -> dict[str, torch.Tensor]:
    """Of runs that began alike and differ in their samples: as good as any, often better (Wortsman et al. 2022)."""
    states = [torch.load(checkpoint, map_location="cpu")["average"] for checkpoint in checkpoints]
    return {name: sum(state[name] for state in states) / len(states) for name in states[0]}


def main(checkpoints: list[Path], out: Path, unrounded: Path | None, int8: Path | None, photos: Path | None) -> None:
    state = mean_weights(checkpoints)
    folded = not any(name.endswith("running_mean") for name in state)  # a run that went on from an exported network
    network = Network(replace(TIEFENRAUSCH, normalise=not folded))
    network.load_state_dict(state)
    pixels = np.load(CHECK_IMAGE)["image"]
    image = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / 255
    full = to_onnx(network)
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(image))[0, 0].numpy()
    deviation = np.abs(run(full, image) - expected).max()
    if deviation > TOLERANCE:
        raise SystemExit(f"ONNX answers otherwise than PyTorch, by {deviation:.5f}.")
    small = quantize(full)
    answer = run(small, image)
    out.mkdir(parents=True, exist_ok=True)
    if unrounded:
        onnx.save(full, unrounded)
    if int8:
        onnx.save(qdq(unpacked(small), photographs(photos)), int8)
    onnx.save(small, out / "tiefenrausch.onnx")
    np.savez_compressed(out / "check.npz", image=pixels, log_disparity=answer.astype(np.float16), name=NAME)
    parameters, adds = costs(network)
    size = (out / "tiefenrausch.onnx").stat().st_size
    print(f"{parameters:,} parameters, {adds / 1e9:.2f} GMAC at {SIZE[0]}x{SIZE[1]}, {size:,} bytes")
    print(f"rounding moves log-disparity by {np.abs(answer - expected).mean():.4f} in the mean")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--float", type=Path, help="where to save the network with float weights, too")
    parser.add_argument("--qdq", type=Path, help="where to save the network with int8 activations, too")
    parser.add_argument("--photos", type=Path, help="folder of photos that show the ranges of activations, for --qdq")
    given = parser.parse_args()
    if given.qdq and not given.photos:
        parser.error("--qdq needs --photos")
    main(given.checkpoints, given.out, given.float, given.qdq, given.photos)
