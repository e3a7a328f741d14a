"""What the blocks of the family cost in ONNX Runtime Web: a table that is measured once and stored as blocks.json.

    python models/tiefenrausch/blocks.py          # measures; some minutes, best while nothing else runs

Milliseconds with one thread for an image of 384x288. Each block is run once and three times side by side in networks
that are otherwise alike; half the difference is what one costs, free of what a run costs whatever it runs. The best of
the runs counts: other programs can only make one slower. What is not searched for (the trained encoder, the head, the
run itself) is what the smallest member takes beyond its blocks, for each width at both ends of the decoder.
"""

import io
import itertools
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from in_browser import opened
from network import EFFICIENTNET_LITE0, SIZE, TIEFENRAUSCH, InvertedResidual, Network, Options
from torch import nn

TABLE = Path(__file__).resolve().parent / "blocks.json"
# What `search.py` chooses from: the decoder's widths by level, around the shipped network's.
WIDTHS = ((16, 24), (24, 32), (32, 40, 56), (48, 64, 80), (64, 96, 128))
EXPANSIONS = (2, 3, 4)
DEEPEST = EFFICIENTNET_LITE0[-1]  # how many of its blocks there are is searched for, too
COPIES = 3
RUNS, WARM_UP = 12, 2
LEAST = 0.01  # ms: what is too quick to be measured is not free
OPSET = 17


@dataclass(frozen=True)
class Block:
    """kind: "same"; "up", to the level before, with upsampling. level: that of the input."""

    kind: str
    level: int
    inputs: int
    outputs: int
    expansion: int
    kernel: int = 3

    @property
    def key(self) -> str:
        return f"{self.kind} {self.level} {self.inputs}-{self.outputs} x{self.expansion} k{self.kernel}"

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return (1, self.inputs, *(side >> (self.level + 1) for side in SIZE))


DEEPEST_BLOCK = Block("same", len(WIDTHS) - 1, DEEPEST.width, DEEPEST.width, DEEPEST.expansion, DEEPEST.kernel)


def every_block() -> list[Block]:
    """All that members of the search space are made of, each once."""
    blocks = [DEEPEST_BLOCK]
    for level in range(len(WIDTHS) - 1):
        for fine, e in itertools.product(WIDTHS[level], EXPANSIONS):
            blocks += [Block("same", level, fine, fine, e), Block("same", level, TIEFENRAUSCH.widths[level], fine, e)]
            blocks += [Block("up", level + 1, coarse, fine, e) for coarse in WIDTHS[level + 1]]
    return list(dict.fromkeys(blocks))


def blocks_of(options: Options) -> Iterator[Block]:
    """The blocks of a member of the search space beyond the smallest encoder, each as often as it has them."""
    yield from [DEEPEST_BLOCK] * (options.encoder[-1].count - 1)
    for k in range(len(options.decoder) - 1):
        fine, coarse, expansion = options.decoder[k], options.decoder[k + 1], options.expansions[k]
        yield Block("same", k, options.widths[k], fine, expansion)
        yield from [Block("same", k, fine, fine, expansion)] * options.fuse_depths[k]
        yield Block("up", k + 1, coarse, fine, expansion)


def rest(first: int, last: int) -> str:
    """The table's key for what is not a block; widths of the decoder's first and last level."""
    return f"rest {first} {last}"


def latency(options: Options, table: dict[str, float]) -> float:
    """Milliseconds of a member. Raises KeyError for a block that the table does not have."""
    return table[rest(options.decoder[0], options.decoder[-1])] + sum(table[block.key] for block in blocks_of(options))


class Copies(nn.Module):
    """The sum of what `count` blocks of one kind make of one input."""

    def __init__(self, block: Block, count: int):
        super().__init__()
        shape = (block.inputs, block.outputs, block.expansion, 1, block.kernel)
        self.parts = nn.ModuleList(InvertedResidual(*shape, normalise=False) for _ in range(count))
        self.up = block.kind == "up"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answers = (part(x) for part in self.parts)
        return sum(F.interpolate(answer, scale_factor=2, mode="nearest") if self.up else answer for answer in answers)


def exported(module: nn.Module, shape: tuple[int, ...]) -> bytes:
    """An ONNX file of `module` for one input shape."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # the exporter's own, about itself
        torch.onnx.export(
            module.eval(), torch.zeros(shape), buffer, input_names=["x"], opset_version=OPSET, dynamo=False
        )
    return buffer.getvalue()


def measure(blocks: list[Block]) -> dict[str, float]:
    """ms by key; the blocks that take the same input are measured in turns."""
    table = {}
    for shape, group in itertools.groupby(sorted(blocks, key=lambda b: b.input_shape), key=lambda b: b.input_shape):
        group = list(group)
        models = [exported(Copies(block, count), shape) for block in group for count in (1, COPIES)]
        with opened(models) as networks:
            one, several = networks.times(shape, RUNS, WARM_UP).min(axis=1).reshape(-1, 2).T
        costs = np.maximum(several - one, LEAST) / (COPIES - 1)
        table |= {block.key: round(float(cost), 4) for block, cost in zip(group, costs, strict=True)}
        print(f"{shape}: {len(group)} blocks, {costs.min():.2f} to {costs.max():.2f} ms", flush=True)
    return table


def smallest(first: int, last: int) -> Options:
    """The cheapest member with these widths at the ends of its decoder."""
    levels = len(WIDTHS) - 1
    return replace(
        TIEFENRAUSCH,
        encoder=(*EFFICIENTNET_LITE0[:-1], DEEPEST._replace(count=1)),
        decoder=(first, *(choices[0] for choices in WIDTHS[1:-1]), last),
        expansions=(EXPANSIONS[0],) * levels,
        fuse_depths=(0,) * levels,
        normalise=False,
    )


def measure_rest(table: dict[str, float]) -> dict[str, float]:
    """ms by key of what is not a block, given the blocks'."""
    shape, ends = (1, 3, *SIZE), list(itertools.product(WIDTHS[0], WIDTHS[-1]))
    with opened([exported(Network(smallest(*pair)), shape) for pair in ends]) as networks:
        times = networks.times(shape, RUNS, WARM_UP).min(axis=1)
    blocks = [sum(table[block.key] for block in blocks_of(smallest(*pair))) for pair in ends]
    return {
        rest(*pair): round(float(max(time - part, LEAST)), 4)
        for pair, time, part in zip(ends, times, blocks, strict=True)
    }


if __name__ == "__main__":
    found = measure(every_block())
    found |= measure_rest(found)
    TABLE.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
    print(f"{TABLE}: {len(found)} entries")
