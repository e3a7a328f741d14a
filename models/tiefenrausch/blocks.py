"""What the blocks of the family cost in ONNX Runtime Web: a table that is measured once and stored as blocks.json.

    python models/tiefenrausch/blocks.py          # measures; some minutes, best while nothing else runs

Milliseconds with one thread for an image of 384x288. Each block is run once and three times side by side in networks
that are otherwise alike; half the difference is what one costs, free of what a run costs whatever it runs. The best of
the runs counts: other programs can only make one slower. What is not a block (stem, head, the run itself) is what the
smallest member with each width of the stem takes beyond its blocks.
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
from network import SIZE, TIEFENRAUSCH, InvertedResidual, Network, Options
from torch import nn

TABLE = Path(__file__).resolve().parent / "blocks.json"
# What `search.py` chooses from, by level: around the shipped network, widths in multiples of 8.
WIDTHS = ((16, 24), (24, 32), (32, 40, 56), (64, 80), (96, 128))
EXPANSIONS = (2, 3, 4, 6)
COPIES = 3
RUNS, WARM_UP = 12, 2
LEAST = 0.01  # ms: what is too quick to be measured is not free
OPSET = 17


@dataclass(frozen=True)
class Block:
    """kind: "same"; "down", to the next level; "up", to the one before, with upsampling. level: that of the input."""

    kind: str
    level: int
    inputs: int
    outputs: int
    expansion: int

    @property
    def key(self) -> str:
        return f"{self.kind} {self.level} {self.inputs}-{self.outputs} x{self.expansion}"

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return (1, self.inputs, *(side >> (self.level + 1) for side in SIZE))


def every_block() -> list[Block]:
    """All that members of the search space are made of."""
    blocks = []
    for level, widths in enumerate(WIDTHS):
        blocks += [Block("same", level, width, width, e) for width, e in itertools.product(widths, EXPANSIONS)]
    for level in range(len(WIDTHS) - 1):
        for fine, coarse, e in itertools.product(WIDTHS[level], WIDTHS[level + 1], EXPANSIONS):
            blocks += [Block("down", level, fine, coarse, e), Block("up", level + 1, coarse, fine, e)]
    return blocks


def blocks_of(options: Options) -> Iterator[Block]:
    """The blocks of a member of the family, each as often as it has them."""
    widths, encode, decode = options.widths, options.expansions, options.decoder_expansions
    deepest = len(widths) - 1
    for k in range(deepest):
        yield Block("down", k, widths[k], widths[k + 1], encode[k])
        yield from [Block("same", k + 1, widths[k + 1], widths[k + 1], encode[k])] * options.depths[k]
        yield from [Block("same", k, widths[k], widths[k], decode[k])] * (1 + options.fuse_depths[k])
        yield Block("up", k + 1, widths[k + 1], widths[k], decode[k])
    middle = Block("same", deepest, widths[deepest], widths[deepest], options.middle_expansion)
    yield from [middle] * options.middle


def rest(stem: int) -> str:
    """The table's key for what is not a block."""
    return f"rest {stem}"


def latency(options: Options, table: dict[str, float]) -> float:
    """Milliseconds of a member. Raises KeyError for a block that the table does not have."""
    return table[rest(options.widths[0])] + sum(table[block.key] for block in blocks_of(options))


class Copies(nn.Module):
    """The sum of what `count` blocks of one kind make of one input."""

    def __init__(self, block: Block, count: int):
        super().__init__()
        shape = (block.inputs, block.outputs, block.expansion, 2 if block.kind == "down" else 1)
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


def smallest(stem: int) -> Options:
    """The cheapest member whose stem has that width, with the shipped network's head."""
    none = (0,) * (len(WIDTHS) - 1)
    least = (EXPANSIONS[0],) * len(none)
    widths = (stem, *(choices[0] for choices in WIDTHS[1:]))
    expansions = {"expansions": least, "decoder_expansions": least, "middle_expansion": EXPANSIONS[0]}
    return replace(TIEFENRAUSCH, widths=widths, depths=none, fuse_depths=none, middle=1, normalise=False, **expansions)


def measure_rest(table: dict[str, float]) -> dict[str, float]:
    """ms by key of what is not a block, given the blocks'."""
    shape, stems = (1, 3, *SIZE), WIDTHS[0]
    with opened([exported(Network(smallest(stem)), shape) for stem in stems]) as networks:
        times = networks.times(shape, RUNS, WARM_UP).min(axis=1)
    blocks = [sum(table[block.key] for block in blocks_of(smallest(stem))) for stem in stems]
    return {
        rest(stem): round(float(max(time - part, LEAST)), 4)
        for stem, time, part in zip(stems, times, blocks, strict=True)
    }


if __name__ == "__main__":
    found = measure(every_block())
    found |= measure_rest(found)
    TABLE.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
    print(f"{TABLE}: {len(found)} entries")
