"""Weights to start from: what `train.py` wrote, or the exported network, with float or int8 weights."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The state dict of `network.Network` from a .pt file, or from an .onnx file that `export.py` made."""
    if path.suffix == ".pt":
        return torch.load(path, map_location="cpu")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    for name in [name.removesuffix("_int8") for name in constants if name.endswith("_int8")]:
        constants[name] = constants[f"{name}_int8"] * constants[f"{name}_scale"]
    state = {}
    for layer in [name.removesuffix(".bias") for name in constants if name.endswith(".bias")]:
        side = 1 if layer == "out" else 3
        pieces = []  # a decoder's kernel is stored in two parts: for what comes from below, and for the skip
        while f"{layer}.{len(pieces)}" in constants:
            matrix = constants[f"{layer}.{len(pieces)}"]  # (side * side * inputs, outputs)
            pieces.append(matrix.reshape(side, side, -1, matrix.shape[1]))
        kernel = np.concatenate(pieces, 2).transpose(3, 2, 0, 1)
        state[f"{layer}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel))
        state[f"{layer}.bias"] = torch.from_numpy(constants[f"{layer}.bias"].copy())
    return state
