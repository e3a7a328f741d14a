"""Colour for the pixels that the photo does not show: the grown ones, and the collar whose colour is a mixture.

Both fills run on the LDI's links instead of an image grid: colour flows along a surface and never across a cut, so that
nothing of the foreground gets into the hole. `farbrausch` asks a network (Kopf et al. 2020, section 4.3); `push_pull`
is the classical fill (Gortler et al. 1996, The Lumigraph, section 3.4.2).
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from app import rays
from app.ldi import LDI
from app.levels import Level, cells, children, coarsen, part
from app.network import Network

FILLS = ("farbrausch", "push-pull")  # as `convert --fill` names them; the first is the default there and in the page
COLLAR_WEIGHT = 1e-4  # of the collar's own mixed colour: enough where a surface has no other colour, else nothing
TINY = 1e-12  # a divisor where nothing is known
GREY = 127.5  # of a surface that has no colour at all
LEAST_CONTRAST = 0.03 * 255  # of a surface: what is smaller is noise
KERNEL = 9  # cells of a 3x3 kernel


@dataclass(frozen=True)
class FarbrauschOptions:
    """levels: coarser ones than the lattice, as many as the network's pyramid has.
    context: lattice pixels of known surroundings that take part: what the network was trained with.
    """

    levels: int = 6
    context: int = 16


async def farbrausch(ldi: LDI, network: Network, options: FarbrauschOptions = FarbrauschOptions()) -> np.ndarray:
    """Colours (N, 3) float32 of all pixels: known ones unchanged, those of `ldi.hole` by the network."""
    if not ldi.hole.any():
        return ldi.colour
    level, chosen = part(ldi, _surroundings(ldi, options.context))
    weight = _weights(ldi, chosen)
    # What grown pixels hold is undefined. The network gives it no weight, but zero times infinity is no number.
    colour = np.where(weight[:, None] > 0, ldi.colour[chosen], 0)
    mean, contrast = _statistics(level, colour, weight)
    hole = np.nonzero(weight < 1)[0]
    answer = await network.run(network_inputs(level, (colour - mean) / contrast, weight, hole, options.levels))
    result = ldi.colour.copy()
    result[chosen[hole]] = np.clip(answer * contrast[hole] + mean[hole], 0, 255)
    return result


def _statistics(level: Level, colour: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the mean colour (M, 3) float32 of all that it hangs together with, and its standard deviation over
    pixels and channels (M, 1)."""
    here, direction = np.nonzero(level.neighbours[:, :2] >= 0)  # each link once
    links = coo_array((np.ones(len(here), np.int8), (here, level.neighbours[here, direction])), (len(level),) * 2)
    count, surface = connected_components(links, directed=False)
    total = np.bincount(surface, weight, count)[:, None]

    def means(values: np.ndarray) -> np.ndarray:
        sums = [np.bincount(surface, weight * column, count) for column in values.T]
        return np.stack(sums, 1) / np.maximum(total, TINY)

    mean = np.where(total > 0, means(colour), GREY).astype(np.float32)[surface]
    variance = means(np.square(colour - mean).mean(1, keepdims=True))
    return mean, np.maximum(np.sqrt(variance), LEAST_CONTRAST).astype(np.float32)[surface]


def network_inputs(
    level: Level, colour: np.ndarray, weight: np.ndarray, hole: np.ndarray, levels: int
) -> dict[str, np.ndarray]:
    """What the network takes: the part's colours, and how its pixels hang together at each level.

    level: M pixels. colour: (M, 3), less the mean of its surface, in multiples of its contrast. weight: (M,), 1 =
    known, 0 = grown, little = collar. hole: (H,) indices of the pixels to fill, in the order of the answer (H, 3).

    For `seam`, `hits` and `away` see `rays.inputs`.

    Each level k has one more row, which stands for all that is missing and stays zero: `cells_k` (M_k + 1, 9) the 3x3
    kernels, `reach_k` (M_k + 1, 1) = 9 / how many of the nine there are; `parent_k` (M_k + 1,) the pixel of level
    k + 1, `children_k` (M_k+1 + 1, 4) its pixels in level k.
    """
    inputs = {
        "colour": np.vstack([colour, np.zeros((1, 3))]).astype(np.float32),
        "weight": np.append(weight, 0).astype(np.float32)[:, None],
        "hole": hole.astype(np.int32),
    }
    for k in range(levels):
        kernel = cells(level)
        if k == 0:
            inputs |= rays.inputs(level, kernel, weight >= 1, hole)
        kernel = _with_missing(kernel, len(level))
        inputs[f"cells_{k}"] = kernel
        count = (kernel < len(level)).sum(1, dtype=np.float32)
        inputs[f"reach_{k}"] = np.where(count > 0, KERNEL / np.maximum(count, 1), 0).astype(np.float32)[:, None]
        coarse, parent = coarsen(level)
        inputs[f"children_{k}"] = _with_missing(children(level, parent, len(coarse)), len(level))
        inputs[f"parent_{k}"] = np.append(parent, len(coarse)).astype(np.int32)
        level = coarse
    return inputs


def _with_missing(indices: np.ndarray, missing: int) -> np.ndarray:
    """Indices (M, n) with -1 for none, to (M + 1, n) with `missing` for none, and in the last row nothing else."""
    indices = np.vstack([indices, np.full((1, indices.shape[1]), -1, np.int32)])
    return np.where(indices < 0, np.int32(missing), indices)


@dataclass(frozen=True)
class PushPullOptions:
    """levels: of the pyramid; 2**6 covers the widest band.
    context: lattice pixels of known surroundings that take part; colour further off says little about the hole.
    smoothing: sweeps over the hole at each level, which remove the blocks of the level above.
    """

    levels: int = 6
    context: int = 12
    smoothing: int = 3


def push_pull(ldi: LDI, options: PushPullOptions = PushPullOptions()) -> np.ndarray:
    """Colours (N, 3) float32 of all pixels: known ones unchanged, those of `ldi.hole` filled."""
    if not ldi.hole.any():
        return ldi.colour
    level, chosen = part(ldi, _surroundings(ldi, options.context))
    result = ldi.colour.copy()
    result[chosen] = _fill(level, ldi.colour[chosen], _weights(ldi, chosen), options.levels, options.smoothing)[0]
    return result


def _weights(ldi: LDI, chosen: np.ndarray) -> np.ndarray:
    """(M,) float32 of the pixels with these indices: 1 where the colour is known, else that of the collar, or 0."""
    weight = np.where(ldi.hole[chosen], 0, 1).astype(np.float32)
    collar = chosen[chosen < ldi.photo_pixels]
    weight[: len(collar)][ldi.collar[collar]] = COLLAR_WEIGHT
    return weight


def _surroundings(ldi: LDI, radius: int) -> np.ndarray:
    """(N,) bool: the hole, and what so many links lead to from there: nothing on the other side of a cut."""
    taken = ldi.hole
    front = np.nonzero(taken)[0]
    for _ in range(radius):
        links = ldi.neighbours[front].ravel()
        front = np.unique(links[(links >= 0) & ~taken[links]])
        taken[front] = True
    return taken


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
    mean = (mean / np.maximum(total, TINY)[:, None]).astype(np.float32)
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
