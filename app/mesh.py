"""Meshing: the pages' surfaces as triangles.

Vertices are lattice corners: those that the simplified outlines keep, and inside the surfaces those that the disparity
needs (a quadtree bounded by its error). They are triangulated in the plane, all pages side by side, by one conforming
Delaunay triangulation: an outline segment that is no edge of it is divided and the triangulation made again. What lies
outside the outlines is dropped. Then every vertex is lifted: around an outline corner each fan of triangles takes the
disparity of the LDI pixels that are linked on its side, so a cut has two edges and a weld has one, on whatever pages.

Tried on a 768x576 lattice with 3,300 pixels of edge: two triangles a pixel, 895,000 triangles; right-angled hierarchies
(RTIN) keep full resolution along every cut, about eight triangles a pixel of edge, and its stairs; this, see
`tests/bench`, 8,000 to 15,000 with straight silhouettes.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay

from app.atlas import Pages
from app.clean import TAU
from app.ldi import DOWN, LDI, LEFT, RIGHT, UP
from app.outline import Chains, OutlineOptions, simplify, trace, unlinked

# The quadrants around a corner, clockwise on the screen from the lower right: offset of the pixel from the corner, and
# the link that leads on to the next quadrant (and, from that one, back).
QUADRANT_X, QUADRANT_Y = np.array([0, -1, -1, 0]), np.array([0, 0, -1, -1])
CLOCKWISE = np.array([LEFT, UP, RIGHT, DOWN])
TRIANGLES_PER_VERTEX = 1.85  # after conforming for each vertex chosen before; 1.2 to 1.8 measured
ROUNDS = 12  # of the conforming triangulation. Segments end as single pixel edges, which always conform; four do mostly
COARSENING = 1.5  # of the tolerances of disparity, when a mesh is too large
COARSENINGS = 6  # then they are above tau, and silhouettes are what is left
WINDING = 12  # links followed around a corner: at the end of a cut a surface passes below itself before it ends
EXACT = 1 << 24  # disparities are averaged as integers of this unit, so that the order of summing cannot open a weld


@dataclass(frozen=True)
class MeshOptions:
    """disparity_tolerance: of a flat quadtree block; a quarter of tau is what may be off in the end, and triangles
        follow a curved block less closely than its bilinear patch.
    largest_block, smallest_block: of the quadtree, lattice pixels, powers of two.
    outline_block: blocks that an outline crosses are split down to this size, so that triangles get smaller towards it.
    max_triangles: beyond it the disparity tolerances grow. Silhouettes stay as close as they are: a looser outline of
        thin things crosses itself and ends with more vertices than before. `lift` bounds the length of the outlines.
    clearance: lattice pixels that inner vertices keep from outlines; more than the outline's tolerance.
    """

    disparity_tolerance: float = TAU / 8
    largest_block: int = 32
    smallest_block: int = 2
    outline_block: int = 8
    max_triangles: int = 30_000
    clearance: int = 2
    outline: OutlineOptions = field(default_factory=OutlineOptions)

    def coarser(self) -> "MeshOptions":
        """With looser tolerances of disparity."""
        outline = replace(self.outline, disparity_tolerance=self.outline.disparity_tolerance * COARSENING)
        return replace(self, disparity_tolerance=self.disparity_tolerance * COARSENING, outline=outline)


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
    plane = _triangulate(chains, inner_page, inner_node, pages.index)
    return _lift(plane, ldi, pages)


def _choose_vertices(
    chains: Chains, edges: list[tuple[np.ndarray, np.ndarray]], ldi: LDI, index: np.ndarray, options: MeshOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Simplify the outlines and return page and corner number of the vertices inside, both as coarse as the budget
    needs."""
    for _ in range(COARSENINGS):
        simplify(chains, index, ldi.disparity, options.outline)
        inner = _inner_vertices(index, edges, ldi, options)
        on_outlines = np.bitwise_count(chains.pages[chains.keep]).sum()
        if TRIANGLES_PER_VERTEX * (len(inner[0]) + on_outlines) <= options.max_triangles:
            break
        options = options.coarser()
    return inner


# --- Vertices inside the surfaces -----------------------------------------------------------------------------------


def _inner_vertices(
    index: np.ndarray, edges: list[tuple[np.ndarray, np.ndarray]], ldi: LDI, options: MeshOptions
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


def _quadtree(disparity: np.ndarray, inside: np.ndarray, options: MeshOptions) -> tuple[np.ndarray, np.ndarray]:
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


def _needs_split(value: np.ndarray, valid: np.ndarray, bend: np.ndarray, size: int, options: MeshOptions) -> np.ndarray:
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
    return (error > options.disparity_tolerance) | (crossed & large)


# --- Triangulation in the plane -------------------------------------------------------------------------------------


@dataclass
class _Plane:
    """Triangles in the plane of all pages. page, x, y: (P,) of the points, x and y on the page's corner lattice;
    triangles: (T, 3) points; neighbours: (T, 3) the triangle opposite each corner, -1 across an outline or the hull."""

    page: np.ndarray
    x: np.ndarray
    y: np.ndarray
    triangles: np.ndarray
    neighbours: np.ndarray


def _triangulate(chains: Chains, inner_page: np.ndarray, inner_node: np.ndarray, index: np.ndarray) -> _Plane:
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
    plane = _Plane(page, x, y, triangles, np.where(on_outline, -1, delaunay.neighbors))
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


def _drop_outside(plane: _Plane, surface: np.ndarray) -> _Plane:
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


# --- Lifting --------------------------------------------------------------------------------------------------------


def _lift(plane: _Plane, ldi: LDI, pages: Pages) -> Mesh:
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


def _fans(plane: _Plane) -> tuple[np.ndarray, np.ndarray]:
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


def _fan_direction(plane: _Plane, fan: np.ndarray, count: int) -> np.ndarray:
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
