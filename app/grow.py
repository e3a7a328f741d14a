"""Growing: the farther side of every discontinuity continues behind the nearer one (Kopf et al. 2020, section 4.2).

All fronts advance together, one pixel an iteration, and a new pixel is only ever added at the back of what is already
at its position. That one rule bounds growth at T-junctions: where a near surface A hides two others, B in front of C,
both grow behind A, each reaches first the positions that are closer to its own edge, and B cannot enter in front of the
pixels of C. They meet on the line of equal distance, which is the perpendicular at the junction that the paper draws.
C does go on behind B there, as it must: a step aside would otherwise open a crack between the two.

A pixel remembers the edge pixel (seed) that it grew from and stops at the distance that the camera can reveal: the
disparity step at the seed times the largest parallax, plus a margin. Fill band and camera range are one number.
"""

from dataclasses import dataclass

import numpy as np

from app.clean import TAU
from app.ldi import LDI, STEP_X, STEP_Y


@dataclass(frozen=True)
class GrowOptions:
    """tau: largest disparity step between neighbours.
    slack: factor on what the parallax reveals at a seed: the surface in front may come nearer beside it.
    margin: lattice pixels grown beyond: half of it covers the simplified outline, half the rounding of distances.
    max_iterations: section 4.2 grows for 50.
    max_slots: pixels at one position. Along a rim that is resolved into slivers of several disparities each grows its
        own band, and what lies farthest comes last: with four, no room was left for it, and a few pixels stayed open.
    behind: disparity by which a pixel must lie below the surface that hides it. A quarter of tau moves by a third of a
        lattice pixel at the extreme view, too little to see; without the bound a surface winds around the end of a cut,
        where the two sides meet, and goes on below itself.
    collar: lattice pixels on the far side of an edge that may carry the colour of what is in front: two or three do in
        a sharp photo (section 4.3), one or two more where the depth's edge is not exactly on the photo's.
    smoothing: sweeps that relax the grown surfaces, which otherwise keep the noise of their seeds as streaks.
    """

    tau: float = TAU
    slack: float = 1.1
    margin: float = 2.0
    max_iterations: int = 50
    max_slots: int = 6
    behind: float = TAU / 4
    collar: int = 4
    smoothing: int = 8


def grow(ldi: LDI, parallax: float, options: GrowOptions = GrowOptions()) -> LDI:
    """Return the LDI with its hidden surfaces grown; colours of grown pixels are zero until the fill.

    parallax: largest relative shift of disparity 0 against 1, in lattice pixels.
    """
    collar = _collar(ldi, options)
    growth = _Growth(ldi, parallax, options)
    for _ in range(options.max_iterations):
        if not growth.advance():
            break
    grown = growth.finish(collar)
    _relax(grown, options)
    return grown


def _front_of_cut(ldi: LDI) -> np.ndarray:
    """(height * width,) float32: largest disparity step up to an unlinked photo neighbour; 0 where there is none."""
    shape = ldi.height, ldi.width
    disparity = ldi.disparity[: ldi.photo_pixels].reshape(shape)
    links = ldi.neighbours[: ldi.photo_pixels].reshape(*shape, 4)
    step = np.zeros(shape, np.float32)
    for k, (here, there) in enumerate(
        (
            (np.s_[:, :-1], np.s_[:, 1:]),
            (np.s_[:-1], np.s_[1:]),
            (np.s_[:, 1:], np.s_[:, :-1]),
            (np.s_[1:], np.s_[:-1]),
        )
    ):
        jump = (disparity[there] - disparity[here]) * (links[here][..., k] < 0)
        np.maximum(step[here], jump, out=step[here])
    return step.ravel()


def _collar(ldi: LDI, options: GrowOptions) -> np.ndarray:
    """(height * width,) bool: photo pixels within `options.collar` links of the nearer side of a cut."""
    collar = _front_of_cut(ldi) > 0
    reached = np.nonzero(collar)[0]
    for _ in range(options.collar - 1):
        linked = ldi.neighbours[reached]
        linked = linked[linked >= 0]
        reached = np.unique(linked[~collar[linked]])
        collar[reached] = True
    return collar


