"""Start from a network whose batch normalisation has been folded away: an ONNX file, with float or int8 weights."""

import re
from pathlib import Path

import onnx
import torch
from network import Network
from onnx import numpy_helper
from torch import nn


def read_folded(path: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Module name: (kernel, bias) of each convolution, from the node names that torch.onnx gives."""
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name in [name.removesuffix("_int8") for name in constants if name.endswith("_int8")]:
        constants[name] = constants[f"{name}_int8"] * constants[f"{name}_scale"]  # as export.py stores weights
    folded = {}
    for node in graph.node:
        if node.op_type == "Conv":
            kernel, bias = (torch.from_numpy(constants[name].copy()) for name in node.input[1:3])
            folded[module_name(node.name)] = kernel, bias
    return folded


def module_name(node: str) -> str:
    """'/enc.0/enc.0.1/b/b.2/b.2.0/Conv' to 'enc.0.1.body.2.0'; a part that the next one repeats is left out."""
    parts = node.strip("/").split("/")[:-1]
    kept = [
        part for part, following in zip(parts, [*parts[1:], ""], strict=True) if not following.startswith(f"{part}.")
    ]
    return ".".join("body" + part[1:] if part == "b" or part.startswith("b.") else part for part in kept)


@torch.no_grad()
def copy_weights(network: Network, path: Path) -> list[str]:
    """Copy what `path` has into `network`, which has no batch normalisation; returns the names it did not have.

    Blocks that the file does not have must already answer nothing (`start_as_identity`).
    """
    folded, missing = read_folded(path), []
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        bare = re.sub(r"^fuse\.(\d)\.0\.", r"fuse.\1.", name)  # the pilot has one block there, and no list
        source = folded.get(name, folded.get(bare))
        if source is None:
            missing.append(name)
            continue
        module.weight.copy_(source[0])
        module.bias.copy_(source[1])
    return missing
