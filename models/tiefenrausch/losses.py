"""Losses between (B, 1, H, W) log-disparities; a weight of 0 marks a pixel whose target is unknown.

Neither a photo nor a teacher says how large the world is, and what is seen in the end is disparity, scaled and shifted
to fill a range; `affine_invariant` compares just that (Ranftl et al. 2020, section 5). Tried before: the difference of
log-disparities less its median. It let the network shrink the relief of landscapes to a quarter within 600 steps: where
a range is hard to guess, little of it is the safest guess.
"""

import torch
import torch.nn.functional as F

SCALES = 4  # of the gradients: neighbours 1, 2, 4 and 8 pixels apart
TYPICAL_DEVIATION = 0.35  # mean deviation of log-disparity in the labels; 0.33 in those held out
LEAST_LOG_DEVIATION, LARGEST_LOG = 0.05, 4.0  # below the one a scene is flat; mean deviations that count
NEAR_QUANTILE = 0.9  # of a picture's disparity, what counts as near
LEAST_DEVIATION = 0.04  # of disparity, the near end being 1: below it a scene is flat
TINY = 1e-3  # deviation that is not divided by
LARGEST = 6.0  # mean deviations that count; a pixel further off is no worse
STEP = 0.5  # mean deviations by which the target changes within WINDOW pixels, where it counts as an edge
WINDOW, STRIDE = 9, 4  # pixels; an edge that is a few pixels off is still one
MOST_SAMPLES = 4096  # pixels of a picture that a median or quantile is taken of: exact enough, and sorting is slow


def _sampled(values: torch.Tensor) -> torch.Tensor:
    flat = values.flatten(1)
    return flat[:, :: max(1, flat.shape[1] // MOST_SAMPLES)]


def disparity_of(log_disparity: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Disparity (B, 1, H, W), what is near being about 1."""
    return (log_disparity - _quantile(log_disparity.detach(), known)).exp()


def normalised(values: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 1, H, W) less their median in units of their mean deviation, and that deviation (B, 1, 1, 1)."""
    some = _sampled(torch.where(known, values, torch.nan))
    middle = some.nanmedian(dim=1, keepdim=True).values
    deviation = (some - middle).abs().nanmean(dim=1, keepdim=True)
    middle, deviation = (part.nan_to_num()[:, :, None, None] for part in (middle, deviation))
    deviation = deviation.clamp(min=TINY)
    return (values - middle) / deviation, deviation


def affine_invariant(predicted, target, weight) -> tuple[torch.Tensor, torch.Tensor]:
    """Difference of the normalised disparities (B, 1, H, W), and of the logarithms of their deviations (B, 1, 1, 1).

    The first is 0 where nothing is known and fades in scenes that have next to no relief, which is mostly noise.
    """
    known = weight > 0
    both = (normalised(disparity_of(values, known), known) for values in (predicted, target))
    (ours, our_range), (theirs, their_range) = both
    relief = _relief(their_range)
    difference = torch.where(known, (ours - theirs).clamp(-LARGEST, LARGEST) * relief, 0)
    return difference, torch.where(known.any(), (our_range / their_range).log(), 0) * relief


def log_affine_invariant(predicted, target, weight) -> torch.Tensor:
    """Difference (B, 1, H, W) of the normalised log-disparities: what is far counts as much as what is near.

    In disparity alone, the back of a deep scene is next to nothing. What this term gains by itself was not measured.
    """
    known = weight > 0
    (ours, _), (theirs, their_range) = (normalised(values, known) for values in (predicted, target))
    relief = _relief(their_range)
    return torch.where(known, (ours - theirs).clamp(-LARGEST, LARGEST) * relief, 0)


def standardised(predicted, target, weight) -> torch.Tensor:
    """Difference (B, 1, H, W) from the target's log-disparity, less its median and in units of its mean deviation.

    The prediction is not aligned. For a network that knows little that matters: `affine_invariant` magnifies what it
    answers to the target's range, so that a faint right guess costs as much as none; from random weights nothing was
    learned in 500 steps, and with this loss nearly all that 40 minutes of the other had reached, in 400.
    """
    known = weight > 0
    values = torch.where(known, target, torch.nan).flatten(1)
    middle = values.nanmedian(dim=1, keepdim=True).values
    deviation = (values - middle).abs().nanmean(dim=1, keepdim=True)
    middle, deviation = (part.nan_to_num()[:, :, None, None] for part in (middle, deviation))
    wanted = ((target - middle) / deviation.clamp(min=LEAST_LOG_DEVIATION)).clamp(-LARGEST_LOG, LARGEST_LOG)
    return torch.where(known, predicted / TYPICAL_DEVIATION - wanted, 0)


def contrast(predicted, target, weight) -> tuple[torch.Tensor, torch.Tensor]:
    """(mean |difference| of the local ranges of the normalised disparities; edges (B, 1, H, W), 1 near a step, else 0).

    Where an edge may be here or two pixels further, the median of each pixel's change is none: `gradients` alone makes
    edges flat. Whether there is one in a window is more often sure.
    """
    known = weight > 0
    both = (normalised(disparity_of(values, known), known) for values in (predicted, target))
    (ours, _), (theirs, their_range) = both
    ours, theirs = (_local_range(values, known) for values in (ours, theirs))
    counted = F.avg_pool2d(weight, WINDOW, STRIDE, WINDOW // 2) * (theirs >= 0)
    difference = (ours - theirs).clamp(-LARGEST, LARGEST).abs() * _relief(their_range)
    edges = F.interpolate((theirs > STEP).to(weight.dtype), weight.shape[2:], mode="nearest")
    return (difference * counted).sum() / counted.sum().clamp(min=1), edges


def _local_range(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Highest less lowest of the known (B, 1, H, W) values in each window; negative where none is known."""
    nothing = torch.finfo(values.dtype).min / 4
    pool = lambda part: F.max_pool2d(torch.where(known, part, nothing), WINDOW, STRIDE, WINDOW // 2)  # noqa: E731
    return pool(values) + pool(-values)


def _relief(deviation: torch.Tensor) -> torch.Tensor:
    """How much a scene of this deviation counts: less below `LEAST_DEVIATION`."""
    return (deviation / LEAST_DEVIATION).clamp(max=1)


def _quantile(log_disparity: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    values = _sampled(torch.where(known, log_disparity, torch.nan))
    return values.nanquantile(NEAR_QUANTILE, dim=1).nan_to_num()[:, None, None, None]


def mean_error(difference: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean |difference|, weighted."""
    return (difference.abs() * weight).sum() / weight.sum().clamp(min=1)


def gradients(difference: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean |change of the difference| between neighbours at several distances: edges sharp, planes smooth."""
    total = difference.new_zeros(())
    for scale in range(SCALES):
        step = 2**scale
        for axis in (2, 3):
            count = difference.shape[axis] - step
            near, far = difference.narrow(axis, 0, count), difference.narrow(axis, step, count)
            pair = torch.minimum(weight.narrow(axis, 0, count), weight.narrow(axis, step, count))
            total = total + ((far - near).abs() * pair).sum() / pair.sum().clamp(min=1)
    return total
