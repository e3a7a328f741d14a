"""A search for members of the family that are quick in the browser and accurate, after ChamNet (Dai et al. 2019).

    python models/tiefenrausch/search.py train --start NETWORK.onnx --targets TARGETS --rgbd NYU --results RESULTS.jsonl
    python models/tiefenrausch/search.py front --results RESULTS.jsonl

What is searched for is how the network should go on from the trained encoder: how much of it to keep, and the decoder.

`train` draws members, trains the decoder of each a little, and notes its loss on held-out photos, one line a member; it
may be stopped at any time and goes on where it was. The encoder is that of a network that knows depth, and does not
change: what it says of the samples is computed once, for all members. From an encoder that knew no depth, the one
member that was tried came in 250 steps to a loss next to that of a ramp.

A Gaussian process learns from these losses what the loss of any member would be, and how sure that is; half of the
members are drawn where it is least sure, half near the front that it expects. `front` lets a population evolve whose
losses are predicted and whose milliseconds are sums of measured blocks (`blocks.py`), and prints the members that no
other beats in both.
"""

import argparse
import json
import random
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from blocks import DEEPEST, EXPANSIONS, TABLE, WIDTHS, latency
from data import Options as DataOptions
from data import Samples
from network import EFFICIENTNET_LITE0, TIEFENRAUSCH, Network, Options, costs
from predictor import Predictor
from scipy.stats import spearmanr
from start import copy_weights, read_folded
from torch import nn
from train import CHANCES, PARTS, first_loss_of, held_samples, loss_of
from train import Options as TrainOptions

LEVELS = len(WIDTHS)
FUSE_DEPTHS, DEEPEST_COUNTS = (0, 1, 2), (1, 2)  # no more blocks than the trained encoder has
SLOWEST = 200.0  # ms: what the app may take with one thread
FIRST = PARTS[0]  # a short training is like the first part of a long one
WARM_UP = 20  # steps in which the rate rises


@dataclass(frozen=True)
class Search:
    """
    members: to be trained: the shipped one, others drawn at random up to `random_first`, then as the module says.
    steps: of one short training; the rate falls from `rate` to zero, so that losses can be compared.
    batches: of samples, the same for every member, that are seen again and again.
    pool: random members of which the least certain is taken.
    population, generations, mutation: of the evolution; chance that a child's gene is drawn anew.
    shown: members of the front in the report, evenly spread.
    """

    members: int = 40
    random_first: int = 10
    steps: int = 300
    rate: float = 3e-3
    batches: int = 150
    pool: int = 200
    population: int = 120
    generations: int = 60
    mutation: float = 0.08
    shown: int = 10


# --- The space: a member is Options, a genome the list of what CHOICES has been chosen for it ---

SPACE = {  # by gene or tuple of genes, what each may be
    "deepest": [DEEPEST_COUNTS],
    "decoder": WIDTHS,
    "expansions": [EXPANSIONS] * (LEVELS - 1),
    "fuse_depths": [FUSE_DEPTHS] * (LEVELS - 1),
}
CHOICES = [choices for values in SPACE.values() for choices in values]


def genome_of(options: Options) -> list[int]:
    return [options.encoder[-1].count, *options.decoder, *options.expansions, *options.fuse_depths]


def member_of(genome: list[int]) -> Options:
    """In all that is not searched for like the shipped network."""
    left = iter(genome)
    (count,), *values = (tuple(next(left) for _ in choices) for choices in SPACE.values())
    encoder = (*EFFICIENTNET_LITE0[:-1], DEEPEST._replace(count=count))
    return replace(TIEFENRAUSCH, encoder=encoder, **dict(zip(list(SPACE)[1:], values, strict=True)))


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
    """The genome to be trained next; the first is the shipped network's."""
    if not known:
        return genome_of(TIEFENRAUSCH)
    if len(known) < options.random_first:
        return draw(generator)
    predictor = Predictor([entry["genome"] for entry in known], [entry["loss"] for entry in known])
    if len(known) % 2:
        pool = [draw(generator) for _ in range(options.pool)]
        return pool[int(predictor.predict(pool)[1].argmax())]
    trained = {tuple(entry["genome"]) for entry in known}
    fresh = [genome for genome in evolve(predictor, table, options, generator) if tuple(genome) not in trained]
    return generator.choice(fresh or [draw(generator)])


@dataclass(frozen=True)
class Encoded:
    """Samples as the trained encoder sees them.

    features: of each level but the deepest, finest first. deepest: the last level's, by the count of its blocks.
    target, weight: (B, 1, H, W).
    """

    features: list[torch.Tensor]
    deepest: dict[int, torch.Tensor]
    target: torch.Tensor
    weight: torch.Tensor

    def seen_by(self, member: Options) -> list[torch.Tensor]:
        return [*self.features, self.deepest[member.encoder[-1].count]]


def trained_encoders(path: Path) -> dict[int, Network]:
    """By the count of the deepest level's blocks, networks whose encoder is that of the ONNX file `path`, which
    `export.py` wrote. Raises KeyError where that has fewer blocks."""
    folded = read_folded(path)
    encoders = {}
    for count in DEEPEST_COUNTS:
        genome = genome_of(TIEFENRAUSCH)
        genome[0] = count
        encoders[count] = Network(member_of(genome)).eval()
        for name in ("stem", "enc"):
            inside = {
                key.removeprefix(f"{name}."): value for key, value in folded.items() if key.startswith(f"{name}.")
            }
            copy_weights(encoders[count].get_submodule(name), inside)
    return encoders


