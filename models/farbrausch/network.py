"""Farbrausch in two dimensions: a U-Net of partial convolutions that corrects a push-pull fill of the hole, and mixes
it with the colours that rays from the hole reach (`head.py`).

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

from models.farbrausch.anchor import anchor, pool, scale_of, up
from models.farbrausch.head import Head

# A pixel with one or two existing cells, as on a sliver, would be scaled by 9 or 4.5 at each of its convolutions. Few
# samples show that, and such pixels came out wrong by up to 141 levels.
LARGEST_SCALE = 3.0
# Around the holes of `static/samples/coffee.jpg`, by level, and of these at the finest level hole or reached by rays.
TYPICAL_PIXELS = (52_700, 13_900, 3_860, 1_170, 402)
TYPICAL_WANTED = 26_700


@dataclass(frozen=True)
class Options:
    """A member of the family; index k of a tuple is the level of 1 / 2^k of the resolution.

    widths: channels of each level.
    depths: convolutions of each level on the way down.
    features: channels of the finest level on the way up.
    hidden: units for the score of a ray.
    anchor_levels: of the push-pull; 2^6 covers the widest band.
    """

    widths: tuple[int, ...] = (16, 32, 48, 64, 64)
    depths: tuple[int, ...] = (1, 2, 2, 2, 2)
    features: int = 32
    hidden: int = 4
    anchor_levels: int = 6


FARBRAUSCH = Options()
LARGE = Options(widths=(16, 32, 64, 192, 384))  # the baseline: more than ten times the parameters, most of them coarse


class PartialConvolution(nn.Module):
    """3x3 over the cells that exist, (B, inputs, H, W) to (B, outputs, H, W), then ReLU; zero where nothing exists.

    Sums are scaled by 9 / n for n existing cells (by no more than LARGEST_SCALE), so that the border of a surface is no
    darker than its inside. Where inputs and outputs are as many, the answer is added to what was there. Normalised over
    batches in training (Ioffe and Szegedy 2015), without which it learned a hundred times as slowly; a constant
    factor and summand afterwards.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.sums = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.sums.weight, nonlinearity="relu")
        self.norm = nn.BatchNorm2d(outputs)
        self.residual = inputs == outputs

    def forward(self, x: torch.Tensor, scale: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
        """x: zero where nothing exists. scale: (B, 1, H, W) of `scale_of`."""
        sums = self.sums(x)
        answer = F.relu(self.norm(sums * scale.to(sums.dtype))) * exists.to(sums.dtype)
        return x + answer if self.residual else answer


class UNet(nn.Module):
    """(B, 4, H, W), zero where nothing exists, and exists (B, 1, H, W), to features (B, widths[0], H, W)."""

    def __init__(self, options: Options):
        super().__init__()
        widths, depths = options.widths, options.depths
        inputs = (4, *widths)  # colour and whether it is known
        self.enc = nn.ModuleList(
            nn.ModuleList(PartialConvolution(inputs[k + (i > 0)], widths[k]) for i in range(depths[k]))
            for k in range(len(widths))
        )
        outputs = (options.features, *widths[1:])
        self.dec = nn.ModuleList(
            PartialConvolution(outputs[k + 1] + widths[k], outputs[k]) for k in range(len(widths) - 1)
        )

    def forward(self, x: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
        features, scales, there = [], [], []
        for k, level in enumerate(self.enc):
            if k:
                x = pool(x, exists)
                exists = F.max_pool2d(exists, 2)
            there.append(exists)
            scales.append(scale_of(exists).clamp(max=LARGEST_SCALE))
            for convolution in level:
                x = convolution(x, scales[k], exists)
            features.append(x)  # (B, widths[k], H / 2^k, W / 2^k)
        for k in reversed(range(len(self.dec))):
            below = up(x) * there[k].to(x.dtype)
            x = self.dec[k](torch.cat([below, features[k]], 1), scales[k], there[k])
        return x


class Network(nn.Module):
    """Fills holes: see `forward`."""

    def __init__(self, options: Options = FARBRAUSCH):
        super().__init__()
        self.options = options
        self.unet = UNet(options)
        self.head = Head(options.features, options.hidden)

    def forward(
        self,
        colour: torch.Tensor,
        weight: torch.Tensor,
        exists: torch.Tensor,
        hole: torch.Tensor,
        hits: torch.Tensor,
    ) -> torch.Tensor:
        """(P, 3) colours of the pixels `hole`; sides are multiples of 2^anchor_levels.

        colour: (B, 3, H, W) sRGB less the mean of what is known, in multiples of its standard deviation; anything where
        it is not. weight: (B, 1, H, W), 1 = known, 1e-4 = the mixed colour of the collar, 0 = grown. Below 1 is hole.
        exists: (B, 1, H, W), 1 = a pixel of the surface, 0 = in front of it, or too far from any hole to matter.
        hole: (P,), hits: (P, RAYS) what the rays reach, -1 = nothing; both indices into the B H W pixels.
        """
        filled = anchor(colour, weight * exists, exists, self.options.anchor_levels)
        known = (weight >= 1).to(colour.dtype) * exists
        x = torch.cat([filled, known], 1) * exists
        with torch.autocast(colour.device.type, torch.bfloat16, enabled=self.training):  # a third of the time
            features = self.unet(x.contiguous(memory_format=torch.channels_last), exists)
            features, filled = flat(features), flat(filled)
            seam, place = torch.unique(hits, return_inverse=True)
            seam, place = seam.clamp(min=0), torch.where(hits < 0, -1, place)
            away = distances(hole, hits, *colour.shape[2:])
            return self.head((features[hole], filled[hole]), (features[seam], filled[seam]), place, away)


def flat(x: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) to (B H W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def distances(hole: torch.Tensor, hits: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(P, RAYS) float32: pixels from each of `hole` to what its rays reach; any value where that is nothing."""
    across = hits % width - (hole % width)[:, None]
    down = hits // width % height - (hole // width % height)[:, None]
    return torch.hypot(across.float(), down.float())


def costs(network: Network) -> tuple[int, int]:
    """(parameters, multiply-adds of convolutions and head around the holes of a typical photo)."""
    levels = [(convolution, k) for k, level in enumerate(network.unet.enc) for convolution in level]
    levels += [(convolution, k) for k, convolution in enumerate(network.unet.dec) if k]
    adds = sum(convolution.sums.weight.numel() * TYPICAL_PIXELS[k] for convolution, k in levels)
    at_the_end = network.unet.dec[0].sums, *network.head.children()
    adds += sum(layer.weight.numel() for layer in at_the_end) * TYPICAL_WANTED
    return sum(parameter.numel() for parameter in network.parameters()), adds


if __name__ == "__main__":
    for name, member in {"farbrausch": FARBRAUSCH, "large": LARGE}.items():
        parameters, adds = costs(Network(member))
        print(f"{name}: {parameters / 1e6:.2f} M parameters, {adds / 1e9:.2f} GMAC around the holes of a typical photo")
