"""Meshing: the pages' surfaces as triangles.

Vertices are lattice corners: those that the simplified outlines keep (`outline`), and inside the surfaces those that
the disparity needs (`quadtree`). They are triangulated in the plane (`triangulate`), and then every vertex is lifted:
around an outline corner each fan of triangles takes the disparity of the LDI pixels that are linked on its side, so a
cut has two edges and a weld has one, on whatever pages.

Tried instead: two triangles a pixel over the links, simplified by meshoptimizer (native, one unit of error = 1 lattice
pixel = tau / 4 of disparity), on two photos with 900,000 and 533,000 such triangles. Borders locked: 9,110 triangles
in 2.3 s and 7,882 in 0.9 s, with every stair of the silhouettes. Borders free: 1,614 and 2,019, but pages come apart.
Here: 8,403 and 11,016 in 0.7 and 0.6 s for the whole stage, straight silhouettes, closed welds, and no library in the
browser.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from app.atlas import Pages
from app.ldi import DOWN, LDI, LEFT, RIGHT, UP
from app.outline import Chains, OutlineOptions, simplify, trace, unlinked
from app.quadtree import QuadtreeOptions, inner_vertices
from app.triangulate import Plane, triangulate

# The quadrants around a corner, clockwise on the screen from the lower right: offset of the pixel from the corner, and
# the link that leads on to the next quadrant (and, from that one, back).
QUADRANT_X, QUADRANT_Y = np.array([0, -1, -1, 0]), np.array([0, 0, -1, -1])
CLOCKWISE = np.array([LEFT, UP, RIGHT, DOWN])
TRIANGLES_PER_VERTEX = 1.85  # after conforming for each vertex chosen before; 1.2 to 1.8 measured
COARSENING = 1.5  # of the tolerances of disparity, when a mesh is too large
COARSENINGS = 6  # then they are above tau, and silhouettes are what is left
WINDING = 12  # links followed around a corner: at the end of a cut a surface passes below itself before it ends
EXACT = 1 << 24  # disparities are averaged as integers of this unit, so that the order of summing cannot open a weld


@dataclass(frozen=True)
class MeshOptions:
    """max_triangles: beyond it the tolerances of disparity grow. Silhouettes stay as close as they are: a looser
        outline of thin things crosses itself and ends with more vertices than before. `lift` bounds their length.
    outline, quadtree: of the two kinds of vertices.
    """

    max_triangles: int = 30_000
    outline: OutlineOptions = field(default_factory=OutlineOptions)
    quadtree: QuadtreeOptions = field(default_factory=QuadtreeOptions)

    def coarser(self) -> "MeshOptions":
        """With looser tolerances of disparity."""
        outline = replace(self.outline, disparity_tolerance=self.outline.disparity_tolerance * COARSENING)
        quadtree = replace(self.quadtree, tolerance=self.quadtree.tolerance * COARSENING)
        return replace(self, outline=outline, quadtree=quadtree)


@dataclass(frozen=True)
class Mesh:
    """points (V, 2) float32: lattice coordinates; disparity (V,) float32; uv (V, 2) float32 in 0..1, v down;
    triangles (T, 3) int32, counter-clockwise seen from the camera with y up; page (V,) uint8."""

    points: np.ndarray
    disparity: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    page: np.ndarray


def mesh(ldi: LDI, pages: Pages, options: MeshOptions = MeshOptions()) -> Mesh:
    """The triangle mesh of an LDI whose pages are laid out."""
    links = np.ascontiguousarray(ldi.neighbours.T)
    edges = [unlinked(page, links) for page in pages.index]
    chains = trace(pages.index, edges)
    inner_page, inner_node = _choose_vertices(chains, edges, ldi, pages.index, options)
    plane = triangulate(chains, inner_page, inner_node, pages.index)
    return _lift(plane, ldi, pages)


def _choose_vertices(
    chains: Chains, edges: list[tuple[np.ndarray, np.ndarray]], ldi: LDI, index: np.ndarray, options: MeshOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Simplify the outlines and return page and corner number of the vertices inside, both as coarse as the budget
    needs."""
    for _ in range(COARSENINGS):
        simplify(chains, index, ldi.disparity, options.outline)
        inner = inner_vertices(index, edges, ldi, options.quadtree)
        on_outlines = np.bitwise_count(chains.pages[chains.keep]).sum()
        if TRIANGLES_PER_VERTEX * (len(inner[0]) + on_outlines) <= options.max_triangles:
            break
        options = options.coarser()
    return inner