@torch.no_grad()
def encoded(encoders: dict[int, Network], image, target, weight, kind: torch.dtype = torch.float32) -> Encoded:
    """A batch, image (B, 3, H, W) in 0..1, as all of `encoders` see it. kind: in which the features are kept."""
    said = {count: [x.to(kind) for x in encoder.encode(image)] for count, encoder in encoders.items()}
    return Encoded(next(iter(said.values()))[:-1], {count: x[-1] for count, x in said.items()}, target, weight)


def train(member: Options, batches: list[Encoded], held: list[Encoded], options: Search) -> float:
    """The loss on held-out samples after a short training of the decoder."""
    torch.manual_seed(0)
    network, chosen = Network(replace(member, steep=False)), TrainOptions()
    decoder = [parameter for name, parameter in network.named_parameters() if not name.startswith(("stem.", "enc."))]
    optimiser = torch.optim.AdamW(decoder, weight_decay=chosen.decay)
    network.train()
    for step in range(options.steps):
        for group in optimiser.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / WARM_UP) * (1 - step / options.steps)
        batch = batches[step % len(batches)]
        with torch.autocast("cpu", torch.bfloat16):
            predicted = network.decode(batch.seen_by(member))
        total, _ = first_loss_of(predicted.float(), batch.target, batch.weight, chosen)
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(decoder, chosen.clip)
        optimiser.step()
    network.eval()
    with torch.no_grad():
        answers = [(network.decode(one.seen_by(member)), one.target, one.weight) for one in held]
        return sum(loss_of(*answer, chosen)[1].item() for answer in answers) / len(held)


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


def foresight(known: list[dict]) -> float:
    """Rank correlation of the losses with what the predictor, taught with the others alone, expects of each member."""
    losses, expected = [entry["loss"] for entry in known], []
    for entry in known:
        others = [other for other in known if other is not entry]
        predictor = Predictor([other["genome"] for other in others], [other["loss"] for other in others])
        expected += predictor.predict([entry["genome"]])[0].tolist()
    return float(spearmanr(losses, expected).statistic)


def report(known: list[dict], table: dict[str, float], options: Search) -> str:
    """The front as a Markdown table, and the shipped network for comparison; then what it rests on."""
    predictor = Predictor([entry["genome"] for entry in known], [entry["loss"] for entry in known])
    front = evolve(predictor, table, options, random.Random(0))
    genomes = [*spread(front, options.shown), genome_of(TIEFENRAUSCH)]
    lines = ["| ms | expected loss | GMAC | M parameters | member |", "|---|---|---|---|---|"]
    for genome, loss, deviation in zip(genomes, *predictor.predict(genomes), strict=True):
        member = member_of(genome)
        parameters, adds = costs(Network(member))
        spent = f"{adds / 1e9:.2f} | {parameters / 1e6:.2f}"
        genes = f"deepest {genome[0]}, " + ", ".join(f"{name} {getattr(member, name)}" for name in list(SPACE)[1:])
        lines.append(f"| {latency(member, table):.0f} | {loss:.3f} ± {deviation:.3f} | {spent} | {genes} |")
    lines[-1] = lines[-1].removesuffix(" |") + " (shipped) |"
    rests_on = f"{len(known)} members trained; rank correlation of those left out with what the others say of them:"
    return "\n".join([*lines, "", f"{rests_on} {foresight(known):.2f}"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("--start", type=Path, required=True, help="a network of ours (ONNX), whose encoder is taken")
    training.add_argument("--targets", type=Path, required=True, help="folder of refined labels")
    training.add_argument("--rgbd", type=Path, nargs="*", default=[], help="folders of pairs with true depth")
    training.add_argument("--members", type=int, default=Search.members)
    training.add_argument("--steps", type=int, default=Search.steps)
    training.add_argument("--threads", type=int, default=2)
    for command in (training, commands.add_parser("front")):
        command.add_argument("--results", type=Path, required=True, help="one line of JSON a trained member")
    given = parser.parse_args()
    measured = json.loads(TABLE.read_text())
    if given.command == "front":
        print(report(read_results(given.results), measured, Search()))
    else:
        chosen = replace(Search(), members=given.members, steps=given.steps)
        torch.set_num_threads(given.threads)
        encoders = trained_encoders(given.start)
        held = [encoded(encoders, *sample) for sample in held_samples(given.targets, TrainOptions().held, FIRST)]
        shapes = tuple(zip(FIRST.shapes, CHANCES, strict=True))
        pictures = replace(DataOptions(), shapes=shapes, crop=FIRST.crop)
        samples = islice(Samples(given.targets, given.rgbd, FIRST.batch, pictures, seed=0), chosen.batches)
        batches = [encoded(encoders, *sample, torch.bfloat16) for sample in samples]
        collect(given.results, lambda member: train(member, batches, held, chosen), measured, chosen)
