"""Parts of a layered depth image at several resolutions, as the fills of `inpaint.py` need them.

A surface that is cut stays cut at every level: a coarse pixel stands for a connected set of fine ones, never for two
that merely lie side by side (Kopf et al. 2020, section 4.3).
"""

from dataclasses import dataclass

import numpy as np

from app.ldi import DOWN, LDI, LEFT, RIGHT, UP, opposite


@dataclass
class Level:
    """Pixels of one resolution of an LDI (or of a part of one): x, y (M,) int32; neighbours (M, 4) int32 as in LDI."""

    x: np.ndarray
    y: np.ndarray
    neighbours: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def part(ldi: LDI, mask: np.ndarray) -> tuple[Level, np.ndarray]:
    """The pixels of the mask (N,) bool as a level of their own, and their indices (M,) in the LDI."""
    chosen = np.nonzero(mask)[0]
    place = np.full(len(ldi) + 1, -1, np.int32)  # the last entry serves the index -1
    place[chosen] = np.arange(len(chosen), dtype=np.int32)
    return Level(ldi.x[chosen], ldi.y[chosen], place[ldi.neighbours[chosen]]), chosen


def coarsen(level: Level) -> tuple[Level, np.ndarray]:
    """Half the resolution: one pixel for each connected set within a 2x2 cell (Kopf et al. 2020, section 4.3).

    Returns the coarse level and each fine pixel's coarse index (M,) int32.
    """
    x, y, neighbours = level.x, level.y, level.neighbours
    index = np.arange(len(level), dtype=np.int32)
    first_column, first_row = x % 2 == 0, y % 2 == 0
    across = np.where(first_column, neighbours[:, RIGHT], neighbours[:, LEFT])  # the links inside the cell
    along = np.where(first_row, neighbours[:, DOWN], neighbours[:, UP])
    across, along = np.where(across < 0, index, across), np.where(along < 0, index, along)
    root = index
    while True:
        lower = np.minimum(root, np.minimum(root[across], root[along]))
        if (lower == root).all():
            break
        root = lower
    roots = np.nonzero(root == index)[0]
    parent = np.zeros(len(level), np.int32)
    parent[roots] = np.arange(len(roots), dtype=np.int32)
    parent = parent[root]

    coarse = np.full((len(roots), 4), -1, np.int32)
    for k, inside in ((RIGHT, first_column), (DOWN, first_row)):
        crossing = np.nonzero((neighbours[:, k] >= 0) & ~inside)[0]
        first, second = parent[crossing], parent[neighbours[crossing, k]]
        coarse[first, k] = second  # two fine links may lead to two coarse pixels: the last one counts
        won = coarse[first, k] == second
        first, second = first[won], second[won]
        coarse[second, opposite(k)] = first
        lost = coarse[second, opposite(k)] != first
        coarse[first[lost], k] = -1
    return Level(x[roots] // 2, y[roots] // 2, coarse), parent


def children(level: Level, parent: np.ndarray, count: int) -> np.ndarray:
    """(count, 4) int32: the fine pixels of each coarse one in row-major order of the 2x2 cell, -1 = none.

    level: the fine one. parent (M,): as `coarsen` returns it, below `count`. Where a surface winds round so tightly
    that two of its pixels share a position, one of them counts.
    """
    result = np.full((count, 4), -1, np.int32)
    result[parent, level.y % 2 * 2 + level.x % 2] = np.arange(len(level), dtype=np.int32)
    return result


def cells(level: Level) -> np.ndarray:
    """(M, 9) int32: each pixel's 3x3 kernel in row-major order, reached through links, -1 = none.

    Breadth first (Kopf et al. 2020, section 4.3): a corner is reached through the upper or lower neighbour, and through
    the left or right one only where that has no link. Paths of more than two links are not followed: they would lead
    around the end of a cut, to its other side.
    """
    links = np.vstack([level.neighbours, np.full((1, 4), -1, np.int32)])  # the last row serves the index -1
    right, down, left, up = level.neighbours.T

    def corner(first, second, across, along):
        reached = links[first, across]
        return np.where(reached >= 0, reached, links[second, along])

    return np.stack(
        [
            *(corner(up, left, LEFT, UP), up, corner(up, right, RIGHT, UP)),
            *(left, np.arange(len(level), dtype=np.int32), right),
            *(corner(down, left, LEFT, DOWN), down, corner(down, right, RIGHT, DOWN)),
        ],
        1,
    )
