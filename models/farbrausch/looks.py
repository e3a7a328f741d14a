"""What a fill looks like, as terms of the loss beside each pixel's own error: its edges, its colours over larger
squares, and features of our own depth network, compared as LPIPS does (Zhang et al. 2018, without learned weights).

Colours are sRGB in 0..1, (B, 3, H, W). The functions sum over pixels; `Looks` divides by those of the hole.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from app.network import DEPTH_MODEL

sys.path.append(str(Path(__file__).resolve().parents[1] / "tiefenrausch"))  # its scripts import one another by name

from network import IMAGE_GAIN, IMAGE_MEAN, TIEFENRAUSCH
from network import Network as DepthNetwork
from start import start_from

ENCODER_LEVELS = 3  # at 1/2, 1/4 and 1/8 of the resolution; the features are those of `measures.py`
TINY = 1e-3  # length of a feature vector that is as good as none


@dataclass(frozen=True)
class Options:
    """edges: weight of the error of differences between neighbours. coarse: of that of means over squares of 2, 4 and 8
    pixels. features: of the squared distance of features of length one."""

    edges: float = 1.0
    coarse: float = 0.5
    features: float = 0.1


class Looks(nn.Module):
    """The weighted sum of the three. depth_model: a network that models/tiefenrausch/export.py wrote."""

    def __init__(self, options: Options = Options(), depth_model: Path = DEPTH_MODEL):
        super().__init__()
        self.options = options
        depth = DepthNetwork(replace(TIEFENRAUSCH, normalise=False))
        start_from(depth, depth_model)
        self.stem, self.enc = depth.stem, depth.enc[:ENCODER_LEVELS]
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, truth: torch.Tensor, error: torch.Tensor, exists: torch.Tensor, count: int) -> torch.Tensor:
        """The loss, a scalar. error: fill less truth, zero outside of the hole. exists: (B, 1, H, W). count: pixels of
        the hole."""
        given = self.options
        total = given.edges * edges(error, exists) + given.coarse * coarse(error)
        return (total + given.features * self.features(truth, truth + error)) / count

    def features(self, truth: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """Squared distances, summed over all pixels, mean of the levels."""
        with torch.autocast(truth.device.type, torch.bfloat16):
            with torch.no_grad():
                right = self._features(truth)
            answers = self._features(picture)
        apart = [(a - b).square().sum() * 4 ** (k + 1) for k, (a, b) in enumerate(zip(right, answers, strict=True))]
        return sum(apart) / len(apart)

    def _features(self, picture: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H / 2^(k+1), W / 2^(k+1)): of the stem, and of the ends of the levels after the first, of length 1."""
        image = picture.contiguous(memory_format=torch.channels_last)
        x = self.stem((image - IMAGE_MEAN) * IMAGE_GAIN)
        answers = [x]
        for k, level in enumerate(self.enc):
            x = level(x)
            if k:
                answers.append(x)
        return [answer.float() / answer.float().norm(dim=1, keepdim=True).clamp(min=TINY) for answer in answers]


def edges(error: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
    """Absolute errors of the differences to the right and downwards, where both pixels exist: summed over pixels, mean
    of directions and channels."""
    across = (error[..., 1:] - error[..., :-1]).abs() * exists[..., 1:] * exists[..., :-1]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * exists[..., 1:, :] * exists[..., :-1, :]
    return (across.sum() + down.sum()) / (2 * error.shape[1])


def coarse(error: torch.Tensor) -> torch.Tensor:
    """Absolute errors of means over squares: summed over pixels, mean of three sizes and of channels."""
    total = 0
    for k in (1, 2, 3):
        error = F.avg_pool2d(error, 2)
        total = total + error.abs().sum() * 4**k
    return total / (3 * error.shape[1])
