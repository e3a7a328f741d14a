"""Where the surfaces need vertices inside: the leaves of a quadtree that is split where the disparity is not flat.

The error of a block is exact: the largest distance of its disparities from the bilinear patch over its four corners.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from app.clean import TAU
from app.ldi import LDI


@dataclass(frozen=True)
class QuadtreeOptions:
    """tolerance: largest error in disparity of a block; a quarter of tau is what may be off in the end, and triangles
        follow a curved block less closely than its bilinear patch.
    largest_block, smallest_block: lattice pixels, powers of two.
    outline_block: blocks that an outline crosses are split down to this size, so that triangles get smaller towards it.
    clearance: lattice pixels that vertices keep from outlines; more than the outlines' tolerance.
    """

    tolerance: float = TAU / 8
    largest_block: int = 32
    smallest_block: int = 2
    outline_block: int = 8
    clearance: int = 2


def inner_vertices(
    index: np.ndarray, edges: list[tuple[np.ndarray, np.ndarray]], ldi: LDI, options: QuadtreeOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Page and corner number of the vertices that the disparity inside the surfaces needs. Grown surfaces are smooth
    and were never seen, so that an even grid does."""
    found = []
    for number, page in enumerate(index):
        inside = _inside(page, *edges[number])
        if number == 0:
            y, x = _quadtree(_corner_disparity(ldi.disparity[page] * (page >= 0)), inside, options)
        else:
            y, x = np.nonzero(inside[:: options.outline_block, :: options.outline_block])
            y, x = y * options.outline_block, x * options.outline_block
        reach = range(1 - options.clearance, options.clearance)
        clear = np.logical_and.reduce([inside[y + dy, x + dx] for dy in reach for dx in reach])
        found.append((np.full(clear.sum(), number), y[clear] * (page.shape[1] + 1) + x[clear]))
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def _corner_disparity(disparity: np.ndarray) -> np.ndarray:
    """(H, W) at the pixels to (H + 1, W + 1) at the corners between them; 0 on the frame."""
    result = np.zeros((disparity.shape[0] + 1, disparity.shape[1] + 1), np.float32)
    rows = disparity[1:] + disparity[:-1]
    result[1:-1, 1:-1] = (rows[:, 1:] + rows[:, :-1]) / 4
    return result


def _inside(page: np.ndarray, vertical: np.ndarray, horizontal: np.ndarray) -> np.ndarray:
    """(H + 1, W + 1) bool: corners around which all four pixels of the page are there and linked."""
    inside = np.zeros((page.shape[0] + 1, page.shape[1] + 1), bool)
    cut = vertical[1:, 1:-1] | vertical[:-1, 1:-1] | horizontal[1:-1, 1:] | horizontal[1:-1, :-1]
    inside[1:-1, 1:-1] = (page >= 0)[1:, 1:] & ~cut
    return inside


def _quadtree(disparity: np.ndarray, inside: np.ndarray, options: QuadtreeOptions) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the corners of the leaves of a quadtree over the corner lattice."""
    step = options.smallest_block
    levels = (options.largest_block // step).bit_length()
    blocks = [-(-(size - 1) // options.largest_block) for size in disparity.shape]
    cells = [count << (levels - 1) for count in blocks]  # of the finest level
    shape = [count * step + 1 for count in cells]
    pad = [(0, size - have) for size, have in zip(shape, disparity.shape, strict=True)]
    value = np.pad(disparity, pad)[::step, ::step]
    valid = np.pad(inside, pad)[::step, ::step]

    bend = np.abs(value - ndimage.uniform_filter(value, 3)) * ndimage.minimum_filter(valid, 3)
    marked = np.zeros(value.shape, bool)
    active = np.ones(blocks, bool)
    for level in reversed(range(levels)):
        size = 1 << level  # of a block, in finest cells
        split = active & _needs_split(value, valid, bend, size, options) if level else np.zeros_like(active)
        leaf = active & ~split
        for di in (0, 1):
            for dj in (0, 1):
                corner = marked[di * size :: size, dj * size :: size]
                corner[: leaf.shape[0], : leaf.shape[1]] |= leaf
        active = split.repeat(2, 0).repeat(2, 1)
    y, x = np.nonzero(marked & valid)
    return y * step, x * step


def _needs_split(
    value: np.ndarray, valid: np.ndarray, bend: np.ndarray, size: int, options: QuadtreeOptions
) -> np.ndarray:
    """(rows, columns) bool for the blocks of `size` cells: not flat enough, or crossed by an outline and large.

    A block without valid corners has no bilinear patch to compare with; there `bend`, the distance from the local mean,
    tells.
    """
    rows, columns = (value.shape[0] - 1) // size, (value.shape[1] - 1) // size

    def blocks(array):
        return array[:-1, :-1].reshape(rows, size, columns, size)

    corner = value[::size, ::size]
    t = (np.arange(size, dtype=np.float32) / size)[:, None]
    # (rows, size, columns + 1), then (rows, size, columns, size): the bilinear patch over each block.
    sides = corner[:-1, None] * (1 - t) + corner[1:, None] * t
    patch = sides[:, :, :-1, None] * (1 - t[:, 0]) + sides[:, :, 1:, None] * t[:, 0]
    inside = blocks(valid)
    at_corner = valid[::size, ::size]
    anchored = at_corner[:-1, :-1] & at_corner[1:, :-1] & at_corner[:-1, 1:] & at_corner[1:, 1:]
    error = np.where(anchored, (np.abs(blocks(value) - patch) * inside).max((1, 3)), blocks(bend).max((1, 3)))
    crossed = (~inside.all((1, 3)) | ~anchored) & inside.any((1, 3))
    large = size * options.smallest_block > options.outline_block
    return (error > options.tolerance) | (crossed & large)
