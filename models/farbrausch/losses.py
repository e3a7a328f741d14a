"""The loss of a fill: in the hole, and of the picture that hole and surroundings make together.

All terms see the difference of that picture from the truth. It is zero where pixels are known, so a step at the seam is
a step of the difference. Shapes: fill and truth (B, 3, H, W), hole and exists (B, 1, H, W) with values 0 and 1.
"""

import torch
import torch.nn.functional as F

CELLS = (4, 16)  # sides in pixels, of means
STEPS = (1, 4)  # pixels, of gradients; more scales of either cost a fifth of a step's time


def difference_of(fill: torch.Tensor, truth: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W): fill less truth in the hole, zero around it."""
    return (fill - truth) * hole


def mean_error(difference: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Mean |difference| of a colour channel over the hole."""
    return difference.abs().sum() / (hole.sum() * difference.shape[1]).clamp(min=1)


def squared_error(difference: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of a colour channel over the hole: what PSNR measures."""
    return difference.square().sum() / (hole.sum() * difference.shape[1]).clamp(min=1)


def coarse_error(difference: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Mean |mean difference of a cell|, over sizes of cells: low frequencies count again, texture averages out."""
    total = difference.new_zeros(())
    for side in CELLS:
        total = total + F.avg_pool2d(difference, side).abs().sum() * side**2
    return total / (len(CELLS) * hole.sum() * difference.shape[1]).clamp(min=1)


def gradient_error(difference: torch.Tensor, hole: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
    """Mean |change of the difference| between pixels that exist, one of them at least in the hole, over distances."""
    total = difference.new_zeros(())
    for step in STEPS:
        for axis in (2, 3):
            count = difference.shape[axis] - step
            near, far = (slice_of(axis, 0, count), slice_of(axis, step, count))
            pairs = exists[near] * exists[far] * torch.maximum(hole[near], hole[far])
            change = (difference[far] - difference[near]).abs() * pairs
            total = total + change.sum() / (pairs.sum() * difference.shape[1]).clamp(min=1)
    return total / (2 * len(STEPS))


def slice_of(axis: int, start: int, count: int) -> tuple:
    """Index of `count` rows (axis 2) or columns (axis 3)."""
    return (*[slice(None)] * axis, slice(start, start + count))
