"""A search for members of the family that are quick in the browser and accurate, after ChamNet (Dai et al. 2019).

    python models/tiefenrausch/search.py train --targets TARGETS --rgbd RGBD/nyuv2_labeled --results RESULTS.jsonl
    python models/tiefenrausch/search.py front --results RESULTS.jsonl

`train` draws members, trains each a little from scratch, and notes its loss on held-out photos, one line a member; it
may be stopped at any time and goes on where it was. The defaults fill a night on two cores. A Gaussian process learns
from these losses what the loss of any member would be, and how sure that is; half of the members are drawn where it is
least sure, half near the front that it expects. `front` lets a population evolve whose losses are predicted and whose
milliseconds are sums of measured blocks (`blocks.py`), and prints the members that no other beats in both.
"""

import argparse
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from blocks import EXPANSIONS, TABLE, WIDTHS, latency
from data import Options as DataOptions
from data import Samples, held_out, read_refined
from network import TIEFENRAUSCH, Network, Options, costs
from predictor import Predictor
from torch import nn
from train import Options as TrainOptions
from train import loss_of, validate

LEVELS = len(WIDTHS)
DEPTHS, FUSE_DEPTHS, MIDDLES = (0, 1, 2, 3), (0, 1, 2), (1, 2, 3, 4)
SLOWEST = 200.0  # ms: what the app may take with one thread
HELD_OUT = 24  # photos, as in train.py


@dataclass(frozen=True)
class Search:
    """
    members: to be trained, the first `random_first` of them drawn at random.
    steps, batch, rate: of one short training; the rate falls to zero, so that losses can be compared.
    pool: random members of which the least certain is taken.
    population, generations, mutation: of the evolution; chance that a child's gene is drawn anew.
    shown: members of the front in the report, evenly spread.
    """

    members: int = 40
    random_first: int = 10
    steps: int = 1500
    batch: int = 8
    rate: float = 1e-3
    pool: int = 200
    population: int = 120
    generations: int = 60
    mutation: float = 0.08
    shown: int = 10


# --- The space: a member is Options, a genome the list of what CHOICES has been chosen for it ---

SPACE = {  # by field of Options, what each of its values may be
    "widths": WIDTHS,
    "expansions": [EXPANSIONS] * (LEVELS - 1),
    "depths": [DEPTHS] * (LEVELS - 1),
    "middle": [MIDDLES],
    "middle_expansion": [EXPANSIONS],
    "decoder_expansions": [EXPANSIONS] * (LEVELS - 1),
    "fuse_depths": [FUSE_DEPTHS] * (LEVELS - 1),
}
CHOICES = [choices for values in SPACE.values() for choices in values]
SHIPPED = replace(TIEFENRAUSCH, normalise=True)  # trained from scratch, which needs it


def genome_of(options: Options) -> list[int]:
    values = [getattr(options, name) for name in SPACE]
    return [gene for value in values for gene in (value if isinstance(value, tuple) else (value,))]


def member_of(genome: list[int]) -> Options:
    """In all that is not searched for like the shipped network."""
    left = iter(genome)
    values = {name: tuple(next(left) for _ in choices) for name, choices in SPACE.items()}
    return replace(SHIPPED, **{name: value if len(value) > 1 else value[0] for name, value in values.items()})


def draw(generator: random.Random) -> list[int]:
    return [generator.choice(choices) for choices in CHOICES]


def child(one: list[int], other: list[int], mutation: float, generator: random.Random) -> list[int]:
    """Each gene of either parent, or drawn anew."""
    mixed = [generator.choice(pair) for pair in zip(one, other, strict=True)]
    return [generator.choice(c) if generator.random() < mutation else g for g, c in zip(mixed, CHOICES, strict=True)]


# --- The search ---


