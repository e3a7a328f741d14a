"""Outlines: the borders of the pages' surfaces as chains of lattice corners, and their simplification.

A page (see `atlas`) shows at most one pixel at each lattice position. Wherever two adjacent positions of a page are not
linked, a unit edge of the lattice of pixel corners belongs to the page's outline. Pages share outlines: where a surface
passes from one page to another, both have the same edges. All pages' edges are therefore traced as one graph and
simplified once, so that what was welded stays welded.

Corner (row i, column j) is the top left corner of pixel (i, j) and has the node number i * (width + 1) + j.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from app.clean import TAU
from app.ldi import DOWN, RIGHT


@dataclass(frozen=True)
class OutlineOptions:
    """tolerance: largest distance in lattice pixels between an outline and its simplification; with the half pixel by
        which a staircase leaves a straight line, a silhouette stays within 1 pixel.
    disparity_tolerance: the same for the disparity along it.
    """

    tolerance: float = 0.75
    disparity_tolerance: float = TAU / 8


@dataclass
class Chains:
    """Polylines end to end.

    nodes (K,): corners; chain (K,): which chain each belongs to, ascending; keep (K,) bool: corners that the
    simplification keeps. pages (K,): bit mask of the pages whose outline it is part of. left, right (K,): bit masks of
    those that have a surface on that side, where left of +x is +y; constant along a chain, because only outlines part
    what is a surface from what is none.
    """

    nodes: np.ndarray
    chain: np.ndarray
    keep: np.ndarray
    pages: np.ndarray
    left: np.ndarray
    right: np.ndarray

    def segments(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices into the arrays of both ends of every kept segment."""
        kept = np.nonzero(self.keep)[0]
        same = self.chain[kept[:-1]] == self.chain[kept[1:]]
        return kept[:-1][same], kept[1:][same]


