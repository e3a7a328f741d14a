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
from onnx import TensorProto, helper, numpy_helper

from models.farbrausch.network import ANCHOR_SWEEPS, FARBRAUSCH, LARGEST_SCALE, TINY

HERE = Path(__file__).resolve().parent
LARGEST = 127  # int8, symmetric
OPSET, IR_VERSION = 17, 8  # old enough for every ONNX Runtime Web of the last years
LEVELS = FARBRAUSCH.anchor_levels
KERNEL = 9


class Graph:
    """Nodes, constants and inputs in the making. Methods return the name of what they compute."""

    def __init__(self, whole: bool):
        self.whole, self.nodes, self.constants, self.inputs = whole, [], {}, {}

    def op(self, kind: str, *inputs: str, **attributes) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def store(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def number(self, value: float) -> str:
        return self.store(f"number_{value}", np.float32(value))

    def shape(self, *sides: int) -> str:
        return self.store(f"shape_{'_'.join(map(str, sides))}", np.array(sides, np.int64))

    def input(self, name: str, kind: int, *sides) -> str:
        self.inputs[name] = helper.make_tensor_value_info(name, kind, sides)
        return name

    def weight(self, name: str, matrix: np.ndarray) -> str:
        """(I, O) float32, rounded unless the network stays whole."""
        if self.whole:
            return self.store(name, matrix)
        scale = np.maximum(np.abs(matrix).max(0, keepdims=True) / LARGEST, np.finfo(np.float32).tiny)
        rounded = self.store(f"{name}_int8", np.rint(matrix / scale).astype(np.int8))
        scale = self.store(f"{name}_scale", scale.astype(np.float32))
        return self.op("Mul", self.op("Cast", rounded, to=TensorProto.FLOAT), scale)

    def sum(self, x: str, axis: int = 1) -> str:
        return self.op("ReduceSum", x, self.shape(axis), keepdims=0)

    def gather(self, x: str, indices: str) -> str:
        return self.op("Gather", x, indices, axis=0)

    def model(self, output: str) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [output], ["fill"]))
        answer = helper.make_tensor_value_info("fill", TensorProto.FLOAT, ["holes", 3])
        inputs = list(self.inputs.values())
        graph = helper.make_graph(self.nodes, "farbrausch", inputs, [answer], list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model


class Levels:
    """The inputs that say how the pixels of each level hang together, and the anchor that needs nothing else."""

    def __init__(self, graph: Graph):
        self.graph = graph
        add, whole, real = graph.input, TensorProto.INT32, TensorProto.FLOAT
        self.colour, self.weight = add("colour", real, "n0", 3), add("weight", real, "n0", 1)
        self.hole = add("hole", whole, "holes")
        self.cells = [add(f"cells_{k}", whole, f"n{k}", KERNEL) for k in range(LEVELS)]
        self.reach = [add(f"reach_{k}", real, f"n{k}", 1) for k in range(LEVELS)]
        self.scale = [graph.op("Min", reach, graph.number(LARGEST_SCALE)) for reach in self.reach]
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
            anchor = g.gather(anchor, self.parent[k])
            for _ in range(ANCHOR_SWEEPS):
                mean = g.op("Mul", g.sum(g.gather(anchor, self.cells[k])), g.number(1 / KERNEL))
                mean = g.op("Mul", mean, self.reach[k])
                own = g.op("Mul", weight[k], g.op("Sub", colour[k], mean))
                anchor = g.op("Mul", g.op("Add", mean, own), self.exists(k))
        return anchor

    def exists(self, k: int) -> str:
        """(N, 1): 1, and 0 in the row that stands for what is missing."""
        return self.graph.op("Min", self.reach[k], self.graph.number(1))

    def pool(self, x: str, k: int) -> str:
        """Level k to level k + 1: means over the pixels that there are."""
        g = self.graph
        count = g.op("Max", g.sum(g.gather(self.exists(k), self.children[k])), g.number(1))
        return g.op("Div", g.sum(g.gather(x, self.children[k])), count)


def build(weights: dict[str, np.ndarray], whole: bool = False) -> onnx.ModelProto:
    """The network for the LDI. weights: the state dict, as arrays. whole: float32 weights instead of int8."""
    g = Graph(whole)
    levels = Levels(g)
    deepest = max(int(name.split(".")[1]) for name in weights if name.startswith("enc."))

    def convolution(name: str, parts: list[tuple[str, str]], scale: str) -> str:
        """A partial convolution over several arrays (N, C), each with its own indices (M, 9), to (M, O)."""
        kernel = weights[f"{name}.weight"].transpose(2, 3, 1, 0)  # (3, 3, I, O)
        split = np.cumsum([width_of[x] for x, _ in parts])[:-1]
        total = g.store(f"{name}.bias", weights[f"{name}.bias"])
        for i, ((x, cells), piece) in enumerate(zip(parts, np.split(kernel, split, 2), strict=True)):
            rows = KERNEL * piece.shape[2]
            flat = g.op("Reshape", g.gather(x, cells), g.shape(-1, rows))
            matrix = g.weight(f"{name}.{i}", piece.reshape(rows, -1))
            total = g.op("Add", g.op("MatMul", flat, matrix), total)
        answer = g.op("Relu", g.op("Mul", total, scale))
        width_of[answer] = kernel.shape[3]
        return answer

    anchor = levels.anchor()
    known = g.op("Cast", g.op("Greater", levels.weight, g.number(0.5)), to=TensorProto.FLOAT)
    x = g.op("Concat", anchor, known, axis=1)
    width_of, skips = {x: 4}, []
    for k in range(deepest + 1):
        if k:
            pooled = levels.pool(x, k - 1)
            width_of[pooled] = width_of[x]
            x = pooled
        for i in range(sum(name.startswith(f"enc.{k}.") and name.endswith("weight") for name in weights)):
            x = convolution(f"enc.{k}.{i}", [(x, levels.cells[k])], levels.scale[k])
        skips.append(x)
    for k in reversed(range(deepest)):
        cells, scale = levels.cells[k], levels.scale[k]
        if k == 0:  # only the hole is wanted
            cells, scale = g.gather(cells, levels.hole), g.gather(scale, levels.hole)
        x = convolution(f"dec.{k}", [(x, g.gather(levels.parent[k], cells)), (skips[k], cells)], scale)
    out = g.weight("out.0", weights["out.weight"][:, :, 0, 0].T)
    residual = g.op("Add", g.op("MatMul", x, out), g.store("out.bias", weights["out.bias"]))
    return g.model(g.op("Add", residual, g.gather(anchor, levels.hole)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "farbrausch.onnx")
    parser.add_argument("--float", action="store_true", help="do not round the weights")
    given = parser.parse_args()
    state = torch.load(given.weights, map_location="cpu")
    model = build({name: tensor.float().numpy() for name, tensor in state.items()}, given.float)
    onnx.save(model, given.out)
    print(f"{sum(tensor.numel() for tensor in state.values()):,} parameters, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
