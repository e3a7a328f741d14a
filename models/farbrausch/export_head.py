"""The last step of the fill network (`head.py`) in ONNX, on a layered depth image."""

import numpy as np
from onnx import TensorProto

from app.rays import RAYS
from models.farbrausch.graph import Graph
from models.farbrausch.head import NEVER


class Head:
    """`network.Head`, in ONNX."""

    def __init__(self, graph: Graph, hits: str, away: str, weights: dict[str, np.ndarray]):
        self.graph, self.hits, self.away, self.weights = graph, hits, away, weights
        self.hidden = weights["head.score.weight"].shape[1]

    def linear(self, name: str, x: str) -> str:
        g = self.graph
        product = g.op("MatMul", x, g.weight(f"head.{name}", self.weights[f"head.{name}.weight"].T))
        bias = self.weights.get(f"head.{name}.bias")
        return product if bias is None else g.op("Add", product, g.store(f"head.{name}.bias", bias))

    def block(self, name: str, matrix: np.ndarray) -> str:
        """A constant that applies the matrix (I, O) to each of the rays: MatMul is the fastest way to do so."""
        return self.graph.store(name, np.kron(np.eye(RAYS, dtype=np.float32), matrix.astype(np.float32)))

    def answer(self, here: tuple[str, str], there: tuple[str, str]) -> str:
        """(P, 3). here: features (P, C) and the anchor's colours (P, 3); there: of the seam. Where a ray reaches
        nothing its index is -1, the last row, which stands for what is missing. What belongs to rays lies side by side,
        (P, RAYS x n)."""
        g, (features, anchored), (features_there, known) = self.graph, here, there
        hits = self.hits
        own = g.op("Add", anchored, self.linear("correction", features))
        colour = g.op("Add", known, self.linear("correction", features_there))
        some = g.op("Cast", g.op("Greater", hits, g.store("none", np.int32(-1))), to=TensorProto.FLOAT)
        place = g.op("Mul", hits, g.store("rays", np.int32(RAYS)))
        place = g.op("Add", place, g.store("ray", np.arange(RAYS, dtype=np.int32)))
        hidden = g.op("Reshape", self.linear("there", features_there), g.shape(-1, self.hidden))
        hidden = g.op("Add", self.rows(hidden, place, self.hidden), self.linear("here", features))
        hidden = g.op("Add", hidden, self.facts(anchored, self.rows(known, hits, 3), some))
        score = self.block("score", self.weights["head.score.weight"].T)
        scores = g.op("Add", g.op("MatMul", g.op("Relu", hidden), score), self.penalty(some))
        shares = g.op("Softmax", g.op("Concat", scores, self.linear("own", features), axis=1), axis=1)
        colours = g.op("Concat", self.rows(colour, hits, 3), own, axis=1)
        thrice = g.store("thrice", np.kron(np.eye(RAYS + 1, dtype=np.float32), np.ones((1, 3), np.float32)))
        wide = g.op("MatMul", shares, thrice)
        mix = g.store("mix", np.tile(np.eye(3, dtype=np.float32), (RAYS + 1, 1)))
        return g.op("MatMul", g.op("Mul", wide, colours), mix)

    def rows(self, x: str, indices: str, width: int) -> str:
        """(P, RAYS x width)."""
        return self.graph.op("Reshape", self.graph.gather(x, indices), self.graph.shape(-1, RAYS * width))

    def penalty(self, some: str) -> str:
        """(P, RAYS): zero, or what no score outweighs where a ray reaches nothing."""
        g = self.graph
        return g.op("Mul", g.op("Sub", g.number(1), some), g.number(NEVER))

    def facts(self, own: str, offered: str, some: str) -> str:
        """(P, RAYS x hidden): `network.facts_of` and what is made of them. The app says FARTHEST where a ray reaches
        nothing."""
        g = self.graph
        before = np.roll(np.eye(RAYS, dtype=np.float32), -1, 0)  # a product with it gives each ray the one before
        channels, add = np.eye(3, dtype=np.float32), self.block("add", np.ones((3, 1)))
        log = g.op("Log", g.op("Max", self.away, g.number(1)))
        ahead = g.op("Sub", log, g.op("ReduceMin", log, axes=[1], keepdims=1))
        everywhere = g.op("MatMul", own, g.store("everywhere", np.tile(channels, RAYS)))
        apart = g.op("Mul", g.op("MatMul", g.op("Abs", g.op("Sub", offered, everywhere)), add), some)
        change = g.store("change", np.kron(np.eye(RAYS, dtype=np.float32) - before, channels))
        pair = g.op("Mul", some, g.op("MatMul", some, g.store("before", before)))
        turned = g.op("Mul", g.op("MatMul", g.op("Abs", g.op("MatMul", offered, change)), add), pair)
        weights = self.weights["head.facts.weight"].T  # (FACTS, hidden)
        *each, last = (np.kron(np.eye(RAYS), row[None]) for row in weights)
        each[-1] += np.roll(last, 1, 0)  # the last fact is the one before it, of the next ray
        matrix = g.store("facts", np.vstack(each).astype(np.float32))
        return g.op("MatMul", g.op("Concat", log, ahead, apart, turned, axis=1), matrix)
