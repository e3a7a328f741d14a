"""Train the fill network, or the large one that it is measured against.

    python -m models.farbrausch.train POOL OUT --minutes 60 [--large] [--compile]
    python -m models.farbrausch.train POOL FINISHED --minutes 24 --finish OUT/farbrausch.pt [--compile]

POOL is what `pool.py` made. The rate falls to zero in the given minutes of training, and then it ends; started again,
it goes on from OUT/last.pt. Time, not steps, is the budget, because other work runs on the same machine. The second
command goes on from trained weights, at a lower rate, with what a fill looks like as part of the loss (`looks.py`).
OUT/farbrausch.pt has the averaged weights alone, rewritten at each validation. OUT/log.csv: step, minutes, loss, rate,
and where it was measured, what the network gains over its anchor, the push-pull fill, in the holes of held-out windows
in dB: pooled, and the mean of windows.
"""

import argparse
import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models.farbrausch.anchor import anchor
from models.farbrausch.data import Batches
from models.farbrausch.looks import Looks
from models.farbrausch.network import FARBRAUSCH, LARGE, Network, flat
from models.farbrausch.pool import SIDE

NEGLIGIBLE = 1e-4  # squared error: 40 dB; windows that are better still do not count more


@dataclass(frozen=True)
class Options:
    """
    batch: samples in a step; pixels: of their holes, that count. All would take half as long again.
    rate: of AdamW, after `warm_up` steps; finishing_rate: of the second training.
    squared: weight of the squared error; that of the plain one falls from 1 to 0 during the first training. Both are
        of colours in multiples of the contrast, weighted with it, so that dull windows count more than otherwise.
    ema: share of the averaged weights that a step keeps: a mean over about a thousand steps.
    validation: batches of held-out samples.
    """

    batch: int = 32
    pixels: int = 10240
    rate: float = 3e-3
    finishing_rate: float = 1e-3
    warm_up: int = 200
    decay: float = 0.02
    squared: float = 1.5
    ema: float = 0.999
    clip: float = 1.0
    validation: int = 16
    validate_every: int = 1000
    save_every: int = 200


def loss_of(
    network: Network, batch: tuple[torch.Tensor, ...], plain: float, looks: Looks | None, options: Options
) -> torch.Tensor:
    """The loss, a scalar. batch: of `Batches.draw`. plain: weight of the plain error. looks: takes part, if there is
    one, and then all pixels of the holes count."""
    truth, given, weight, exists, mean, contrast, hole, hits = batch
    if looks is None:
        some = torch.randint(len(hole), (options.pixels,), device=hole.device)
        hole, hits = hole[some], hits[some]
    difference = network(given, weight, exists, hole, hits) - flat(truth)[hole]
    scale = contrast.flatten()[hole // SIDE**2, None]
    loss = (scale * (plain * difference.abs() + options.squared * difference.square())).mean()
    if looks is None:
        return loss
    error = torch.zeros_like(flat(truth)).index_copy(0, hole, scale * difference.float())
    error = error.view(len(truth), SIDE, SIDE, 3).permute(0, 3, 1, 2)
    return loss + looks((truth * contrast + mean).clamp(0, 1), error, exists, len(hole))


@torch.no_grad()
def gain(network: Network, batches: list[tuple[torch.Tensor, ...]]) -> tuple[float, float]:
    """dB over the anchor: of the mean squared error of all hole pixels, and the mean of the windows' own."""
    network.eval()
    pooled, own = torch.zeros(2), torch.zeros(2)
    for truth, given, weight, exists, _, contrast, hole, hits in batches:
        filled = flat(anchor(given, weight * exists, exists, network.options.anchor_levels))[hole]
        for i, fill in enumerate((filled, network(given, weight, exists, hole, hits))):
            window = hole // SIDE**2
            error = ((fill - flat(truth)[hole]) * contrast.flatten()[window, None]).square().mean(1)
            sums, counts = (torch.zeros(len(truth)).index_add_(0, window, x) for x in (error, torch.ones_like(error)))
            pooled[i] += sums.sum()
            own[i] += 10 * (sums / counts + NEGLIGIBLE).log10().sum()
    pooled = 10 * pooled.log10()
    return (pooled[0] - pooled[1]).item(), (own[0] - own[1]).item() / (len(batches) * len(truth))


@torch.no_grad()
def average(slow: nn.Module, fast: nn.Module, keep: float) -> None:
    """Move the averaged network a little towards the trained one."""
    for a, b in zip(slow.state_dict().values(), fast.state_dict().values(), strict=True):
        a.lerp_(b, 1 - keep) if a.is_floating_point() else a.copy_(b)


def save(value: dict, path: Path) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".part")
    torch.save(value, partial)
    partial.rename(path)


def main(given: argparse.Namespace, options: Options) -> None:
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    given.out.mkdir(parents=True, exist_ok=True)
    last = given.out / "last.pt"
    state = torch.load(last) if last.exists() else {"step": 0, "minutes": 0.0}
    step = state["step"]

    network = Network(LARGE if given.large else FARBRAUSCH).to(memory_format=torch.channels_last)
    highest, looks = options.rate, None
    if given.finish:
        highest, looks = options.finishing_rate, Looks()
        network.load_state_dict(torch.load(given.finish))
    slow = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=options.decay)
    if step:
        network.load_state_dict(state["network"])
        slow.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
    if given.compile:
        network.unet.compile(dynamic=False)

    samples = Batches(given.pool / "train.npz", options.batch, seed=step + 1)
    held = Batches(given.pool / "held.npz", options.batch, seed=0)
    held = [held.draw() for _ in range(options.validation)]

    before, began, mean_loss = state["minutes"], time.monotonic(), None
    while True:
        minutes = before + (time.monotonic() - began) / 60
        left = max(0, 1 - minutes / given.minutes)
        rate = highest * min(1, (step + 1) / options.warm_up) * (1 - math.cos(math.pi * left)) / 2
        for group in optimiser.param_groups:
            group["lr"] = rate
        network.train()
        loss = loss_of(network, samples.draw(), 0 if given.finish else left, looks, options)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), options.clip)
        optimiser.step()
        step += 1
        average(slow, network, min(options.ema, step / (step + 20)))
        mean_loss = loss.item() if mean_loss is None else 0.98 * mean_loss + 0.02 * loss.item()

        if step % options.save_every == 0 or left == 0:
            scores = ["", ""]
            if step % options.validate_every == 0 or left == 0:
                scores = [f"{score:.3f}" for score in gain(slow, held)]
                save(slow.state_dict(), given.out / "farbrausch.pt")
            with open(given.out / "log.csv", "a") as log:
                log.write(",".join([str(step), f"{minutes:.1f}", f"{mean_loss:.5f}", f"{rate:.6f}", *scores]) + "\n")
            parts = {"network": network, "average": slow, "optimiser": optimiser}
            save({name: part.state_dict() for name, part in parts.items()} | {"step": step, "minutes": minutes}, last)
        if left == 0:
            break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pool", type=Path, help="folder that pool.py wrote")
    parser.add_argument("out", type=Path, help="folder of checkpoints and log")
    parser.add_argument("--minutes", type=float, default=60, help="in which the rate falls to zero")
    parser.add_argument("--large", action="store_true", help="the baseline of ten times the parameters")
    parser.add_argument("--finish", type=Path, metavar="WEIGHTS", help="go on from these, with what fills look like")
    parser.add_argument("--compile", action="store_true", help="a third faster; needs a C++ compiler")
    parser.add_argument("--threads", type=int, default=1)
    main(parser.parse_args(), Options())
