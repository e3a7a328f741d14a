"""The push-pull fill in two dimensions, and how its levels and those of the network hang together.

Shapes: (B, C, H, W). exists (B, 1, H, W) is 1 where there is a pixel of the surface, else 0.
"""

import torch
import torch.nn.functional as F

TINY = 1e-12  # keeps empty means finite, and is small against the collar's weight
SWEEPS = 3  # of smoothing at each level: 0.3 dB better than one, and six are only 0.1 dB better than three


def scale_of(exists: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W): 9 / n where a pixel exists, n of its 3x3 cells do; 0 elsewhere."""
    return exists / F.avg_pool2d(exists, 3, 1, 1).clamp(min=1 / 9)


def pool(x: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
    """(B, C, H / 2, W / 2) means over the children that exist; x is zero at the others."""
    return F.avg_pool2d(x, 2) / F.avg_pool2d(exists, 2).clamp(min=1 / 4).to(x.dtype)


def up(x: torch.Tensor) -> torch.Tensor:
    """Nearest, by two: each pixel asks its parent."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def anchor(colour: torch.Tensor, weight: torch.Tensor, exists: torch.Tensor, levels: int) -> torch.Tensor:
    """Push-pull (Gortler et al. 1996) over what exists: coarse levels take weighted means and fill finer ones.

    colour (B, 3, H, W); weight (B, 1, H, W) in 0..1, zero where nothing exists. Returns (B, 3, H, W), zero there, too.
    """
    if levels == 0:
        return torch.where(weight > 0, colour, 0)
    total = 4 * F.avg_pool2d(weight, 2)
    mean = 4 * F.avg_pool2d(torch.where(weight > 0, colour, 0) * weight, 2) / total.clamp(min=TINY)
    there = F.max_pool2d(exists, 2)
    filled = up(anchor(mean, total.clamp(max=1), there, levels - 1)) * exists
    own, scale = torch.where(weight > 0, colour * weight, 0), scale_of(exists)
    for _ in range(SWEEPS):
        filled = own + (1 - weight) * scale * F.avg_pool2d(filled, 3, 1, 1)
    return filled
