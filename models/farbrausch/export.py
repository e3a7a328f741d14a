"""Farbrausch's weights to the ONNX network that runs on a layered depth image.

    python -m models.farbrausch.export WEIGHTS.pt [--out models/farbrausch/farbrausch.onnx] [--float]

WEIGHTS.pt: the state dict of `network.Network`. On the LDI a convolution is Gather (the nine cells of each pixel's
kernel, which the links lead to) and MatMul; all else is as in the 2D form of `network.py`, to which it must answer
alike where nothing is cut. Inputs: see `app.inpaint.network_inputs`.

Weights are int8 with a scale an output channel. `Cast` and `Mul` turn them back, which ONNX Runtime folds away when a
session is made: int8 pays for the download, not for the run.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto
from torch.nn import BatchNorm2d

from app.rays import RAYS
from models.farbrausch.anchor import SWEEPS, TINY
from models.farbrausch.export_head import Head
from models.farbrausch.graph import Graph
from models.farbrausch.network import FARBRAUSCH, LARGEST_SCALE

HERE = Path(__file__).resolve().parent
LEVELS = FARBRAUSCH.anchor_levels
KERNEL = 9


class Inputs:
    """What `app.inpaint.network_inputs` gives, and the anchor that needs nothing else."""

    def __init__(self, graph: Graph):
        self.graph = graph
        add, whole, real = graph.input, TensorProto.INT32, TensorProto.FLOAT
        self.colour, self.weight = add("colour", real, "n0", 3), add("weight", real, "n0", 1)
        self.hole, self.seam = add("hole", whole, "holes"), add("seam", whole, "seams")
        self.hits, self.away = add("hits", whole, "holes", RAYS), add("away", real, "holes", RAYS)
        self.cells = [add(f"cells_{k}", whole, f"n{k}", KERNEL) for k in range(LEVELS)]
        self.reach = [add(f"reach_{k}", real, f"n{k}", 1) for k in range(LEVELS)]
        self.scale = [graph.op("Min", reach, graph.number(LARGEST_SCALE)) for reach in self.reach]
        # 1, and 0 in the row that stands for what is missing
        self.exists = [graph.op("Min", reach, graph.number(1)) for reach in self.reach]
        self.parent = [add(f"parent_{k}", whole, f"n{k}") for k in range(LEVELS)]
        self.children = [add(f"children_{k}", whole, f"n{k + 1}", 4) for k in range(LEVELS)]

    def anchor(self) -> str:
        """(N, 3): the push-pull fill. Known colours are averaged upwards, and come down where there are none."""
        g, colour, weight = self.graph, [self.colour], [self.weight]
        for children in self.children:
            part = g.gather(weight[-1], children)
            total = g.sum(part)
            mixed = g.sum(g.op("Mul", part, g.gather(colour[-1], children)))
            colour.append(g.op("Div", mixed, g.op("Max", total, g.number(TINY))))
            weight.append(g.op("Min", total, g.number(1)))
        anchor = colour.pop()
        for k in reversed(range(LEVELS)):
            anchor = self.smooth(g.gather(anchor, self.parent[k]), k, colour[k], weight[k])
        return anchor

    def smooth(self, anchor: str, k: int, colour: str, weight: str) -> str:
        """Sweeps over a level (N, 3). Of the finest one, which has most pixels, only the hole changes."""
        g, (cells, reach) = self.graph, (self.cells[k], self.reach[k])
        known = colour
        if k == 0:
            index = g.op("Unsqueeze", g.op("Cast", self.hole, to=TensorProto.INT64), g.shape(1))
            cells, reach, colour, weight = (g.gather(part, self.hole) for part in (cells, reach, colour, weight))
        share = g.op("Mul", g.op("Mul", reach, g.number(1 / KERNEL)), g.op("Sub", g.number(1), weight))
        own = g.op("Mul", weight, colour)
        for _ in range(SWEEPS):
            swept = g.op("Add", own, g.op("Mul", share, self.sums(anchor, cells, 3)))
            anchor = g.op("ScatterND", known, index, swept) if k == 0 else swept
        return anchor

    def sums(self, x: str, indices: str, width: int, count: int = KERNEL) -> str:
        """(M, width): sums of the rows of x that (M, count) indices name. MatMul adds several times faster than
        ReduceSum."""
        g = self.graph
        flat = g.op("Reshape", g.gather(x, indices), g.shape(-1, count * width))
        return g.op(
            "MatMul", flat, g.store(f"sum_{count}_{width}", np.tile(np.eye(width, dtype=np.float32), (count, 1)))
        )

    def pool(self, x: str, k: int) -> str:
        """Level k to level k + 1: means over the pixels that there are."""
        g = self.graph
        count = g.op("Max", g.sum(g.gather(self.exists[k], self.children[k])), g.number(1))
        return g.op("Div", g.sum(g.gather(x, self.children[k])), count)


class UNet:
    """The convolutions. weights: the state dict of `network.Network`, as arrays."""

    def __init__(self, graph: Graph, inputs: Inputs, weights: dict[str, np.ndarray]):
        self.graph, self.inputs, self.weights, self.width = graph, inputs, weights, {}
        names = [name.split(".") for name in weights if name.startswith("unet.enc.") and name.endswith("sums.weight")]
        self.depths = [sum(int(name[2]) == k for name in names) for k in range(1 + max(int(name[2]) for name in names))]

    def convolution(self, name: str, parts: list[tuple[str, str]], scale: str, exists: str) -> str:
        """A partial convolution over several arrays (N, C), each with its own indices (M, 9), to (M, O), without the
        sum with its input. Batch normalisation becomes part of the weights."""
        g, kernel, offset = self.graph, *folded(self.weights, f"unet.{name}")
        total, start = None, 0
        for i, (x, cells) in enumerate(parts):
            piece = kernel[:, :, start : start + self.width[x]]
            start += self.width[x]
            count = KERNEL * self.width[x]
            matrix = g.weight(f"{name}.{i}", piece.reshape(count, -1))
            product = g.op("MatMul", g.op("Reshape", g.gather(x, cells), g.shape(-1, count)), matrix)
            total = g.op("Add", total, product) if total else product
        shifted = g.op("Add", g.op("Mul", total, scale), g.store(f"{name}.offset", offset))
        answer = g.op("Mul", g.op("Relu", shifted), exists)
        self.width[answer] = kernel.shape[3]
        return answer

    def down(self, x: str) -> list[str]:
        """(N_k, widths[k]) of each level."""
        inputs, levels = self.inputs, []
        self.width[x] = 4
        for k, depth in enumerate(self.depths):
            if k:
                x, below = inputs.pool(x, k - 1), x
                self.width[x] = self.width[below]
            for i in range(depth):
                answer = self.convolution(f"enc.{k}.{i}", [(x, inputs.cells[k])], inputs.scale[k], inputs.exists[k])
                if self.width[answer] == self.width[x]:
                    answer, width = self.graph.op("Add", x, answer), self.width[x]
                    self.width[answer] = width
                x = answer
            levels.append(x)
        return levels

    def up(self, k: int, x: str, skip: str, wanted: str | None = None) -> str:
        """From level k + 1 to level k: at all of its pixels, or the wanted ones."""
        g, inputs = self.graph, self.inputs
        cells, scale, exists = inputs.cells[k], inputs.scale[k], inputs.exists[k]
        if wanted:
            cells, scale, exists = (g.gather(part, wanted) for part in (cells, scale, exists))
        return self.convolution(f"dec.{k}", [(x, g.gather(inputs.parent[k], cells)), (skip, cells)], scale, exists)


def folded(weights: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3, I, O) kernel and (O,) offset of a convolution and its normalisation."""
    mean, variance, gain, bias = (
        weights[f"{name}.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    factor = gain / np.sqrt(variance + BatchNorm2d(1).eps)
    return weights[f"{name}.sums.weight"].transpose(2, 3, 1, 0) * factor, bias - mean * factor


def build(weights: dict[str, np.ndarray], whole: bool = False) -> onnx.ModelProto:
    """The network for the LDI. weights: the state dict, as arrays. whole: float32 weights instead of int8."""
    g = Graph(whole)
    inputs = Inputs(g)
    unet, anchor = UNet(g, inputs, weights), inputs.anchor()
    known = g.op("Cast", g.op("Greater", inputs.weight, g.number(0.5)), to=TensorProto.FLOAT)
    *skips, x = unet.down(g.op("Concat", anchor, known, axis=1))
    for k in reversed(range(1, len(skips))):
        x = unet.up(k, x, skips[k])
    here, there = (  # of the finest level only the hole is wanted, and what rays reach
        (unet.up(0, x, skips[0], wanted), g.gather(anchor, wanted)) for wanted in (inputs.hole, inputs.seam)
    )
    return g.model(Head(g, inputs.hits, inputs.away, weights).answer(here, there))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "farbrausch.onnx")
    parser.add_argument("--float", action="store_true", help="do not round the weights")
    given = parser.parse_args()
    state = torch.load(given.weights, map_location="cpu")
    onnx.save(build({name: tensor.float().numpy() for name, tensor in state.items()}, given.float), given.out)
    print(f"{given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
