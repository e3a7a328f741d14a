"""The layered depth image (LDI): zero, one or more pixels at each position of the lattice (Shade et al. 1998).

Unlike a stack of images it knows what is connected: each pixel has at most one neighbour in each of the four cardinal
directions, and surfaces that merely lie side by side in the photo are not neighbours (Kopf et al. 2020, section 4.2).
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from app.clean import TAU

RIGHT, DOWN, LEFT, UP = range(4)  # the columns of `neighbours`; (k + 2) % 4 is the opposite direction
STEP_X = np.array([1, 0, -1, 0], np.int32)
STEP_Y = np.array([0, 1, 0, -1], np.int32)


def opposite(direction: int) -> int:
    return (direction + 2) % 4


@dataclass
class LDI:
    """Struct of arrays over N pixels; the first height * width are the photo's own, in row-major order.

    width, height: of the lattice.
    x, y: (N,) int32 lattice position.
    disparity: (N,) float32 in about [0, 1], 1 = near.
    colour: (N, 3) float32, sRGB values 0..255. Undefined for grown pixels until the fill.
    neighbours: (N, 4) int32 in the order RIGHT, DOWN, LEFT, UP; -1 = none. Links are symmetric.
    slot: (N,) uint8, place among the pixels at the same position, 0 = the photo's, front to back.
    collar: (height * width,) bool, photo pixels whose colour is mixed with that of a nearer surface beside them.
    """

    width: int
    height: int
    x: np.ndarray
    y: np.ndarray
    disparity: np.ndarray
    colour: np.ndarray
    neighbours: np.ndarray
    slot: np.ndarray
    collar: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    @property
    def photo_pixels(self) -> int:
        """How many of the pixels, counted from the first, are the photo's own."""
        return self.width * self.height

    @property
    def hole(self) -> np.ndarray:
        """(N,) bool: pixels whose colour the fill must supply: grown ones and the collar."""
        hole = np.ones(len(self), bool)
        hole[: self.photo_pixels] = self.collar
        return hole

    def validate(self) -> None:
        """Raise AssertionError unless links are symmetric, join adjacent positions, and slots hold one pixel each."""
        for k in range(4):
            here = np.nonzero(self.neighbours[:, k] >= 0)[0]
            there = self.neighbours[here, k]
            assert (self.neighbours[there, opposite(k)] == here).all(), f"asymmetric links in direction {k}"
            assert (self.x[there] == self.x[here] + STEP_X[k]).all(), f"link to a position not adjacent in x, {k}"
            assert (self.y[there] == self.y[here] + STEP_Y[k]).all(), f"link to a position not adjacent in y, {k}"
        place = (self.slot.astype(np.int64) * self.height + self.y) * self.width + self.x
        assert len(np.unique(place)) == len(self), "two pixels share a slot"


@dataclass(frozen=True)
class LiftOptions:
    """tau: largest disparity step between neighbours.
    min_curve: discontinuity curves shorter than this many lattice pixels are left closed (section 4.2 leaves them
        without growth; an open cut without growth would show as a crack, so the sheet stays whole there).
    max_cuts: pixel edges. Foliage and noise may have ten times as many; then only the strongest are cut, because
        each costs one to two triangles and the weak ones are not worth them.
    smoothing: sweeps that replace each disparity by the mean over its links. They take out the noise of single pixels,
        which costs triangles and shows as wobble, and leave cuts as sharp as they are.
    """

    tau: float = TAU
    min_curve: int = 20
    max_cuts: int = 10_000
    smoothing: int = 4


def lift(disparity: np.ndarray, colour: np.ndarray, options: LiftOptions = LiftOptions()) -> LDI:
    """One LDI pixel for each photo pixel, linked to the neighbours that differ by less than tau.

    disparity: (H, W) float32; colour: (H, W, 3) uint8.
    """
    height, width = disparity.shape
    across, along = np.abs(np.diff(disparity, axis=1)), np.abs(np.diff(disparity, axis=0))
    tau = _bounded_tau(across, along, options)
    right, down = across < tau, along < tau  # (H, W - 1) linked with the right neighbour, (H - 1, W) with the lower one
    right, down = _close_short_cuts(right, down, options.min_curve)
    disparity = _smooth(disparity, right, down, options.smoothing)
    index = np.arange(height * width, dtype=np.int32).reshape(height, width)
    neighbours = np.full((height, width, 4), -1, np.int32)
    neighbours[:, :-1, RIGHT] = np.where(right, index[:, 1:], -1)
    neighbours[:, 1:, LEFT] = np.where(right, index[:, :-1], -1)
    neighbours[:-1, :, DOWN] = np.where(down, index[1:], -1)
    neighbours[1:, :, UP] = np.where(down, index[:-1], -1)
    y, x = np.divmod(index.ravel(), np.int32(width))
    return LDI(
        width,
        height,
        x,
        y,
        disparity.astype(np.float32).ravel(),
        colour.reshape(-1, 3).astype(np.float32),
        neighbours.reshape(-1, 4),
        np.zeros(index.size, np.uint8),
        np.zeros(index.size, bool),
    )


def _bounded_tau(across: np.ndarray, along: np.ndarray, options: LiftOptions) -> float:
    """The threshold that leaves at most `max_cuts` of the steps above it."""
    steps = np.concatenate([across[across >= options.tau], along[along >= options.tau]])
    if len(steps) <= options.max_cuts:
        return options.tau
    return float(np.nextafter(np.partition(steps, -options.max_cuts)[-options.max_cuts], np.float32(np.inf)))


def _smooth(disparity: np.ndarray, right: np.ndarray, down: np.ndarray, sweeps: int) -> np.ndarray:
    """(H, W) means over each pixel and its links, `sweeps` times."""
    across, along = right.astype(np.float32), down.astype(np.float32)
    degree = np.ones(disparity.shape, np.float32)
    degree[:, :-1] += across
    degree[:, 1:] += across
    degree[:-1] += along
    degree[1:] += along
    for _ in range(sweeps):
        total = disparity.astype(np.float32)
        total[:, :-1] += across * disparity[:, 1:]
        total[:, 1:] += across * disparity[:, :-1]
        total[:-1] += along * disparity[1:]
        total[1:] += along * disparity[:-1]
        disparity = total / degree
    return disparity


def _close_short_cuts(right: np.ndarray, down: np.ndarray, min_curve: int) -> tuple[np.ndarray, np.ndarray]:
    """Link again across curves of fewer than `min_curve` cuts. A curve is a set of cuts that share corners."""
    width = down.shape[1]
    vy, vx = np.nonzero(~right)  # a vertical unit edge between the corners (vy, vx + 1) and (vy + 1, vx + 1)
    hy, hx = np.nonzero(~down)  # a horizontal one between (hy + 1, hx) and (hy + 1, hx + 1)
    corners = width + 1
    start = np.concatenate([vy * corners + vx + 1, (hy + 1) * corners + hx])
    end = np.concatenate([(vy + 1) * corners + vx + 1, (hy + 1) * corners + hx + 1])
    if not len(start):
        return right, down
    nodes, ends = np.unique(np.concatenate([start, end]), return_inverse=True)
    first, second = ends[: len(start)], ends[len(start) :]
    graph = coo_array((np.ones(len(start), np.int8), (first, second)), shape=(len(nodes),) * 2)
    curve = connected_components(graph, directed=False)[1][first]
    short = np.bincount(curve)[curve] < min_curve
    right, down = right.copy(), down.copy()
    vertical = short[: len(vy)]
    right[vy[vertical], vx[vertical]] = True
    down[hy[short[len(vy) :]], hx[short[len(vy) :]]] = True
    return right, down
