"""The viewer's mathematics, run by Node, against app/camera.py. Needs no browser."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from app.camera import Camera

PHOTO = Path(__file__).resolve().parents[2] / "static" / "photo"
CAMERAS = [
    Camera(768, 512, Camera.focal_from_35mm(768, 512, None)),
    Camera(512, 768, 900.0, range=0.04, near=0.5, far=20.0, focus=0.2),
    Camera(300, 300, 200.0, range=0.02, near=2.0, far=3.0, focus=1.0),
]


def node(script: str, value):
    """What an ES module prints as JSON, with `value` as its `input`; it may import from static/photo/."""
    source = f"import fs from 'node:fs'; const input = JSON.parse(fs.readFileSync(0)); {script}"
    command = ["node", "--input-type=module", "-e", source]
    done = subprocess.run(command, input=json.dumps(value), text=True, capture_output=True, cwd=PHOTO)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def frustum(camera: Camera, offset) -> dict:
    names = ("width", "height", "focal", "near", "far", "radius", "zoom")
    photo = {name: getattr(camera, name) for name in names}
    photo["focus"] = 1 / camera.inverse_depth(camera.focus)
    script = f"import {{ frustum }} from 'file://{PHOTO}/frustum.js';"
    return node(script + "console.log(JSON.stringify(frustum(input[0], input[1])));", [photo, list(offset)])


def through(view: dict, positions: np.ndarray) -> np.ndarray:
    """(V, 3) positions to (V, 2) in -1..1 on the screen, as a GPU projects them with this frustum."""
    local = positions - np.array(view["position"])
    on_near = local[:, :2] * (view["near"] / -local[:, 2:])
    low = np.array([view["left"], view["bottom"]])
    high = np.array([view["right"], view["top"]])
    return (on_near - low) / (high - low) * 2 - 1


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (0.6, -0.8)])
def test_projects_as_the_core_does(camera, offset):
    random = np.random.default_rng(1)
    points = random.uniform((0, 0), (camera.width, camera.height), (200, 2))
    positions = camera.unproject(points, random.uniform(0, 1, 200)).astype(float)
    expected = camera.project(positions, offset)
    middle = np.array([camera.width, camera.height]) / 2
    on_screen = through(frustum(camera, offset), positions) * [1, -1] * middle * camera.zoom + middle
    np.testing.assert_allclose(on_screen, expected[:, :2], atol=1e-3)


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_clip_planes_hold_the_scene(camera):
    view = frustum(camera, (1, 0))
    assert view["near"] < camera.near < camera.far < view["far"]


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("offset", [(1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7)])
def test_the_frames_edge_never_shows(camera, offset):
    """All of the photo's border, near or far, is outside of what is seen."""
    t = np.linspace(0, 1, 50)
    border = np.concatenate([np.stack([t, t * 0 + side], 1) for side in (0, 1)])
    border = np.concatenate([border, border[:, ::-1]]) * [camera.width, camera.height]
    for disparity in (0, 0.5, 1):
        positions = camera.unproject(border, np.full(len(border), disparity)).astype(float)
        assert (np.abs(through(frustum(camera, offset), positions)).max(1) >= 1 - 1e-6).all()


# --- How a device is held ---

SCRIPT = f"""
import {{ Tilt, normalOf }} from 'file://{PHOTO}/tilt.js';
const tilt = new Tilt();
console.log(JSON.stringify(input.map(([event, angle, time]) => tilt.read(event, angle, time))));
"""


def held(alpha, beta, gamma, angle=0, time=0.0):
    return [{"alpha": alpha, "beta": beta, "gamma": gamma}, angle, time]


def test_the_way_it_is_held_at_first_is_straight_ahead():
    assert node(SCRIPT, [held(200, 50, -10)])[0] == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("beta", [0, 45, 80])
def test_turning_the_right_side_away_moves_the_camera_to_the_left(beta):
    _, (right, up) = node(SCRIPT, [held(0, beta, 0), held(0, beta, 9)])
    assert right == pytest.approx(-np.sin(np.radians(9)) / np.sin(np.radians(18)), rel=1e-6)
    assert abs(up) < 0.03


@pytest.mark.parametrize(("angle", "expected"), [(0, (0, 0.5)), (90, (-0.5, 0)), (270, (0.5, 0)), (180, (0, -0.5))])
def test_the_screen_may_be_rotated(angle, expected):
    """The natural top edge comes nearer: the eye moves up in portrait, and to a side of a rotated screen."""
    _, offset = node(SCRIPT, [held(0, 30, 0, angle), held(0, 39.05, 0, angle)])
    assert offset == pytest.approx(expected, abs=0.02)


def test_nothing_jumps_where_euler_angles_do():
    """Past the vertical gamma flips its sign, and alpha and beta turn by half a circle: nearly the same orientation."""
    before, after = node(SCRIPT, [held(10, 60, 89.9), held(190, 120, -89.9)])
    assert after == pytest.approx(before, abs=0.05)


def test_the_baseline_follows_slowly():
    moved = [held(0, 40, 0)] + [held(0, 50, 0, time=t) for t in np.arange(0.1, 20, 0.1)]
    offsets = node(SCRIPT, moved)
    assert offsets[1][1] > 0.5
    assert offsets[40][1] < offsets[1][1] * 0.6
    assert abs(offsets[-1][1]) < 0.02


@pytest.mark.parametrize("event", [{"alpha": None, "beta": None, "gamma": None}, {}])
def test_an_event_that_says_nothing_is_ignored(event):
    assert node(SCRIPT, [[event, 0, 0], held(0, 45, 0, time=1)]) == [None, pytest.approx([0, 0], abs=1e-9)]
