"""Train a depth network of the family in `network.py`.

    python models/tiefenrausch/train.py --targets TARGETS --rgbd RGBD/nyuv2_labeled --out RUN [--start PILOT.onnx]
    python models/tiefenrausch/train.py ... --minutes 20 [--full]

The first form trains at a constant rate until it is stopped; started again, it goes on from RUN/last.pt. The second
does so while the rate falls to zero in the given time, and ends; with `--full` at the size that the app runs, 288x384,
else on crops of about 192x256. Time, not steps, is the budget, because other work runs on the same machine.

TARGETS is what `refine.py` wrote, and may still be in the making. RUN/log.csv: step, minutes, both losses, rate, and
the loss on held-out photos where it was taken.
"""

import argparse
import copy
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from data import Options as DataOptions
from data import Samples, held_out, read_refined
from losses import affine_invariant, contrast, gradients, mean_error
from network import TIEFENRAUSCH, Network, start_as_identity
from start import copy_weights
from torch import nn


@dataclass(frozen=True)
class Options:
    """
    batch, full_batch: samples in a step.
    rate: of AdamW, after `warm_up` steps. At 6e-4 the loss rose by 8 % in 150 steps.
    edge_weight: how much more a pixel counts near an edge of its target; one in ten is.
    contrast_weight: of the local ranges.
    gradient_weight: of the four gradient terms together, each of which is about a third of the plain loss.
    range_weight: of the logarithm of predicted to true range, because the app gives flat scenes less depth.
    ema: share of the averaged weights that a step keeps: a mean over about a hundred steps.
    """

    batch: int = 8
    full_batch: int = 4
    rate: float = 2e-4
    warm_up: int = 20
    decay: float = 1e-4
    edge_weight: float = 2.0
    contrast_weight: float = 0.3
    gradient_weight: float = 0.3
    range_weight: float = 0.1
    ema: float = 0.99
    clip: float = 1.0
    validate_every: int = 100
    save_every: int = 25


FULL_SHAPES = (((288, 384), 0.5), ((384, 288), 0.25), ((320, 320), 0.25))  # the sizes that the app runs


def loss_of(predicted, target, weight, options: Options) -> tuple[torch.Tensor, torch.Tensor]:
    """(total, plain part) of a batch, each (B, 1, H, W)."""
    difference, ranges = affine_invariant(predicted, target, weight)
    plain = mean_error(difference, weight)
    local, edges = contrast(predicted, target, weight)
    weight = weight * (1 + options.edge_weight * edges)
    total = mean_error(difference, weight) + options.gradient_weight * gradients(difference, weight)
    return total + options.contrast_weight * local + options.range_weight * ranges.abs().mean(), plain


@torch.no_grad()
def validate(network: nn.Module, scenes: list) -> float:
    """Mean plain loss on held-out scenes at full size."""
    network.eval()
    losses = []
    for scene in scenes:
        image = torch.from_numpy(scene.image).permute(2, 0, 1)[None].float() / 255
        target, weight = (torch.from_numpy(part).float()[None, None] for part in (scene.target, scene.weight))
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


def main(given: argparse.Namespace, options: Options) -> None:
    torch.set_num_threads(given.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    given.out.mkdir(parents=True, exist_ok=True)
    last = given.out / "last.pt"

    data_options, batch = DataOptions(), options.batch
    if given.full:
        data_options, batch = replace(data_options, shapes=FULL_SHAPES, crop=(0.75, 1.0)), options.full_batch
    network = Network(TIEFENRAUSCH)
    step = 0
    state = torch.load(last, map_location="cpu") if last.exists() else None
    seed = given.seed + (state["step"] if state else 0)
    samples = Samples(given.targets, given.rgbd, batch, data_options, seed)
    batches = iter(torch.utils.data.DataLoader(samples, batch_size=None, num_workers=1, prefetch_factor=3))
    if state is None and given.start:
        start_as_identity(network)
        copy_weights(network, given.start)
    for part in (network.stem, network.enc[0]):  # edges and textures: learned, and the dearest layers to train
        part.requires_grad_(not given.start)
    network.to(device, memory_format=torch.channels_last)
    slow = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(
        [p for p in network.parameters() if p.requires_grad], options.rate, weight_decay=options.decay
    )
    if state is not None:
        network.load_state_dict(state["network"])
        slow.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]

    held = [read_refined(path) for path in sorted(given.targets.glob("*.npz")) if held_out(path.stem)][:24]
    began, mean_total, mean_plain = time.monotonic(), None, None
    while True:
        minutes = (time.monotonic() - began) / 60
        progress = min(1, minutes / given.minutes) if given.minutes else 0.0
        rate = options.rate * min(1, (step + 1) / options.warm_up) * (1 - progress)
        for group in optimiser.param_groups:
            group["lr"] = rate
        image, target, weight = (part.to(device) for part in next(batches))
        network.train()
        with torch.autocast(device.type, torch.bfloat16):  # a fifth less time on a CPU, more on a GPU
            predicted = network(image.to(memory_format=torch.channels_last))
        total, plain = loss_of(predicted.float(), target, weight, options)
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), options.clip)
        optimiser.step()
        step += 1
        average(slow, network, min(options.ema, step / (step + 20)))
        mean_total = total.item() if mean_total is None else 0.97 * mean_total + 0.03 * total.item()
        mean_plain = plain.item() if mean_plain is None else 0.97 * mean_plain + 0.03 * plain.item()

        over = progress >= 1
        if step % options.save_every == 0 or over:
            validated = f"{validate(slow, held):.4f}" if step % options.validate_every == 0 or over else ""
            with open(given.out / "log.csv", "a") as log:
                log.write(f"{step},{minutes:.1f},{mean_total:.4f},{mean_plain:.4f},{rate:.5f},{validated}\n")
            parts = {"network": network, "average": slow, "optimiser": optimiser}
            state = {name: part.state_dict() for name, part in parts.items()} | {"step": step}
            partial = given.out / "partial.pt"
            torch.save(state, partial)
            partial.rename(last)
        if over:
            break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=Path, required=True, help="folder of refined labels")
    parser.add_argument("--rgbd", type=Path, nargs="*", default=[], help="folders of pairs with true depth")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and log")
    parser.add_argument("--start", type=Path, help="ONNX network whose weights to start from; its first layers stay")
    parser.add_argument("--minutes", type=float, help="in which the rate falls to zero; then it ends")
    parser.add_argument("--full", action="store_true", help="pictures of the size that the app runs, for the last part")
    parser.add_argument("--seed", type=int, default=0, help="of the samples; runs of several can be averaged")
    parser.add_argument("--threads", type=int, default=2)
    main(parser.parse_args(), Options())
