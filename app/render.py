"""What the viewer shows, without a GPU: the 3D photo seen from a point of the camera's disc, for the command line's
views and for measuring.

Coverage is exact, as on a GPU: corners are snapped to 1/256 pixel, edges are evaluated in integers, and the top-left
rule gives each pixel centre on a shared edge to one of the two triangles. A pixel that no triangle covers is therefore
a true hole and not rounding. Triangles are expanded into rows and rows into pixels (`np.repeat`), never into bounding
boxes, so that long slivers cost what they cover. Back faces are not drawn.

Difference from a GPU: texels are mixed as sRGB levels, not in linear light.
"""

import numpy as np

from app.camera import Camera

SUBPIXEL = 256  # snapping steps a pixel, as GPUs have at least
CHUNK = 1 << 15  # triangles at a time: bounds memory to some tens of MB
STRETCH = 2.0  # a triangle drawn out by more than this against the centre view shows as rubber
VIEWS = {"centre": (0.0, 0.0), "left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, 1.0), "down": (0.0, -1.0)}


def render(
    positions: np.ndarray,
    uv: np.ndarray,
    triangles: np.ndarray,
    atlas: np.ndarray,
    camera: Camera,
    offset: tuple[float, float] = (0.0, 0.0),
    size: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The viewer's frame: the photo's, cropped by `camera.zoom`.

    positions (V, 3) glTF, uv (V, 2) in 0..1 with v down, triangles (T, 3), atlas (H, W, 3) uint8; offset (right, up) in
    radii of the disc; size (width, height) in pixels, the lattice's by default.
    Returns (h, w, 3) uint8, black where nothing is; (h, w) bool covered; (h, w) bool stretched: covered by a triangle
    whose projection is drawn out more than `STRETCH` times in some direction against the centre view.
    """
    width, height = size or (camera.width, camera.height)
    seen, inverse_depth = _to_pixels(positions, camera, offset, (width, height))
    points = np.rint(seen * SUBPIXEL) / SUBPIXEL
    nearest = np.zeros(width * height)
    owner = np.full(width * height, -1)
    for start in range(0, len(triangles), CHUNK):
        part = triangles[start : start + CHUNK]
        pixel, triangle = fragments(points, part, (width, height))
        plane = _planes(points, part, inverse_depth[:, None])
        depth = _at(plane, triangle, pixel, width)[:, 0]
        np.maximum.at(nearest, pixel, depth)
        won = depth == nearest[pixel]
        owner[pixel[won]] = triangle[won] + start
    covered = owner >= 0
    pixel, triangle = np.nonzero(covered)[0], owner[covered]
    # u / z, v / z and 1 / z are affine on the screen, u and v are not.
    homogeneous = np.concatenate([uv, np.ones((len(uv), 1))], 1) * inverse_depth[:, None]
    texture = _at(_planes(points, triangles, homogeneous), triangle, pixel, width)
    image = np.zeros((height * width, 3), np.uint8)
    image[covered] = _sample(atlas, texture[:, :2] / texture[:, 2:])
    stretched = np.zeros(width * height, bool)
    centre, _ = _to_pixels(positions, camera, (0.0, 0.0), (width, height))
    stretched[covered] = _stretch(centre, seen, triangles)[triangle] > STRETCH
    return image.reshape(height, width, 3), covered.reshape(height, width), stretched.reshape(height, width)


def fragments(points: np.ndarray, triangles: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The pixels (F,) whose centres lie in front-facing triangles, row by row, and the triangles (F,) they lie in.

    points: (V, 2) in pixels, y down. A front face runs counter-clockwise seen with y up.
    """
    width, height = size
    fixed = np.rint(points * SUBPIXEL).astype(np.int64)
    a, c, b = (fixed[triangles[:, k]] for k in range(3))  # b and c change places: now clockwise, with y down
    front = np.nonzero(_cross(b - a, c - a) > 0)[0]
    a, b, c = a[front], b[front], c[front]

    y = np.stack([a[:, 1], b[:, 1], c[:, 1]])
    top, bottom = _first_centre(y.min(0)), _first_centre(y.max(0) + 1) - 1
    of_row, row = _ranges(np.maximum(top, 0), np.minimum(bottom, height - 1))
    left, right = np.zeros(len(row), np.int64), np.full(len(row), width - 1)
    for tail, head in ((a, b), (b, c), (c, a)):
        _clip_rows(left, right, row, tail[of_row], (head - tail)[of_row])
    of_pixel, column = _ranges(left, right)
    return row[of_pixel] * width + column, front[of_row[of_pixel]]


def _clip_rows(left: np.ndarray, right: np.ndarray, row: np.ndarray, tail: np.ndarray, edge: np.ndarray) -> None:
    """Shorten rows of pixels, in place, to those on the inner side of an edge.

    The edge function of pixel j is slope * j + base >= 0 in integers; where it is 0, the pixel lies on the edge and
    belongs to the triangle that has it as a left or top one.
    """
    dx, dy = edge[:, 0], edge[:, 1]
    owned = (dy < 0) | ((dy == 0) & (dx > 0))
    half = SUBPIXEL // 2
    base = dx * (row * SUBPIXEL + half - tail[:, 1]) - dy * (half - tail[:, 0]) - ~owned
    slope = -dy * SUBPIXEL
    divisor = np.where(slope == 0, 1, slope)
    np.maximum(left, np.where(slope > 0, -(base // divisor), left), out=left)
    np.minimum(right, np.where(slope < 0, base // -divisor, right), out=right)
    right[(slope == 0) & (base < 0)] = -1


def _first_centre(fixed: np.ndarray) -> np.ndarray:
    """The first pixel whose centre is not before the coordinate."""
    return -((SUBPIXEL // 2 - fixed) // SUBPIXEL)


def _ranges(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expand inclusive ranges: the index of the range and the number, for all numbers of all ranges."""
    count = np.maximum(last - first + 1, 0).astype(np.intp)  # `repeat` takes no wider integers, and wasm has 32 bits
    index = np.repeat(np.arange(len(count)), count)
    return index, np.arange(len(index)) + np.repeat(first - (np.cumsum(count) - count), count)


def _to_pixels(
    positions: np.ndarray, camera: Camera, offset: tuple[float, float], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(V, 2) pixel coordinates in the cropped frame, and (V,) inverse depth."""
    seen = camera.project(positions.astype(np.float64), offset)
    frame = np.array([camera.width, camera.height])
    return ((seen[:, :2] / frame - 0.5) / camera.zoom + 0.5) * size, seen[:, 2]


def _planes(points: np.ndarray, triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(T, K, 3) coefficients (x, y, constant) of the K values (V, K) over each triangle in the plane of the screen."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    va, vb, vc = (values[triangles[:, k]] for k in range(3))
    (bx, by), (cx, cy) = (b - a).T[..., None], (c - a).T[..., None]
    area = bx * cy - by * cx
    area = np.where(area == 0, 1, area)  # such a triangle has no pixels
    x = ((vb - va) * cy - (vc - va) * by) / area
    y = ((vc - va) * bx - (vb - va) * cx) / area
    return np.stack([x, y, va - x * a[:, :1] - y * a[:, 1:]], 2)


def _at(planes: np.ndarray, triangle: np.ndarray, pixel: np.ndarray, width: int) -> np.ndarray:
    """(F, K) values at pixel centres."""
    row, column = np.divmod(pixel, width)
    plane = planes[triangle]
    return plane[..., 0] * (column + 0.5)[:, None] + plane[..., 1] * (row + 0.5)[:, None] + plane[..., 2]


def _sample(atlas: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(F, 3) uint8, bilinear, clamped at the border."""
    height, width = atlas.shape[:2]
    x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1).astype(np.float32)
    y = np.clip(uv[:, 1] * height - 0.5, 0, height - 1).astype(np.float32)
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    x, y = (x - left)[:, None], (y - top)[:, None]
    upper = atlas[top, left] * (1 - x) + atlas[top, right] * x
    lower = atlas[bottom, left] * (1 - x) + atlas[bottom, right] * x
    return np.rint(upper * (1 - y) + lower * y).astype(np.uint8)


def _stretch(before: np.ndarray, after: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T,) largest factor by which the affine map between a triangle's two projections draws out any direction."""
    (ax, ay), (bx, by) = (_edges(before, triangles)[k].T for k in (0, 1))
    (cx, cy), (dx, dy) = (_edges(after, triangles)[k].T for k in (0, 1))
    area = ax * by - ay * bx
    safe = np.where(area == 0, 1, area)
    m00, m01 = (cx * by - dx * ay) / safe, (dx * ax - cx * bx) / safe
    m10, m11 = (cy * by - dy * ay) / safe, (dy * ax - cy * bx) / safe
    # Largest singular value of a 2x2 matrix.
    half, product = (m00**2 + m01**2 + m10**2 + m11**2) / 2, m00 * m11 - m01 * m10
    factor = np.sqrt(half + np.sqrt(np.maximum(half**2 - product**2, 0)))
    return np.where(area == 0, np.inf, factor)  # nothing in the centre, seen from here


def _edges(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a = points[triangles[:, 0]]
    return points[triangles[:, 1]] - a, points[triangles[:, 2]] - a


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
