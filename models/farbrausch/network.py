"""Farbrausch in two dimensions: a U-Net of partial convolutions that corrects a push-pull fill of the hole.

    python -m models.farbrausch.network          # parameters and multiply-adds of the members named here

After Kopf et al. 2020, section 4.3, and the partial convolutions of Liu et al. 2018. There is one kind of mask, and it
does not change with depth: a pixel exists or it does not. What is nearer than the surface that is being continued does
not exist, so that it adds nothing to any sum. Holes exist: they start with the colours of the anchor, a push-pull fill
without weights of its own, and the network adds a correction. It starts as zero, and a wide hole cannot drift far.

Every step is a sum over the 3x3 cells of a pixel or over the children of a coarse one, so that the same weights run on
a layered depth image, where links say which cells a pixel has (`export.py`).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

TINY = 1e-12  # keeps empty means finite, and is small against the collar's weight
ANCHOR_SWEEPS = 3  # of smoothing at each level: 0.3 dB better than one, and six are only 0.1 dB better than three
# A pixel with one or two existing cells, as on a sliver, would be scaled by 9 or 4.5 at each of its convolutions. Few
# samples show that, and such pixels came out wrong by up to 141 levels.
LARGEST_SCALE = 3.0
TYPICAL_PIXELS = (79_000, 21_000, 5_800, 1_700, 600, 250)  # by level, around the holes of a photo of 768x576 pixels


@dataclass(frozen=True)
class Options:
    """A member of the family; index k of a tuple is the level of 1 / 2^k of the resolution.

    widths: channels of each level.
    depths: convolutions of each level on the way down.
    anchor_levels: of the push-pull; 2^6 covers the widest band.
    """

    widths: tuple[int, ...] = (16, 32, 48, 64, 64)
    depths: tuple[int, ...] = (1, 1, 2, 2, 2)
    anchor_levels: int = 6


FARBRAUSCH = Options()
LARGE = Options(widths=(16, 32, 64, 192, 384))  # the baseline: more than ten times the parameters, most of them coarse


class PartialConvolution(nn.Conv2d):
    """3x3 over the cells that exist, (B, inputs, H, W) to (B, outputs, H, W), then ReLU; zero where nothing exists.

    Sums are scaled by 9 / n for n existing cells (by no more than LARGEST_SCALE), so that the border of a surface is no
    darker than its inside.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")  # PyTorch's own start is too faint: units die
        nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """x: zero where nothing exists. scale: (B, 1, H, W) of `scale_of`."""
        sums = super().forward(x)
        return F.relu(sums * scale.to(sums.dtype))


class Network(nn.Module):
    """Fills holes: see `forward`."""

    def __init__(self, options: Options = FARBRAUSCH):
        super().__init__()
        widths, depths = options.widths, options.depths
        self.options = options
        inputs = (4, *widths)  # colour and whether it is known
        self.enc = nn.ModuleList(
            nn.ModuleList(PartialConvolution(inputs[k + (i > 0)], widths[k]) for i in range(depths[k]))
            for k in range(len(widths))
        )
        self.dec = nn.ModuleList(
            PartialConvolution(widths[k + 1] + widths[k], widths[k]) for k in range(len(widths) - 1)
        )
        self.out = nn.Conv2d(widths[0], 3, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, colour: torch.Tensor, weight: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) filled colours; sides are multiples of 2^anchor_levels.

        colour: (B, 3, H, W) sRGB in 0..1 less the mean of what is known; anything where it is not.
        weight: (B, 1, H, W), 1 = known, 1e-4 = the mixed colour of the collar, 0 = grown. Below 1 is hole.
        exists: (B, 1, H, W), 1 = a pixel of the surface, 0 = in front of it, or too far from any hole to matter.
        """
        filled = anchor(colour, weight * exists, exists, self.options.anchor_levels)
        known = (weight >= 1).to(colour.dtype) * exists
        x = torch.cat([filled, known], 1) * exists
        features, scales = [], []
        for k, level in enumerate(self.enc):
            if k:
                x = pool(x, exists)
                exists = F.max_pool2d(exists, 2)
            scales.append(scale_of(exists).clamp(max=LARGEST_SCALE))
            for convolution in level:
                x = convolution(x, scales[k])
            features.append(x)  # (B, widths[k], H / 2^k, W / 2^k)
        for k in reversed(range(len(self.dec))):
            x = self.dec[k](torch.cat([up(x) * (scales[k] > 0), features[k]], 1), scales[k])
        return filled + self.out(x).to(filled.dtype)


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
    for _ in range(ANCHOR_SWEEPS):
        filled = own + (1 - weight) * scale * F.avg_pool2d(filled, 3, 1, 1)
    return filled


def costs(network: Network, pixels: tuple[int, ...] = TYPICAL_PIXELS) -> tuple[int, int]:
    """(parameters, multiply-adds of the convolutions) with so many pixels at each level."""
    adds = sum(convolution.weight.numel() * pixels[k] for k, level in enumerate(network.enc) for convolution in level)
    adds += sum(convolution.weight.numel() * pixels[k] for k, convolution in enumerate(network.dec))
    adds += network.out.weight.numel() * pixels[0]
    return sum(parameter.numel() for parameter in network.parameters()), adds


if __name__ == "__main__":
    for name, member in {"farbrausch": FARBRAUSCH, "large": LARGE}.items():
        parameters, adds = costs(Network(member))
        print(f"{name}: {parameters / 1e6:.2f} M parameters, {adds / 1e9:.2f} GMAC around the holes of a typical photo")
