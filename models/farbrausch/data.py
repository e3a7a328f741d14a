"""Training samples: the hole of one photo put on another, whose colours there are the truth.

Both come from a pool of windows (`pool.py`), in any combination.
"""

from pathlib import Path

import numpy as np
import torch

from app.inpaint import COLLAR_WEIGHT, LEAST_CONTRAST
from app.ldi import lift
from app.levels import cells, part
from app.rays import cast
from models.farbrausch.pool import COLLAR, KNOWN, NOTHING, SIDE

NEAR = 5  # windows: how far in the pool those are that stand for the rest of a surface


def rays_of(band: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P,) the hole's pixels and (P, RAYS) what its rays reach, -1 = nothing; all indices into the flat window."""
    level, chosen = part(lift(np.zeros(band.shape, np.float32), np.zeros((*band.shape, 3), np.uint8)), band.ravel() > 0)
    kind = band.ravel()[chosen]
    hole = np.nonzero(kind >= COLLAR)[0]
    reached = cast(cells(level), kind == KNOWN, hole)
    return chosen[hole].astype(np.int16), np.where(reached < 0, -1, chosen[reached]).astype(np.int16)


class Batches:
    """Batches of a pool: see `draw`."""

    def __init__(self, pool: Path, batch: int, seed: int):
        with np.load(pool) as arrays:
            self.colours, self.bands = (torch.from_numpy(arrays[name]) for name in ("colours", "bands"))
        rays = [rays_of(band) for band in self.bands.numpy()]
        self.starts = np.cumsum([0, *(len(hole) for hole, _ in rays)])
        self.holes, self.hits = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*rays, strict=True))
        self.batch, self.random = batch, torch.Generator().manual_seed(seed)

    def draw(self) -> tuple[torch.Tensor, ...]:
        """truth, given (B, 3, SIDE, SIDE), weight, exists (B, 1, SIDE, SIDE), mean (B, 3, 1, 1), contrast (B, 1, 1, 1),
        all float32; hole (P,), hits (P, RAYS) int64, indices into the flat pixels of the batch: as `network.Network`
        takes them.

        Given is truth with foreign colour in the collar. Colours are less the mean, in multiples of the contrast.
        """
        number = self.batch
        which = torch.randint(len(self.colours), (number,), generator=self.random)
        # Neighbours in the pool are mostly of the same photo.
        other = (which + torch.randint(-NEAR, NEAR + 1, (number,), generator=self.random)) % len(self.colours)
        both = self.colours[torch.cat([which, other])].permute(0, 3, 1, 2).float() / 255
        truth, elsewhere = self._turned(both).chunk(2)
        chosen = torch.randint(len(self.bands), (number,), generator=self.random)
        band = self.bands[chosen][:, None]
        truth, mean, contrast = self._normal(truth, band == KNOWN, elsewhere)
        foreign = (torch.rand(number, 3, 1, 1, generator=self.random) - 0.5) / contrast
        share = torch.rand(band.shape, generator=self.random) * (band == COLLAR)
        given = torch.lerp(truth, foreign, share)
        weight = (band == KNOWN).float() + COLLAR_WEIGHT * (band == COLLAR)
        pieces = [slice(self.starts[i], self.starts[i + 1]) for i in chosen.tolist()]
        hole = torch.cat([self.holes[piece].long() + i * SIDE**2 for i, piece in enumerate(pieces)])
        hits = torch.cat([self.hits[piece].long() + i * SIDE**2 for i, piece in enumerate(pieces)])
        none = torch.cat([self.hits[piece] < 0 for piece in pieces])
        return truth, given, weight, (band != NOTHING).float(), mean, contrast, hole, hits.masked_fill_(none, -1)

    def _turned(self, colours: torch.Tensor) -> torch.Tensor:
        """The whole batch (B, 3, H, W) turned, mirrored, or neither, with its channels in any order."""
        turns, mirrored = torch.randint(4, (2,), generator=self.random).tolist()
        colours = torch.rot90(colours, turns, (2, 3))
        colours = colours.flip(3) if mirrored % 2 else colours
        return colours[:, torch.randperm(3, generator=self.random)]

    def _normal(
        self, colours: torch.Tensor, known: torch.Tensor, elsewhere: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Colours (B, 3, H, W) less a mean (B, 3, 1, 1), in multiples of a contrast (B, 1, 1, 1), a standard deviation.

        In use both are those of the known pixels of a whole surface, of which a window shows a part: a part that is
        white all over may lie far above the mean. So here they are those of the known pixels and of the colours
        elsewhere, as of a surface of which these are a random share.
        """
        share = torch.rand(len(colours), 1, 1, 1, generator=self.random)
        count = known.sum((1, 2, 3), keepdim=True)
        here = [(power * known).sum((2, 3), keepdim=True) / count for power in (colours, colours.square())]
        there = [power.mean((2, 3), keepdim=True) for power in (elsewhere, elsewhere.square())]
        mean, square = (torch.lerp(a, b, share) for a, b in zip(here, there, strict=True))
        variance = (square - mean.square()).mean(1, keepdim=True)
        contrast = variance.clamp(min=(LEAST_CONTRAST / 255) ** 2).sqrt()
        return (colours - mean) / contrast, mean, contrast
