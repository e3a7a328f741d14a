"""Train the fill network, or the large one that it is measured against.

    python -m models.farbrausch.train --photos PHOTOS --bands BANDS --out RUN --minutes 60 [--start WEIGHTS] [--large]

The rate falls to zero in the given minutes of training, and then it ends; started again, it goes on from RUN/last.pt.
Time, not steps, is the budget, because other work runs on the same machine. RUN/farbrausch.pt has the averaged weights
alone, rewritten at each validation. RUN/log.csv: step, minutes, loss, rate, and PSNR over held-out holes where it was
taken, in dB, of the network and of its anchor.
"""

import argparse
import copy
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from models.farbrausch.data import Options as DataOptions
from models.farbrausch.data import Samples
from models.farbrausch.losses import coarse_error, difference_of, gradient_error, mean_error, squared_error
from models.farbrausch.network import FARBRAUSCH, LARGE, Network, anchor
from models.farbrausch.start import read_weights


@dataclass(frozen=True)
class Options:
    """
    batch: samples in a step. Few: what is easy the anchor knows, and the rest takes many steps.
    rate: of AdamW, after `warm_up` steps. Without normalisation a higher one kills units: at 2.5e-3 all sixteen of the
        last level answered zero after a hundred steps.
    squared, coarse, gradient: weights of these terms beside the plain error. The squared one counts about as much:
        where nobody can know, the median of the plain error is a guess at one side, and the mean a compromise.
    ema: share of the averaged weights that a step keeps: a mean over about five hundred steps.
    validation: batches of held-out samples.
    """

    batch: int = 8
    rate: float = 1e-3
    warm_up: int = 50
    decay: float = 0.0
    squared: float = 4.0
    coarse: float = 0.5
    gradient: float = 0.5
    ema: float = 0.998
    clip: float = 1.0
    validation: int = 16
    validate_every: int = 500
    save_every: int = 100


def loss_of(network: nn.Module, batch: tuple[torch.Tensor, ...], options: Options) -> torch.Tensor:
    truth, given, weight, exists = batch
    with torch.autocast(truth.device.type, torch.bfloat16):  # of convolutions; a third of the time on a new CPU
        fill = network(given, weight, exists)
    hole = exists * (weight < 1)
    difference = difference_of(fill.float(), truth, hole)
    return (
        mean_error(difference, hole)
        + options.squared * squared_error(difference, hole)
        + options.coarse * coarse_error(difference, hole)
        + options.gradient * gradient_error(difference, hole, exists)
    )


@torch.no_grad()
def validate(network: Network, batches: list[tuple[torch.Tensor, ...]]) -> tuple[float, float]:
    """PSNR in dB over all hole pixels of the batches, of the network and of its anchor alone."""
    errors, pixels = torch.zeros(2), 0
    for truth, given, weight, exists in batches:
        hole = exists * (weight < 1)
        fills = network(given, weight, exists), anchor(given, weight, exists, network.options.anchor_levels)
        errors += torch.stack([difference_of(fill, truth, hole).square().sum().cpu() for fill in fills])
        pixels += hole.sum().item() * truth.shape[1]
    return tuple((-10 * torch.log10(errors / pixels)).tolist())


@torch.no_grad()
def average(slow: nn.Module, fast: nn.Module, keep: float) -> None:
    """Move the averaged network a little towards the trained one."""
    for a, b in zip(slow.parameters(), fast.parameters(), strict=True):
        a.lerp_(b, 1 - keep)


def save(value: dict, path: Path) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".part")
    torch.save(value, partial)
    partial.rename(path)


def main(given: argparse.Namespace, options: Options) -> None:
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    given.out.mkdir(parents=True, exist_ok=True)
    last = given.out / "last.pt"
    state = torch.load(last, map_location="cpu") if last.exists() else {"step": 0, "minutes": 0.0}
    step = state["step"]

    network = Network(LARGE if given.large else FARBRAUSCH)
    if given.start:
        network.load_state_dict(read_weights(given.start))
    network.to(device, memory_format=torch.channels_last)
    slow = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=options.decay)
    if step:
        network.load_state_dict(state["network"])
        slow.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])

    samples = Samples(given.photos, given.bands, options.batch, seed=step)
    batches = iter(torch.utils.data.DataLoader(samples, batch_size=None, num_workers=1, prefetch_factor=4))
    photos_only = replace(DataOptions(), drawings=0, repeated=0)
    held = iter(Samples(given.photos, given.bands, options.batch, seed=0, held=True, options=photos_only))
    held = [tuple(part.to(device) for part in next(held)) for _ in range(options.validation)]

    before, began, mean_loss = state["minutes"], time.monotonic(), None
    while True:
        minutes = before + (time.monotonic() - began) / 60
        rate = options.rate * min(1, (step + 1) / options.warm_up) * max(0, 1 - minutes / given.minutes)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = loss_of(network, tuple(part.to(device) for part in next(batches)), options)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), options.clip)
        optimiser.step()
        step += 1
        average(slow, network, min(options.ema, step / (step + 20)))
        mean_loss = loss.item() if mean_loss is None else 0.97 * mean_loss + 0.03 * loss.item()

        over = minutes >= given.minutes
        if step % options.save_every == 0 or over:
            scores = ["", ""]
            if step % options.validate_every == 0 or over:
                scores = [f"{score:.3f}" for score in validate(slow, held)]
                save({name: value.cpu() for name, value in slow.state_dict().items()}, given.out / "farbrausch.pt")
            with open(given.out / "log.csv", "a") as log:
                log.write(",".join([str(step), f"{minutes:.1f}", f"{mean_loss:.5f}", f"{rate:.6f}", *scores]) + "\n")
            parts = {"network": network, "average": slow, "optimiser": optimiser}
            save({name: part.state_dict() for name, part in parts.items()} | {"step": step, "minutes": minutes}, last)
        if over:
            break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--bands", type=Path, required=True, help="folder that bands.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and log")
    parser.add_argument("--minutes", type=float, default=60, help="in which the rate falls to zero")
    parser.add_argument("--start", type=Path, help="weights to start from: a .pt or an exported .onnx")
    parser.add_argument("--large", action="store_true", help="the baseline of ten times the parameters")
    parser.add_argument("--threads", type=int, default=1)
    main(parser.parse_args(), Options())