class _Growth:
    """The growing arrays; `advance` is one iteration of all fronts."""

    def __init__(self, ldi: LDI, parallax: float, options: GrowOptions):
        self.ldi, self.options = ldi, options
        self.count = count = ldi.photo_pixels
        step = _front_of_cut(ldi)
        self.front = np.nonzero(step > 0)[0]
        self.x, self.y, self.disparity, self.neighbours, self.slot = (
            array[:count] for array in (ldi.x, ldi.y, ldi.disparity, ldi.neighbours, ldi.slot)
        )
        self.seed = np.arange(count, dtype=np.int32)  # the photo pixel that each pixel grew from
        self._reserve(count // 4)
        self.width = step * np.float32(parallax * options.slack) + np.float32(options.margin)  # of each seed's band
        self.stack = np.full((options.max_slots, count), -1, np.int32)  # pixels at each position, front to back
        self.stack[0] = np.arange(count, dtype=np.int32)
        self.filled = np.ones(count, np.uint8)
        self.back = ldi.disparity[:count].copy()  # disparity of the last pixel of each stack

    def advance(self) -> bool:
        """Grow every front by one pixel; False when none moved."""
        source, k = np.nonzero(self.neighbours[self.front] < 0)
        source = self.front[source]
        x, y = self.x[source] + STEP_X[k], self.y[source] + STEP_Y[k]
        seed = self.seed[source]
        distance = np.hypot(x - self.x[seed], y - self.y[seed]).astype(np.float32)
        left = self.width[seed] - distance
        inside = (x >= 0) & (x < self.ldi.width) & (y >= 0) & (y < self.ldi.height) & (left >= 0)
        source, k, left = source[inside], k[inside], left[inside]
        position = y[inside] * self.ldi.width + x[inside]
        met = self._meet(source, k, position)
        source, k, left, position = source[~met], k[~met], left[~met], position[~met]
        hidden = (self.disparity[source] < self.back[position] - self.options.behind) & (
            self.filled[position] < self.options.max_slots
        )
        if not hidden.any():
            self.front = source[:0]
            return False
        self._add(source[hidden], k[hidden], left[hidden], position[hidden])
        return True

    def _meet(self, source: np.ndarray, k: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Link sources to the most similar pixel at the position within tau whose link back is free; which did."""
        best = np.full(len(source), self.options.tau, np.float32)
        found = np.full(len(source), -1, np.int32)
        for pixels in self.stack[:, position]:
            difference = np.abs(self.disparity[pixels] - self.disparity[source])
            closer = (pixels >= 0) & (self.neighbours[pixels, (k + 2) % 4] < 0) & (difference < best)
            best[closer], found[closer] = difference[closer], pixels[closer]
        met = found >= 0
        self._link(source[met], k[met], found[met])
        return met

    def _link(self, first: np.ndarray, k: np.ndarray, second: np.ndarray) -> None:
        """Join free ends symmetrically; where several claim one end, one claim wins."""
        turned = k >= 2  # write each claim from its left or upper end, so that mutual claims are one
        first, second = np.where(turned, second, first), np.where(turned, first, second)
        k = k % 2
        self.neighbours[first, k] = second
        won = self.neighbours[first, k] == second
        first, second, k = first[won], second[won], k[won]
        self.neighbours[second, k + 2] = first
        lost = self.neighbours[second, k + 2] != first
        self.neighbours[first[lost], k[lost]] = -1

    def _add(self, source: np.ndarray, k: np.ndarray, left: np.ndarray, position: np.ndarray) -> None:
        """One new pixel at each position for the nearest surface that arrives; the others try again next time."""
        place, which = np.unique(position, return_inverse=True)
        nearest = np.full(len(place), -np.inf, np.float32)
        np.maximum.at(nearest, which, self.disparity[source])
        joins = self.disparity[source] > nearest[which] - self.options.tau
        waiting = source[~joins]
        source, k, left, which = source[joins], k[joins], left[joins], which[joins]

        mean = np.bincount(which, self.disparity[source]) / np.bincount(which)
        disparity = mean.astype(np.float32)
        farthest_reach = np.full(len(place), -np.inf, np.float32)
        np.maximum.at(farthest_reach, which, left)
        chosen = left == farthest_reach[which]
        seed = np.zeros(len(place), np.int32)
        seed[which[chosen]] = self.seed[source[chosen]]

        if self.count + len(place) > len(self.x):
            self._reserve(max(len(place), len(self.x) // 4))
        new = np.arange(self.count, self.count + len(place), dtype=np.int32)
        self.count += len(new)
        slot = self.filled[place]
        self.y[new], self.x[new] = np.divmod(place, self.ldi.width)
        self.disparity[new], self.seed[new], self.slot[new] = disparity, seed, slot
        self.stack[slot, place] = new
        self.filled[place] += 1
        self.back[place] = disparity
        self._link(source, k, new[which])
        self.front = np.concatenate([new, np.unique(waiting)])

    def _reserve(self, more: int) -> None:
        """Make room for more pixels, so that an iteration copies no more than it adds."""
        for name in ("x", "y", "disparity", "seed", "slot"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more, getattr(self, name).dtype)]))
        self.neighbours = np.concatenate([self.neighbours, np.full((more, 4), -1, np.int32)])

    def finish(self, collar: np.ndarray) -> LDI:
        colour = np.zeros((self.count, 3), np.float32)
        colour[: self.ldi.photo_pixels] = self.ldi.colour
        arrays = (array[: self.count] for array in (self.x, self.y, self.disparity))
        return LDI(
            self.ldi.width,
            self.ldi.height,
            *arrays,
            colour,
            self.neighbours[: self.count],
            self.slot[: self.count],
            collar,
        )


def _relax(ldi: LDI, options: GrowOptions) -> None:
    """Smooth the disparity of grown pixels in place: each sweep moves them to the mean of their neighbours, but never
    in front of the pixel that hides them."""
    grown = np.arange(ldi.photo_pixels, len(ldi))
    if not len(grown):
        return
    stack = np.full((int(ldi.slot.max()) + 1, ldi.photo_pixels), -1, np.int32)
    position = ldi.y * ldi.width + ldi.x
    stack[ldi.slot, position] = np.arange(len(ldi), dtype=np.int32)
    hider = stack[ldi.slot[grown] - 1, position[grown]]
    links = ldi.neighbours[grown]
    present = links >= 0
    degree = np.maximum(present.sum(1), 1)
    for _ in range(options.smoothing):
        mean = (ldi.disparity[links] * present).sum(1) / degree
        ldi.disparity[grown] = np.minimum(mean, ldi.disparity[hider] - options.behind)
