import numpy as np
import pytest
from scipy.spatial import Delaunay

from app.camera import Camera
from app.render import VIEWS, fragments, render

CAMERA = Camera(width=192, height=128, focal=170.0)
FRAME = (192, 128)


def plane(camera: Camera, disparity: float, left=0.0, top=0.0, right=None, bottom=None, uv=None):
    """Positions, UVs and triangles of an upright rectangle, in lattice pixels, at one disparity."""
    right, bottom = right or camera.width, bottom or camera.height
    points = np.array([[left, top], [left, bottom], [right, bottom], [right, top]], float)
    positions = camera.unproject(points, np.full(4, disparity))
    own = points / [camera.width, camera.height]
    return positions, own if uv is None else np.full((4, 2), uv), np.array([[0, 1, 2], [0, 2, 3]])


def stack(*parts):
    positions, uv, triangles = zip(*parts, strict=True)
    shift = np.cumsum([0] + [len(p) for p in positions[:-1]])
    return (
        np.concatenate(positions),
        np.concatenate(uv),
        np.concatenate([t + s for t, s in zip(triangles, shift, strict=True)]),
    )


def shown(camera: Camera, lattice_x: float) -> float:
    """Column of a lattice coordinate in the cropped frame."""
    return ((lattice_x / camera.width - 0.5) / camera.zoom + 0.5) * camera.width


def stripes(width: int = 192, height: int = 128) -> np.ndarray:
    return np.repeat(np.arange(width, dtype=np.uint8)[None, :, None], height, 0).repeat(3, 2)


@pytest.mark.parametrize("seed", range(6))
def test_every_pixel_is_covered_once(seed):
    """A triangulation of the frame with random points, some of them on pixel centres and pixel corners."""
    random = np.random.default_rng(seed)
    width, height = random.integers(20, 90, 2)
    inner = random.uniform(0, 1, (300, 2)) * (width, height)
    inner[:100] = np.floor(inner[:100]) + 0.5
    inner[100:200] = np.floor(inner[100:200])
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    points = np.unique(np.concatenate([corners, inner]), axis=0)
    shaken = points + random.uniform(-1e-4, 1e-4, points.shape)  # cocircular points would make a triangulation overlap
    triangles = Delaunay(shaken).simplices[:, ::-1]  # SciPy's run counter-clockwise with y down
    pixel, triangle = fragments(points, triangles, (width, height))
    assert (np.bincount(pixel, minlength=width * height) == 1).all()
    assert triangle.max() < len(triangles)


