"""Conforming Delaunay triangulation of outlines and the vertices inside them, all pages side by side in one plane.

An outline segment that is no edge of the triangulation is divided, at corners of the outline that the simplification
had left out, and the triangulation made again. The segments end as single pixel edges, which are always Delaunay edges
of lattice points, so this comes to an end: with outlines that the triangulation contains whole.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay

from app.outline import Chains

ROUNDS = 12  # four do mostly


@dataclass
class Plane:
    """Triangles in the plane of all pages. page, x, y: (P,) of the points, x and y on the page's corner lattice;
    triangles: (T, 3) points; neighbours: (T, 3) the triangle opposite each corner, -1 across an outline or the hull."""

    page: np.ndarray
    x: np.ndarray
    y: np.ndarray
    triangles: np.ndarray
    neighbours: np.ndarray


def triangulate(chains: Chains, inner_page: np.ndarray, inner_node: np.ndarray, index: np.ndarray) -> Plane:
    """Conforming Delaunay triangulation of outlines and inner vertices, without what lies outside of the outlines."""
    pages, height, width = index.shape
    corners = (height + 1) * (width + 1)
    inner = inner_page * corners + inner_node
    place = np.zeros(pages * corners, np.int32)  # of each corner of each page among the points
    for attempt in range(ROUNDS):
        a, b = chains.segments()
        page_of, segment = np.nonzero(chains.pages[a] >> np.arange(pages)[:, None] & 1)
        first = page_of * corners + chains.nodes[a[segment]]
        second = page_of * corners + chains.nodes[b[segment]]
        used = np.zeros(pages * corners, bool)
        used[inner] = used[first] = used[second] = True
        points = np.nonzero(used)[0]
        place[points] = np.arange(len(points), dtype=np.int32)
        page, node = np.divmod(points, corners)
        y, x = np.divmod(node, width + 1)
        # Lattice points lie on common circles everywhere; a shift too small to matter makes the triangulation unique.
        shake = np.random.default_rng(0).uniform(-1e-3, 1e-3, (len(points), 2))
        delaunay = Delaunay(np.stack([x, y + page * (height + 2)], 1) + shake)
        triangles = delaunay.simplices
        edges = _edge_key(triangles[:, [1, 2, 0]], triangles[:, [2, 0, 1]], len(points))  # opposite each corner
        outline = _edge_key(place[first], place[second], len(points))
        order = np.argsort(outline)
        outline = outline[order]
        nearest = np.minimum(np.searchsorted(outline, edges), len(outline) - 1)
        on_outline = outline[nearest] == edges
        split = np.ones(len(outline), bool)
        split[nearest[on_outline]] = False
        # Two segments between the same corners enclose nothing: a pixel or two that the simplification would lose.
        same = np.nonzero(outline[1:] == outline[:-1])[0]
        split[same] = split[same + 1] = True
        split = segment[order[split]]
        if not _subdivide(chains, a[split], b[split], pieces=2 << attempt):
            break
    plane = Plane(page, x, y, triangles, np.where(on_outline, -1, delaunay.neighbors))
    # Delaunay's triangles lie to the left of their edges.
    segment_of = order[nearest]
    forward = points[triangles[:, [1, 2, 0]]] == first[segment_of]
    side = np.where(forward, chains.left[a][segment][segment_of], chains.right[a][segment][segment_of])
    surface = np.where(on_outline, np.where(side >> page_of[segment_of] & 1, 1, -1), 0)
    return _drop_outside(plane, surface)


def _subdivide(chains: Chains, a: np.ndarray, b: np.ndarray, pieces: int) -> bool:
    """Keep more of the corners between the kept ones a and b (indices into the chains); whether there were any."""
    divisible = b - a > 1
    a, b = a[divisible], b[divisible]
    pieces = np.minimum(b - a, pieces)
    which = np.repeat(np.arange(len(a)), pieces - 1)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(pieces - 1) - (pieces - 1), pieces - 1) + 1
    chains.keep[a[which] + (b - a)[which] * nth // pieces[which]] = True
    return len(a) > 0


def _edge_key(a: np.ndarray, b: np.ndarray, count: int) -> np.ndarray:
    return np.minimum(a, b).astype(np.int64) * count + np.maximum(a, b)


def _drop_outside(plane: Plane, surface: np.ndarray) -> Plane:
    """Without the regions between outlines that hold no surface.

    surface: (T, 3) for the edge opposite each corner: 1 where it is an outline with the surface on the triangle's side,
    -1 where the surface is on the other side, 0 where it is no outline. Where the simplified outlines of a sliver
    cross, edges of one region contradict each other; the greater length decides.
    """
    count = len(plane.triangles)
    here, corner = np.nonzero(plane.neighbours >= 0)
    there = plane.neighbours[here, corner]
    graph = coo_array((np.ones(len(here), np.int8), (here, there)), shape=(count, count))
    regions, region = connected_components(graph, directed=False)
    x, y = plane.x[plane.triangles], plane.y[plane.triangles]
    length = np.hypot(x[:, [1, 2, 0]] - x[:, [2, 0, 1]], y[:, [1, 2, 0]] - y[:, [2, 0, 1]])
    vote = np.bincount(region, (surface * length).sum(1), regions)
    page = plane.page[plane.triangles]
    inside = (vote > 0)[region] & (page == page[:, :1]).all(1)
    renumber = np.full(count + 1, -1)
    renumber[:count][inside] = np.arange(inside.sum())
    plane.triangles, plane.neighbours = plane.triangles[inside], renumber[plane.neighbours[inside]]
    return plane
