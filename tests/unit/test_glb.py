import json
import struct
import sys
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from app import glb
from app.camera import Camera
from app.errors import UserError

CAMERA = Camera(width=768, height=512, focal=Camera.focal_from_35mm(768, 512, 28), focus=0.3)


def grid_mesh(rows: int, columns: int, camera: Camera = CAMERA, seed: int = 0) -> SimpleNamespace:
    """Two triangles a cell over the whole lattice, disparity at random, winding as the contract of Mesh wants it."""
    y, x = np.meshgrid(np.linspace(0, camera.height, rows), np.linspace(0, camera.width, columns), indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)
    i = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    disparity = np.random.default_rng(seed).random(rows * columns, np.float32)
    uv = points / np.float32([camera.width, camera.height])
    return SimpleNamespace(points=points, disparity=disparity, uv=uv, triangles=triangles)


def gradient(height: int = 64, width: int = 96) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, 0 * x + 90], 2).astype(np.uint8)


def document(data: bytes) -> dict:
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (40, 60), (260, 260)])
def test_round_trip(rows, columns):
    mesh = grid_mesh(rows, columns)
    positions, uv, triangles, atlas, extras = glb.decode(glb.encode(mesh, CAMERA, gradient()))
    seen = CAMERA.project(positions)
    assert np.abs(seen[:, :2] - mesh.points).max() < 0.1  # lattice pixels
    assert np.abs(seen[:, 2] - CAMERA.inverse_depth(mesh.disparity)).max() < 2e-4
    assert np.abs(uv - mesh.uv).max() < 1e-5
    assert np.array_equal(triangles, mesh.triangles)
    assert atlas.shape == (64, 96, 3)
    assert np.abs(atlas.astype(int) - gradient()).mean() < 3
    assert extras["version"] == 1


def test_camera_survives():
    camera = glb.camera_of(glb.decode(glb.encode(grid_mesh(3, 3), CAMERA, gradient())).extras)
    assert camera.focus == pytest.approx(CAMERA.focus)
    assert (camera.radius, camera.zoom) == pytest.approx((CAMERA.radius, CAMERA.zoom))
    assert (camera.width, camera.height, camera.focal) == (CAMERA.width, CAMERA.height, CAMERA.focal)


def test_indices_take_two_bytes_when_they_fit():
    small, large = (document(glb.encode(grid_mesh(n, n), CAMERA, gradient())) for n in (255, 257))
    assert small["accessors"][2]["componentType"] == glb.UNSIGNED_SHORT
    assert large["accessors"][2]["componentType"] == glb.UNSIGNED_INT  # 257 * 257 > 65535


def test_welded_vertices_stay_welded():
    """Two charts share a border: each vertex of it stands in both, with other UVs, somewhere else in the arrays."""
    mesh = grid_mesh(30, 30)
    twin = np.random.default_rng(1).permutation(900)
    both = SimpleNamespace(
        points=np.concatenate([mesh.points, mesh.points[twin]]),
        disparity=np.concatenate([mesh.disparity, mesh.disparity[twin]]),
        uv=np.concatenate([mesh.uv, 1 - mesh.uv[twin]]),
        triangles=mesh.triangles,
    )
    positions = glb.decode(glb.encode(both, CAMERA, gradient())).positions
    assert np.array_equal(positions[:900][twin].view(np.int32), positions[900:].view(np.int32))


def test_triangles_face_the_camera():
    """Counter-clockwise as seen from the origin along -z is a front face in glTF."""
    positions, _, triangles, _, _ = glb.decode(glb.encode(grid_mesh(20, 20), CAMERA, gradient()))
    a, b, c = (positions[triangles[:, k]].astype(np.float64) for k in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0).all()  # the normal points back at the camera


def test_a_flat_mesh_has_a_step():
    mesh = grid_mesh(4, 4)
    mesh.disparity[:] = 0.5
    positions = glb.decode(glb.encode(mesh, CAMERA, gradient())).positions
    assert np.isfinite(positions).all()
    assert positions[:, 2] == pytest.approx(-1 / CAMERA.inverse_depth(np.float64(0.5)))


def test_a_made_jpeg_is_taken_as_it_is():
    out = BytesIO()
    Image.fromarray(gradient()).save(out, "JPEG")
    assert out.getvalue() in glb.encode(grid_mesh(3, 3), CAMERA, out.getvalue())


def test_jpeg_quality_counts():
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    sizes = [len(glb.encode(grid_mesh(3, 3), CAMERA, noise, glb.GlbOptions(jpeg_quality=q))) for q in (40, 90)]
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize("damage", [b"", b"glTF", b"\xff\xd8\xff", "short", "json"])
def test_other_bytes_are_refused(damage):
    good = glb.encode(grid_mesh(3, 3), CAMERA, gradient())
    data = {"short": good[:-40], "json": good[:30] + b"}" + good[31:]}.get(damage, damage)
    with pytest.raises(UserError) as error:
        glb.decode(data)
    assert error.value.code == "not-a-3d-photo"


@pytest.mark.skipif(sys.platform == "emscripten", reason="the validator runs in its own node process")
@pytest.mark.parametrize("size", [2, 50, 257])
def test_khronos_validator_has_nothing_to_say(size):
    from tests.khronos import messages

    found = {message["code"] for message in messages(glb.encode(grid_mesh(size, size), CAMERA, gradient()))}
    assert found <= {"IMAGE_NPOT_DIMENSIONS"}  # told of every photo; only WebGL 1 with mipmaps minds


@pytest.mark.skipif(sys.platform == "emscripten", reason="the validator runs in its own node process")
def test_khronos_validator_is_awake():
    from tests.khronos import messages

    broken = glb.encode(grid_mesh(5, 5), CAMERA, gradient()).replace(b'"count":25', b'"count":26')
    assert any(message["severity"] == 0 for message in messages(broken))