def unbeaten(losses: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Indices, quickest first, of those that no other beats in one without being worse in the other."""
    order = np.lexsort((losses, times))
    best = np.minimum.accumulate(np.concatenate([[np.inf], losses[order][:-1]]))
    return order[losses[order] < best]


def evolve(predictor: Predictor, table: dict[str, float], options: Search, generator: random.Random) -> list[list[int]]:
    """The front of (predicted loss, ms) after some generations, quickest first; all within SLOWEST."""
    population = [draw(generator) for _ in range(options.population)]
    for _ in range(options.generations):
        parents = [generator.sample(population, 2) for _ in range(options.population)]
        children = [child(*pair, options.mutation, generator) for pair in parents]
        population = _fittest([*population, *children], predictor, table, options.population)
    losses, times = _objectives(population, predictor, table)
    return [population[index] for index in unbeaten(losses, times) if times[index] <= SLOWEST]


def _objectives(genomes: list, predictor: Predictor, table: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    return predictor.predict(genomes)[0], np.array([latency(member_of(genome), table) for genome in genomes])


def _fittest(genomes: list, predictor: Predictor, table: dict[str, float], count: int) -> list:
    """Front after front until there are `count`, of the last evenly spread ones; too slow ones come last, genomes that
    occur twice count once."""
    genomes = [list(genome) for genome in dict.fromkeys(map(tuple, genomes))]
    losses, times = _objectives(genomes, predictor, table)
    losses = losses + np.where(times > SLOWEST, np.ptp(losses) + 1, 0)
    left, chosen = np.arange(len(genomes)), []
    while len(left) and len(chosen) < count:
        front = left[unbeaten(losses[left], times[left])]
        chosen += spread(front, count - len(chosen))
        left = np.setdiff1d(left, front)
    return [genomes[index] for index in chosen]


def spread(values, count: int) -> list:
    """At most `count` of the values, evenly among them, the first and the last included."""
    if len(values) <= count:
        return list(values)
    return [values[round(index)] for index in np.linspace(0, len(values) - 1, count)]


def propose(known: list[dict], table: dict[str, float], options: Search, generator: random.Random) -> list[int]:
    """The genome to be trained next."""
    if len(known) < options.random_first:
        return draw(generator)
    predictor = Predictor([entry["genome"] for entry in known], [entry["loss"] for entry in known])
    if len(known) % 2:
        pool = [draw(generator) for _ in range(options.pool)]
        return pool[int(predictor.predict(pool)[1].argmax())]
    trained = {tuple(entry["genome"]) for entry in known}
    fresh = [genome for genome in evolve(predictor, table, options, generator) if tuple(genome) not in trained]
    return generator.choice(fresh or [draw(generator)])


def train(member: Options, samples: Samples, held: list, options: Search) -> float:
    """The loss on held-out photos after a short training from scratch."""
    torch.manual_seed(0)
    network = Network(member)
    optimiser = torch.optim.AdamW(network.parameters(), options.rate)
    loader = iter(torch.utils.data.DataLoader(samples, batch_size=None, num_workers=1))
    for step in range(options.steps):
        for group in optimiser.param_groups:
            group["lr"] = options.rate * (1 - step / options.steps)
        image, target, weight = next(loader)
        network.train()
        with torch.autocast("cpu", torch.bfloat16):
            predicted = network(image)
        total, _ = loss_of(predicted.float(), target, weight, TrainOptions())
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), TrainOptions().clip)
        optimiser.step()
    return validate(network, held)


def read_results(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def collect(path: Path, loss_after, table: dict[str, float], options: Search) -> None:
    """Train members until `options.members` are known; loss_after: function of Options to a loss.

    Ends with a sentence when the members that are known were trained for another number of steps.
    """
    while len(known := read_results(path)) < options.members:
        if any(entry["steps"] != options.steps for entry in known):
            raise SystemExit(f"{path} has members of another number of steps; their losses cannot be compared.")
        genome = propose(known, table, options, random.Random(len(known)))
        loss = loss_after(member_of(genome))
        with path.open("a") as file:
            file.write(json.dumps({"genome": genome, "loss": round(loss, 5), "steps": options.steps}) + "\n")


def report(known: list[dict], table: dict[str, float], options: Search) -> str:
    """The front as a Markdown table, and the shipped network for comparison."""
    predictor = Predictor([entry["genome"] for entry in known], [entry["loss"] for entry in known])
    front = evolve(predictor, table, options, random.Random(0))
    genomes = [*spread(front, options.shown), genome_of(SHIPPED)]
    lines = ["| ms | expected loss | GMAC | M parameters | member |", "|---|---|---|---|---|"]
    for genome, loss, deviation in zip(genomes, *predictor.predict(genomes), strict=True):
        member = member_of(genome)
        parameters, adds = costs(Network(member))
        spent = f"{adds / 1e9:.2f} | {parameters / 1e6:.2f}"
        genes = ", ".join(f"{name} {getattr(member, name)}" for name in SPACE)
        lines.append(f"| {latency(member, table):.0f} | {loss:.3f} ± {deviation:.3f} | {spent} | {genes} |")
    return "\n".join([*lines[:-1], f"{lines[-1]} (shipped)"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("--targets", type=Path, required=True, help="folder of refined labels")
    training.add_argument("--rgbd", type=Path, nargs="*", default=[], help="folders of pairs with true depth")
    training.add_argument("--members", type=int, default=Search.members)
    training.add_argument("--steps", type=int, default=Search.steps)
    for command in (training, commands.add_parser("front")):
        command.add_argument("--results", type=Path, required=True, help="one line of JSON a trained member")
    given = parser.parse_args()
    measured = json.loads(TABLE.read_text())
    if given.command == "front":
        print(report(read_results(given.results), measured, Search()))
    else:
        chosen = replace(Search(), members=given.members, steps=given.steps)
        photos = [path for path in sorted(given.targets.glob("*.npz")) if held_out(path.stem)]
        held = [read_refined(path) for path in photos[:HELD_OUT]]
        samples = Samples(given.targets, given.rgbd, chosen.batch, DataOptions(), seed=0)
        collect(given.results, lambda member: train(member, samples, held, chosen), measured, chosen)
