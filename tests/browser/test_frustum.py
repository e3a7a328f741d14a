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


def extras(camera: Camera) -> dict:
    """What asset.extras.tiefblick says of a camera."""
    names = ("width", "height", "focal", "near", "far", "radius", "zoom")
    return {name: getattr(camera, name) for name in names} | {"focus": 1 / camera.inverse_depth(camera.focus)}


def border(camera: Camera) -> np.ndarray:
    """Lattice points along the photo's four sides."""
    t = np.linspace(0, 1, 50)
    sides = np.concatenate([np.stack([t, t * 0 + side], 1) for side in (0, 1)])
    return np.concatenate([sides, sides[:, ::-1]]) * [camera.width, camera.height]


def frustum(camera: Camera, offset) -> dict:
    script = f"import {{ frustum }} from 'file://{PHOTO}/frustum.js';"
    return node(script + "console.log(JSON.stringify(frustum(input[0], input[1])));", [extras(camera), list(offset)])


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
    for disparity in (0, 0.5, 1):
        positions = camera.unproject(border(camera), np.full(len(border(camera)), disparity)).astype(float)
        assert (np.abs(through(frustum(camera, offset), positions)).max(1) >= 1 - 1e-6).all()


FOCUS = f"""
import {{ frustum, reach }} from 'file://{PHOTO}/frustum.js';
const [photo, offset, focus] = input;
console.log(JSON.stringify([frustum(photo, offset, focus), reach(photo, focus)]));
"""


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("still", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_any_plane_can_stay_still_and_no_edge_shows(camera, still):
    """What lies at the chosen depth keeps its place, and at the extremes the photo's border stays out of sight."""
    photo = extras(camera)
    focus = 1 / camera.inverse_depth(still)
    points = np.array([[0.3, 0.4], [0.5, 0.5], [0.7, 0.6]]) * [camera.width, camera.height]
    plane = camera.unproject(points, np.full(3, still)).astype(float)
    (centre, _), *extremes = (node(FOCUS, [photo, offset, focus]) for offset in [(0, 0), (1, 0), (0, -1), (-0.6, 0.8)])
    for view, share in extremes:
        np.testing.assert_allclose(through(view, plane), through(centre, plane), atol=1e-6)
        assert 0.5 - 1e-9 <= share <= 1
        for disparity in (0, 0.5, 1):
            positions = camera.unproject(border(camera), np.full(len(border(camera)), disparity)).astype(float)
            assert (np.abs(through(view, positions)).max(1) >= 1 - 1e-6).all()


def test_the_photos_own_plane_uses_the_whole_disc():
    for camera in CAMERAS:
        assert node(FOCUS, [extras(camera), [0, 0], extras(camera)["focus"]])[1] == pytest.approx(1, abs=1e-9)


def test_eyes_stay_on_the_disc():
    script = f"import {{ eyes }} from 'file://{PHOTO}/eyes.js'; console.log(JSON.stringify(input.map(eyes)));"
    for left, right in node(script, [[0, 0], [1, 0], [-1, 0], [0.6, 0.8], [0, -1]]):
        assert max(np.hypot(*left), np.hypot(*right)) <= 1 + 1e-9
        assert right[0] - left[0] == pytest.approx(1)
        assert right[1] == left[1]


def test_a_head_in_a_headset_stays_where_no_hole_opens():
    script = f"import {{ goAlong }} from 'file://{PHOTO}/eyes.js'; console.log(JSON.stringify(input.map(goAlong)));"
    heads = np.array([[0.05, 0, 0.02], [0.3, 0.4, 0], [0, -1.6, 2.0]])
    for head, along in zip(heads, node(script, heads.tolist()), strict=True):
        left = head - along
        assert np.linalg.norm(left) <= 0.068 + 1e-9
        assert np.linalg.norm(left) == pytest.approx(min(np.linalg.norm(head), 0.068))


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


def test_a_trembling_hand_moves_nothing_and_a_slow_one_everything():
    """The leash: noise of a tenth of a degree around a place is not followed; a slow turn is, without jumps."""
    script = f"""
    import {{ leash }} from 'file://{PHOTO}/motion.js';
    let at = [0, 0];
    console.log(JSON.stringify(input.map((to) => (at = leash(at, to, 0.008)))));
    """
    noise = np.random.default_rng(0).uniform(-0.005, 0.005, (200, 2))
    assert not np.any(node(script, noise.tolist()))
    turn = np.stack([np.linspace(0, 0.5, 400), np.zeros(400)], 1)
    followed = np.array(node(script, turn.tolist()))
    assert np.diff(followed[:, 0]).max() < 0.002
    assert followed[-1] == pytest.approx([0.492, 0], abs=1e-9)