def test_covered_pixels_are_those_whose_centre_lies_inside():
    """Against the plain definition, for triangles of all shapes that reach over the frame's edges."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:40, :50] + 0.5
    for _ in range(200):
        points = np.rint(random.uniform(-20, 70, (3, 2)) * 256) / 256
        (ax, ay), (bx, by), (cx, cy) = points
        sides = [(qx - px) * (y - py) - (qy - py) * (x - px)
                 for px, py, qx, qy in ((ax, ay, bx, by), (bx, by, cx, cy), (cx, cy, ax, ay))]  # fmt: skip
        if any((side == 0).any() for side in sides):
            continue  # a centre exactly on an edge: whose it is, the test above decides
        expected = np.all([side < 0 for side in sides], axis=0)  # counter-clockwise with y up
        pixel, _ = fragments(points, np.array([[0, 1, 2]]), (50, 40))
        assert np.array_equal(np.unique(pixel), np.nonzero(expected.ravel())[0])


def test_back_faces_and_slivers_without_area_cover_nothing():
    points = np.array([[0, 0], [0, 40], [40, 40], [20.0, 20.0]])
    assert len(fragments(points, np.array([[0, 1, 2]]), (40, 40))[0]) == 780
    assert len(fragments(points, np.array([[0, 2, 1], [0, 3, 2], [1, 1, 2]]), (40, 40))[0]) == 0


def test_centre_view_is_the_cropped_photo():
    image, covered, stretched = render(*plane(CAMERA, 0.7), stripes(), CAMERA, size=FRAME)
    expected = ((np.arange(192) + 0.5) / 192 - 0.5) * CAMERA.zoom * 192 + 96 - 0.5
    assert covered.all()
    assert not stretched.any()
    assert np.abs(image[..., 0] - expected).max() <= 0.51


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("disparity", [0.0, 0.3, 0.5, 1.0])
def test_planes_move_by_the_exact_parallax(name, disparity):
    """Range times width is the shift between disparity 0 and 1; the plane of focus stays; near things go against the
    camera."""
    right, up = VIEWS[name]
    image, _, _ = render(*plane(CAMERA, disparity, -40, -40, 232, 168), stripes(), CAMERA, (right, up), FRAME)
    base, _, _ = render(*plane(CAMERA, 0.5, -40, -40, 232, 168), stripes(), CAMERA, (0, 0), FRAME)
    parallax = (disparity - CAMERA.focus) * CAMERA.parallax / CAMERA.zoom  # output pixels
    columns = np.arange(30, 160)
    moved = np.interp(columns + right * parallax, np.arange(192), base[64, :, 0].astype(float))
    assert np.abs(image[64, columns, 0] - moved).max() <= 1.01


def test_vertical_parallax():
    """Seen from above, a near edge comes down the screen."""
    rows = []
    for up in (-1, 0, 1):
        _, covered, _ = render(*plane(CAMERA, 1.0, 0, 64), stripes(), CAMERA, (0, up), FRAME)
        rows.append(np.nonzero(covered[:, 96])[0][0])
    expected = (1 - CAMERA.focus) * CAMERA.parallax / CAMERA.zoom
    assert rows[1] - rows[0] == pytest.approx(expected, abs=1)
    assert rows[2] - rows[1] == pytest.approx(expected, abs=1)


def test_near_hides_far_whatever_the_order():
    far = plane(CAMERA, 0.1, uv=(0.25, 0.5))
    near = plane(CAMERA, 0.9, 60, 30, 130, 100, uv=(0.75, 0.5))
    two = np.zeros((4, 4, 3), np.uint8)
    two[:, 2:] = 200
    for parts in ((far, near), (near, far)):
        image, covered, _ = render(*stack(*parts), two, CAMERA, (1, 0), FRAME)
        assert covered.all()
        assert (image[64, 96] == 200).all()
        assert (image[5, 5] == 0).all()
        shift = (0.9 - CAMERA.focus) * CAMERA.parallax / CAMERA.zoom
        edge = np.nonzero(image[64, :, 0])[0][0]
        assert edge == pytest.approx(shown(CAMERA, 60) - shift, abs=1)


def test_a_hole_is_a_hole():
    left, right = plane(CAMERA, 0.5, 0, 0, 90), plane(CAMERA, 0.5, 94)
    _, covered, _ = render(*stack(left, right), stripes(), CAMERA, size=FRAME)
    missing = np.nonzero(~covered[10])[0]
    assert missing[0] == np.ceil(shown(CAMERA, 90) - 0.5)
    assert missing[-1] == np.ceil(shown(CAMERA, 94) - 0.5) - 1


def test_texture_is_perspective_correct():
    """A wall that runs into the distance; its middle in the picture is not the middle of the wall."""
    points = np.array([[20, 0], [20, 128], [172, 128], [172, 0]], float)
    disparity = np.array([1.0, 1, 0, 0])
    positions = CAMERA.unproject(points, disparity)
    uv = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], float)
    image, _, _ = render(positions, uv, np.array([[0, 1, 2], [0, 2, 3]]), stripes(256), CAMERA, size=FRAME)
    t = (96 - 20) / 152
    inverse = CAMERA.inverse_depth(1 - t)
    expected = t / CAMERA.far / inverse  # share of the wall
    assert image[64, 96, 0] == pytest.approx(expected * 256, abs=1.5)


def test_stretched_is_what_the_camera_draws_out():
    """A steep ribbon between near and far, 6 lattice pixels wide, drawn out by its parallax as seen from the right."""
    camera = Camera(width=192, height=128, focal=170.0, range=0.1)
    left, right = plane(camera, 0.9, -20, 0, 93), plane(camera, 0.1, 99, 0, 212)
    positions, uv, triangles = stack(left, right)
    ribbon = np.array([[3, 2, 5], [3, 5, 4]])  # top right and bottom right of the left, bottom left of the right one
    triangles = np.concatenate([triangles, ribbon])
    drawn = (0.9 - 0.1) * camera.parallax + 6  # lattice px, from 6
    assert drawn / 6 > 2
    _, covered, stretched = render(positions, uv, triangles, stripes(), camera, (1, 0), FRAME)
    assert covered.all()
    assert stretched[64].sum() == pytest.approx(drawn / camera.zoom, abs=1.5)
    for other in ((0, 0), (-0.3, 0)):
        _, _, stretched = render(positions, uv, triangles, stripes(), camera, other, FRAME)
        assert not stretched.any()


def test_size_is_free():
    image, covered, stretched = render(*plane(CAMERA, 0.5), stripes(), CAMERA, size=(77, 51))
    assert image.shape == (51, 77, 3)
    assert covered.shape == stretched.shape == (51, 77)
    assert covered.all()