def _lift(plane: Plane, ldi: LDI, pages: Pages) -> Mesh:
    """One vertex for each fan of triangles around a point, at the disparity of the pixels on its side."""
    fan, corner_of = _fans(plane)
    point = np.zeros(len(corner_of), np.int64)
    point[fan] = plane.triangles
    page, x, y = plane.page[point], plane.x[point], plane.y[point]
    direction = _fan_direction(plane, fan, len(corner_of))
    disparity = _disparity_around(ldi, pages.index, page, x, y, direction)
    points = np.stack([x, y], 1).astype(np.float32)
    triangles = fan.astype(np.int32)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    clockwise = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] > 0  # in a plane whose y points down
    triangles[clockwise] = triangles[clockwise][:, ::-1]
    return Mesh(points, disparity, pages.uv(page, points), triangles, page.astype(np.uint8))


def _fans(plane: Plane) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) fan of each triangle corner, and a triangle corner of each fan. Corners of two triangles at one point are
    in one fan when the triangles share an edge that ends there and is no outline."""
    triangles = plane.triangles
    here, opposite = np.nonzero(plane.neighbours > np.arange(len(triangles))[:, None])
    there = plane.neighbours[here, opposite]
    first, second = [], []
    for turn in (1, 2):
        corner = (opposite + turn) % 3
        same = triangles[there] == triangles[here, corner][:, None]
        first.append(here * 3 + corner)
        second.append(there * 3 + same.argmax(1))
    first, second = np.concatenate(first), np.concatenate(second)
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(triangles.size,) * 2)
    count, fan = connected_components(graph, directed=False)
    corner_of = np.zeros(count, np.int64)
    corner_of[fan] = np.arange(triangles.size)
    return fan.reshape(-1, 3), corner_of


def _fan_direction(plane: Plane, fan: np.ndarray, count: int) -> np.ndarray:
    """(F, 2) sum over each fan's triangles of the directions to their centres, weighted by their angles."""
    at = np.stack([plane.x, plane.y], 1).astype(np.float64)[plane.triangles]  # (T, 3, 2)
    result = np.zeros((count, 2))
    for corner in range(3):
        here, one, two = at[:, corner], at[:, (corner + 1) % 3], at[:, (corner + 2) % 3]
        one, two = one - here, two - here
        cross, dot = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0], (one * two).sum(1)
        angle = np.arctan2(np.abs(cross), dot)
        centre = one / np.hypot(*one.T)[:, None] + two / np.hypot(*two.T)[:, None]
        centre *= (angle / np.maximum(np.hypot(*centre.T), 1e-9))[:, None]
        for axis in (0, 1):
            result[:, axis] += np.bincount(fan[:, corner], centre[:, axis], count)
    return result


def _disparity_around(
    ldi: LDI, index: np.ndarray, page: np.ndarray, x: np.ndarray, y: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """(V,) float32 mean disparity of the pixels around a corner (x, y) that are linked, around it, with the pixel of
    the page that lies in the direction (V, 2). Links lead across pages, so both sides of a weld get the same value."""
    height, width = index.shape[1:]
    score = np.full((len(x), 4), -np.inf)
    pixels = np.full((len(x), 4), -1, np.int64)
    for quadrant in range(4):
        i, j = y + QUADRANT_Y[quadrant], x + QUADRANT_X[quadrant]
        inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
        pixels[inside, quadrant] = index[page[inside], i[inside], j[inside]]
        towards = (2 * QUADRANT_X[quadrant] + 1, 2 * QUADRANT_Y[quadrant] + 1)
        score[:, quadrant] = np.where(pixels[:, quadrant] >= 0, direction @ np.array(towards), -np.inf)
    start = score.argmax(1)
    exact = np.rint(ldi.disparity * EXACT).astype(np.int64)
    first = pixels[np.arange(len(x)), start]
    total, count = exact[first], np.ones(len(x), np.int64)
    closed = np.zeros(len(x), bool)
    for turn in (1, -1):
        pixel, quadrant = np.where(closed, -1, first), start.copy()
        for _ in range(WINDING):
            link = CLOCKWISE[quadrant] if turn == 1 else (CLOCKWISE[quadrant - 1] + 2) % 4
            pixel = np.where(pixel >= 0, ldi.neighbours[pixel, link], -1)
            closed |= pixel == first
            pixel = np.where(closed, -1, pixel)
            total += np.where(pixel >= 0, exact[pixel], 0)
            count += pixel >= 0
            quadrant = (quadrant + turn) % 4
    return (total / count / EXACT).astype(np.float32)
