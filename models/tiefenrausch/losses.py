"""Losses on log-disparity, each (B, 1, H, W); a weight of 0 marks a pixel whose target is unknown.

Neither a photo nor a teacher says how large the world is, so that a constant offset in log-disparity (a scale of
disparity) is taken out first, by the median, which a wrong region cannot pull.
"""

import torch

SCALES = 4  # of the gradients: neighbours 1, 2, 4 and 8 pixels apart
FAR_WEIGHT = 0.25  # of what is infinitely far
NEAR_QUANTILE = 0.9  # of a picture's disparity, what counts as near
MOST_SAMPLES = 4096  # pixels of a picture that a median or quantile is taken of: exact enough, and sorting is slow


def residual(predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) difference without the offset that suits the known pixels best; 0 where nothing is known."""
    difference = torch.where(weight > 0, predicted - target, torch.nan)
    offset = _sampled(difference).nanmedian(dim=1).values.nan_to_num()
    return torch.where(weight > 0, predicted - target - offset[:, None, None, None], 0)


def importance(target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) weight that falls with distance: the far field has next to no parallax."""
    known = torch.where(weight > 0, target, torch.nan)
    near = _sampled(known).nanquantile(NEAR_QUANTILE, dim=1).nan_to_num()[:, None, None, None]
    return weight * (FAR_WEIGHT + (1 - FAR_WEIGHT) * (target - near).clamp(max=0).exp())


def _sampled(values: torch.Tensor) -> torch.Tensor:
    flat = values.flatten(1)
    return flat[:, :: max(1, flat.shape[1] // MOST_SAMPLES)]


def scale_invariant(difference: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean |residual|, weighted."""
    return (difference.abs() * weight).sum() / weight.sum().clamp(min=1)


def gradients(difference: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean |change of the residual| between neighbours at several distances: edges sharp, planes smooth."""
    total = difference.new_zeros(())
    for scale in range(SCALES):
        step = 2**scale
        for axis in (2, 3):
            count = difference.shape[axis] - step
            near, far = difference.narrow(axis, 0, count), difference.narrow(axis, step, count)
            pair = torch.minimum(weight.narrow(axis, 0, count), weight.narrow(axis, step, count))
            total = total + ((far - near).abs() * pair).sum() / pair.sum().clamp(min=1)
    return total
