"""Rays from each pixel of a hole along an LDI's links: the known pixels that they reach first.

A line that ends at a hole usually goes on inside, and a ray finds it at once, however wide the hole is. Which rays to
trust, the network of `inpaint.farbrausch` decides. Rays follow links, so that none crosses a cut.
"""

import numpy as np

from app.levels import Level

# Cells of the 3x3 kernel that lead one step along each direction, counter to the clock from the right: a neighbour, or
# one and then the next, as a knight moves, for the directions between.
STEPS = (
    *((5,), (5, 2), (2,), (1, 2)),
    *((1,), (1, 0), (0,), (3, 0)),
    *((3,), (3, 6), (6,), (7, 6)),
    *((7,), (7, 8), (8,), (5, 8)),
)
RAYS = len(STEPS)
DOUBLINGS = 6  # of the steps that a ray goes: 64, wider than any hole's band
FARTHEST = 64.0  # pixels: stands for a ray that reaches nothing


def cast(kernel: np.ndarray, known: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """(H, RAYS) int32: the first known pixel along each ray from the pixels `hole` (H,), -1 = none.

    kernel: (M, 9) int32 as `levels.cells` gives it. known: (M,) bool; `hole` is all others.
    """
    # Pixels of the hole have the numbers 0 to H - 1, all others H + their index, and H + M stands for what is missing.
    count, missing = len(hole), len(known)
    number = np.arange(count, count + missing + 1, dtype=np.int32)
    inside = np.append(~known, False)
    number[hole] = np.arange(count, dtype=np.int32)
    table = np.where(kernel < 0, np.int32(missing), kernel)
    leap = np.arange(count + missing + 1, dtype=np.int32)  # what is known, and what is missing, ends a ray
    reached = np.empty((count, RAYS), np.int32)
    for k, (first, *second) in enumerate(STEPS):
        step = table[hole, first]
        for cell in second:
            on = np.nonzero(inside[step])[0]
            step[on] = table[step[on], cell]
        leap[:count] = number[step]
        for _ in range(DOUBLINGS):
            leap[:count] = leap[leap[:count]]
        end = leap[:count] - count
        reached[:, k] = np.where((end >= 0) & (end < missing), end, -1)
    return reached


def inputs(level: Level, kernel: np.ndarray, known: np.ndarray, hole: np.ndarray) -> dict[str, np.ndarray]:
    """What the network takes of the rays: `seam` (S + 1,) int32, the known pixels that they reach, and at last M, which
    stands for what is missing; `hits` (H, RAYS) int32, which of the seam each ray reaches, -1 = none; `away` (H, RAYS)
    float32, how far it is, in pixels, FARTHEST where there is none."""
    reached = cast(kernel, known, hole)
    away = np.hypot(level.x[reached] - level.x[hole, None], level.y[reached] - level.y[hole, None])
    marked = np.zeros(len(level) + 1, bool)  # the last entry serves the index -1
    marked[reached] = True
    seam = np.nonzero(marked[:-1])[0].astype(np.int32)
    place = np.full(len(level) + 1, -1, np.int32)
    place[seam] = np.arange(len(seam), dtype=np.int32)
    return {
        "seam": np.append(seam, np.int32(len(level))),
        "hits": place[reached],
        "away": np.where(reached < 0, FARTHEST, away).astype(np.float32),
    }
