"""An ONNX graph in the making, so that `export.py` reads like the network itself."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGEST = 127  # int8, symmetric
OPSET, IR_VERSION = 17, 8  # old enough for every ONNX Runtime Web of the last years


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