def unlinked(page: np.ndarray, links: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outline of one page: vertical (H, W + 1) and horizontal (H + 1, W) unit edges, bool.

    page: (H, W) int32, the LDI pixel at each position, -1 = none. links: (4, N), the LDI's neighbours by direction.
    """
    height, width = page.shape
    present = page >= 0
    vertical = np.zeros((height, width + 1), bool)
    horizontal = np.zeros((height + 1, width), bool)
    left, right, above, below = page[:, :-1], page[:, 1:], page[:-1], page[1:]
    linked = (left >= 0) & (right >= 0) & (np.take(links[RIGHT], left) == right)
    vertical[:, 1:-1] = (present[:, :-1] | present[:, 1:]) & ~linked
    linked = (above >= 0) & (below >= 0) & (np.take(links[DOWN], above) == below)
    horizontal[1:-1] = (present[:-1] | present[1:]) & ~linked
    vertical[:, [0, -1]] = present[:, [0, -1]]
    horizontal[[0, -1]] = present[[0, -1]]
    return vertical, horizontal


def trace(pages: np.ndarray, edges: list[tuple[np.ndarray, np.ndarray]]) -> Chains:
    """The outlines of all pages as chains between junctions; a loop without a junction begins anywhere on it.

    pages: (P, H, W) int32; edges: `unlinked` of each page. A junction is a corner where not exactly two edges meet, or
    two of different pages.
    """
    _, height, width = pages.shape
    vertical = np.zeros((height, width + 1), np.uint8)
    horizontal = np.zeros((height + 1, width), np.uint8)
    for number, (v, h) in enumerate(edges):
        vertical |= v.astype(np.uint8) << number
        horizontal |= h.astype(np.uint8) << number
    vi, vj = np.nonzero(vertical)
    hi, hj = np.nonzero(horizontal)
    row = width + 1
    tail = np.concatenate([vi * row + vj, hi * row + hj])
    head = np.concatenate([(vi + 1) * row + vj, hi * row + hj + 1])
    mask = np.concatenate([vertical[vi, vj], horizontal[hi, hj]])
    nodes, chain, mask = _chain(tail, head, mask, (height + 1) * row)
    ends = np.ones(len(nodes) + 1, bool)
    ends[1:-1] = chain[1:] != chain[:-1]
    left, right = (side[chain] for side in _sides(pages, nodes[ends[:-1]], nodes[np.nonzero(ends[:-1])[0] + 1]))
    return Chains(nodes, chain, ends[:-1] | ends[1:], mask, left & mask, right & mask)


def _sides(pages: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E,) bit masks of the pages that have a pixel to the left and to the right of the unit edges start -> end."""
    count, height, width = pages.shape
    (y, x), (v, u) = np.divmod(start, width + 1), np.divmod(end, width + 1)
    dx, dy = u - x, v - y
    # The pixel below a horizontal edge is its left one if it points to +x; the one before a vertical edge, to +y.
    i, j = np.minimum(y, v), np.minimum(x, u)
    first = np.zeros(len(start), np.int64), np.zeros(len(start), np.int64)
    for side, (row, column) in zip(first, ((i, j), (i - (dy == 0), j - (dx == 0))), strict=True):
        inside = (row >= 0) & (column >= 0) & (row < height) & (column < width)
        present = (pages[:, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] >= 0) & inside
        side += (present << np.arange(count)[:, None]).sum(0)
    after_is_left = (dx > 0) | (dy < 0)
    return np.where(after_is_left, *first), np.where(after_is_left, *first[::-1])


def _chain(
    tail: np.ndarray, head: np.ndarray, mask: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order undirected edges (E,) into chains by list ranking: each half-edge finds the end of its chain, and how far
    that is, in log2(E) doublings. Returns nodes, chain and pages as in `Chains`."""
    edges = len(tail)
    half = np.arange(2 * edges)
    start, end = np.concatenate([tail, head]), np.concatenate([head, tail])
    mask = np.concatenate([mask, mask])
    reverse = (half + edges) % (2 * edges)

    degree = np.bincount(start, minlength=nodes)
    # With degree 2, the sum of the outgoing half-edges gives the other one; unequal masks make a junction.
    total = np.bincount(start, half, nodes).astype(np.int64)
    low, high = np.full(nodes, 255, np.uint8), np.zeros(nodes, np.uint8)
    np.minimum.at(low, start, mask)
    np.maximum.at(high, start, mask)
    junction = (degree != 2) | (low != high)
    junction |= _loop_starts(tail, head, junction, nodes)

    goes_on = ~junction[end]
    following = np.where(goes_on, total[end] - reverse, half)
    remaining = goes_on.astype(np.int64)
    while True:
        step = remaining[following]
        if not step.any():
            break
        remaining = remaining + step
        following = following[following]
    last = following
    # Each chain is there twice, once in each direction; the one whose last half-edge has the lower number stays.
    first = np.full(2 * edges, -1)
    begins = junction[start]
    first[last[begins]] = half[begins]
    kept = last < reverse[first[last]]

    length = np.bincount(last[kept], minlength=2 * edges)
    length += length > 0  # a chain of n edges has n + 1 corners
    offset = np.cumsum(length) - length
    ordered = np.zeros(length.sum(), np.int64)
    at = offset[last[kept]] + length[last[kept]] - 2 - remaining[kept]
    ordered[at] = start[kept]
    ends = np.nonzero(length)[0]
    ordered[offset[ends] + length[ends] - 1] = end[ends]
    chain = np.repeat(np.arange(len(ends)), length[ends])
    return ordered, chain, np.repeat(mask[ends], length[ends])


def _loop_starts(tail: np.ndarray, head: np.ndarray, junction: np.ndarray, nodes: int) -> np.ndarray:
    """(nodes,) bool: one corner of each connected set of edges that has no junction."""
    used, index = np.unique(np.concatenate([tail, head]), return_inverse=True)
    graph = coo_array((np.ones(len(tail), np.int8), (index[: len(tail)], index[len(tail) :])), shape=(len(used),) * 2)
    count, component = connected_components(graph, directed=False)
    has_junction = np.bincount(component, junction[used], count) > 0
    representative = np.zeros(count, np.int64)
    representative[component] = used
    starts = np.zeros(nodes, bool)
    starts[representative[~has_junction]] = True
    return starts


def simplify(chains: Chains, pages: np.ndarray, disparity: np.ndarray, options: OutlineOptions = OutlineOptions()):
    """Choose `chains.keep` anew by Douglas and Peucker's (1973) rule, all chains at once, one level of splits a pass.

    The distance is that of position and, on the scale of its own tolerance, of the disparity on each page.
    pages: (P, H, W) int32; disparity: (N,) of the LDI.
    """
    ends = np.diff(chains.chain, prepend=-1, append=chains.chain[-1] + 1) != 0
    chains.keep = ends[:-1] | ends[1:]
    row = pages.shape[2] + 1
    y, x = np.divmod(chains.nodes, row)
    points = np.concatenate(
        [
            np.stack([x, y], 1) / options.tolerance,
            _disparity_beside(chains, pages, disparity) / options.disparity_tolerance,
        ],
        1,
    ).astype(np.float32)
    active = np.nonzero(~chains.keep)[0]
    while len(active):
        kept = np.nonzero(chains.keep)[0]
        segment = np.searchsorted(kept, active)  # kept[segment] is the next kept corner
        a, b = points[kept[segment - 1]], points[kept[segment]]
        deviation = _deviation(points[active], a, b)
        worst = np.zeros(len(kept), np.float32)
        np.maximum.at(worst, segment, deviation)
        farthest = (deviation == worst[segment]) & (deviation > 1)
        chosen = np.full(len(kept), -1)
        chosen[segment[farthest]] = active[farthest]
        chains.keep[chosen[chosen >= 0]] = True
        active = active[(worst[segment] > 1) & ~chains.keep[active]]


def _deviation(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(K,) largest of the distance to the segment a-b in the plane (first two columns) and of the differences of the
    other columns from their linear course along it."""
    along = b - a
    length = np.maximum((along[:, :2] ** 2).sum(1), 1e-12)
    t = np.clip(((point - a)[:, :2] * along[:, :2]).sum(1) / length, 0, 1)[:, None]
    rest = np.abs(point - a - t * along)
    return np.maximum(np.hypot(rest[:, 0], rest[:, 1]), rest[:, 2:].max(1, initial=0))


def _disparity_beside(chains: Chains, pages: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """(K, P) float32: mean disparity of the pixels around each corner on each page of its chain, else 0."""
    count, height, width = pages.shape
    y, x = np.divmod(chains.nodes, width + 1)
    result = np.zeros((len(chains.nodes), count), np.float32)
    for number in range(count):
        on = np.nonzero(chains.pages >> number & 1)[0]
        total, found = np.zeros((2, len(on)), np.float32)
        for dy, dx in ((-1, -1), (-1, 0), (0, -1), (0, 0)):
            i, j = y[on] + dy, x[on] + dx
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            pixel = np.where(inside, pages[number, np.clip(i, 0, height - 1), np.clip(j, 0, width - 1)], -1)
            total += np.where(pixel >= 0, disparity[pixel], 0)
            found += pixel >= 0
        result[on, number] = total / np.maximum(found, 1)
    return result
