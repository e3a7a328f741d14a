"""Colour for the pixels that the photo does not show: the grown ones, and the collar whose colour is a mixture.

`push_pull` is the classical fill (Gortler et al. 1996, The Lumigraph, section 3.4.2), run on the LDI's links instead of
an image grid: colour flows along a surface and never across a cut, so nothing of the foreground gets into the hole.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from app.ldi import LDI, Level, coarsen, part


@dataclass(frozen=True)
class PushPullOptions:
    """levels: of the pyramid; 2**6 covers the widest band.
    context: lattice pixels of known surroundings that take part; colour further off says little about the hole.
    collar_weight: of the collar's own mixed colour: enough to decide where a surface has no other colour, else nothing.
    smoothing: sweeps over the hole at each level, which remove the blocks of the level above.
    """

    levels: int = 6
    context: int = 12
    collar_weight: float = 1e-4
    smoothing: int = 3


def push_pull(ldi: LDI, options: PushPullOptions = PushPullOptions()) -> np.ndarray:
    """Colours (N, 3) float32 of all pixels: known ones unchanged, those of `ldi.hole` filled."""
    hole = ldi.hole
    if not hole.any():
        return ldi.colour
    level, chosen = part(ldi, _surroundings(ldi, options.context))
    weight = np.where(hole[chosen], 0, 1).astype(np.float32)
    collar = chosen[chosen < ldi.photo_pixels]
    weight[: len(collar)][ldi.collar[collar]] = options.collar_weight
    result = ldi.colour.copy()
    result[chosen] = _fill(level, ldi.colour[chosen], weight, options.levels, options.smoothing)[0]
    return result


def _surroundings(ldi: LDI, radius: int) -> np.ndarray:
    """(N,) bool: every grown pixel, and the photo's own within the radius of a hole."""
    near = np.zeros((ldi.height, ldi.width), bool)
    near.ravel()[: ldi.photo_pixels] = ldi.collar
    grown = np.arange(ldi.photo_pixels, len(ldi))
    near[ldi.y[grown], ldi.x[grown]] = True
    near = ndimage.maximum_filter(near, 2 * radius + 1)
    return np.concatenate([near.ravel(), np.ones(len(grown), bool)])


def _fill(
    level: Level, colour: np.ndarray, weight: np.ndarray, depth: int, smoothing: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fill colour (M, 3) where weight (M,) is below 1 from the coarser levels, which take the weighted means.

    Returns the colours and (M,) bool, where there is one: a coarse pixel keeps one link of several, so a surface may
    come apart at some level, and its far piece gets its colour from its neighbours at a finer one.
    """
    if depth == 0 or weight.min() >= 1:
        return colour, weight > 0
    coarse, parent = coarsen(level)
    total = np.bincount(parent, weight, len(coarse)).astype(np.float32)
    mean = np.stack([np.bincount(parent, weight * colour[:, c], len(coarse)) for c in range(3)], 1)
    mean = (mean / np.maximum(total, 1e-12)[:, None]).astype(np.float32)
    above, known_above = _fill(coarse, mean, np.minimum(total, 1), depth - 1, smoothing)

    hole = np.nonzero(weight < 1)[0]
    own = weight[hole, None]
    filled, known = colour.copy(), weight > 0
    filled[hole] = own * colour[hole] + (1 - own) * above[parent[hole]]
    known[hole] |= known_above[parent[hole]]
    links = level.neighbours[hole]
    while smoothing > 0 or not known[hole].all():
        votes = ((links >= 0) & known[links])[..., None].astype(np.float32)
        count = votes.sum(1)
        mean = (filled[links] * votes).sum(1) / np.maximum(count, 1)
        filled[hole] = np.where(count > 0, own * colour[hole] + (1 - own) * mean, filled[hole])
        reached = known[hole] | (count[:, 0] > 0)
        if smoothing <= 0 and (reached == known[hole]).all():
            break
        known[hole] = reached
        smoothing -= 1
    return filled, known


FILLS = {"push-pull": push_pull}  # by name, as `convert --fill` and the page take them
