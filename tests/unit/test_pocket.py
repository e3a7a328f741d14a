"""Pocket links: what is packed comes back, damage is noticed, and no crack opens. Node runs the code."""

import asyncio
import base64
import io
import json
import subprocess
import sys

import numpy as np
import pytest

if sys.platform == "emscripten":
    pytest.skip("Node runs outside of Pyodide", allow_module_level=True)

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app import glb
from app.photo import Photo
from app.pipeline import Pipeline
from app.render import VIEWS, render
from builder.common import ROOT
from builder.parts import npm_parts
from tests import photos, scenes

CAMERA = {"focal": 100.0, "range": 0.03125, "near": 1.0, "far": 8.0, "focus": 1.75}  # exact as float32
WIDTH, HEIGHT = 120, 80
LEVELS = 128


class Node:
    def __init__(self):
        npm_parts()
        command = ["node", str(ROOT / "tests" / "pocket.mjs")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, **call):
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def node():
    running = Node()
    yield running
    running.process.stdin.close()
    running.process.wait(10)


def jpeg(width=WIDTH, height=HEIGHT) -> str:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return base64.b64encode(photos.save(noise, "JPEG")).decode()


def scene(mesh: dict, pages: int = 0, image: str | None = None) -> dict:
    atlas = {"width": WIDTH, "height": HEIGHT, "photo": [WIDTH, HEIGHT], "offsets": [[3 * i, -i] for i in range(pages)]}
    mesh = {"width": WIDTH, "height": HEIGHT} | mesh
    return {"camera": CAMERA, "step": 1, "atlas": atlas, "mesh": mesh, "image": image or jpeg()}


def canonical(mesh: dict) -> list:
    """The triangles by place and page, whatever the numbering: each begins with its least corner."""
    corners = np.stack([mesh["x"], mesh["y"], mesh["d"]], 1)[np.array(mesh["corners"], int)].reshape(-1, 3, 3).tolist()
    least = [min(range(3), key=lambda k, t=t: t[k]) for t in corners]
    turned = [t[k:] + t[:k] for t, k in zip(corners, least, strict=True)]
    return sorted([t, page] for t, page in zip(turned, mesh["page"], strict=True))


@st.composite
def meshes(draw):
    """Any triangles between distinct places: pieces, holes, edges of three triangles, all of it."""
    place = st.tuples(st.integers(0, WIDTH), st.integers(0, HEIGHT), st.integers(0, LEVELS))
    places = draw(st.lists(place, min_size=3, max_size=30, unique=True))
    corner = st.integers(0, len(places) - 1)
    triangle = st.lists(corner, min_size=3, max_size=3, unique=True)
    triangles = draw(st.lists(triangle, min_size=1, max_size=40))
    x, y, d = (list(axis) for axis in zip(*places, strict=True))
    page = draw(st.lists(st.integers(0, 3), min_size=len(triangles), max_size=len(triangles)))
    return {"x": x, "y": y, "d": d, "corners": [corner for triangle in triangles for corner in triangle], "page": page}


def bumpy(seed: int, step: int = 10) -> dict:
    """A closed surface over the whole frame with random disparities, two pages side by side."""
    rows, columns = HEIGHT // step + 1, WIDTH // step + 1
    y, x = np.mgrid[0:rows, 0:columns]
    d = np.random.default_rng(seed).integers(0, LEVELS + 1, (rows, columns))
    a = (y * columns + x)[:-1, :-1]
    quads = np.stack([a, a + columns, a + columns + 1, a, a + columns + 1, a + 1], -1).reshape(-1, 3)
    page = np.repeat((x[:-1, :-1] > columns // 2).ravel(), 2)
    return {
        "x": (x * step).ravel().tolist(),
        "y": (y * step).ravel().tolist(),
        "d": d.ravel().tolist(),
        "corners": quads.ravel().tolist(),
        "page": page.astype(int).tolist(),
    }


@settings(max_examples=150, deadline=None)
@given(meshes())
def test_any_mesh_comes_back(node, mesh):
    packed = node(pack=scene(mesh, pages=3))
    opened = node(open=packed["bytes"], backdrop=False)
    assert canonical(opened["scene"]["mesh"]) == canonical(mesh)
    assert opened["scene"]["camera"] == CAMERA
    assert opened["scene"]["atlas"]["offsets"] == [[0, 0], [3, -1], [6, -2]]
    assert node(text=packed["text"])["bytes"] == packed["bytes"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_is_noticed(node, data):
    packed = base64.b64decode(node(pack=scene(bumpy(1), pages=1))["bytes"])
    kind = data.draw(st.sampled_from(["change", "cut", "grow"]))
    at = data.draw(st.integers(3, len(packed) - 1))
    if kind == "change":
        other = data.draw(st.integers(1, 255))
        damaged = packed[:at] + bytes([packed[at] ^ other]) + packed[at + 1 :]
    else:
        damaged = packed[:at] if kind == "cut" else packed + packed[at:]
    assert node(open=base64.b64encode(damaged).decode()) == {"error": "damaged"}


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=0, max_size=400))
def test_a_forged_stream_ends_as_damaged_or_as_a_photo(node, stream):
    """With the right checksum, nonsense must neither hang nor throw anything else."""
    import zlib

    body = len(stream).to_bytes(2, "big") + stream
    forged = b"Tb\x01" + zlib.crc32(body).to_bytes(4, "big") + body
    answer = node(open=base64.b64encode(forged).decode())
    assert "glb" in answer or answer == {"error": "damaged"}


def test_foreign_and_newer(node):
    packed = base64.b64decode(node(pack=scene(bumpy(1), pages=1))["bytes"])
    newer = base64.b64encode(packed[:2] + b"\x02" + packed[3:]).decode()
    assert node(open=newer) == {"error": "newer"}
    assert node(open=base64.b64encode(b"GIF89a" + packed).decode()) == {"error": "foreign"}
    assert node(open="") == {"error": "foreign"}
    for text in ("", "section-2!", "<script>", "a" * 5):
        assert node(text=text) == {"error": "foreign"}
    assert node(text="VGIB%%%") == {"error": "damaged"}


def test_line_breaks_of_a_messenger_do_no_harm(node):
    packed = node(pack=scene(bumpy(1), pages=1))
    broken = "\n".join(packed["text"][i : i + 76] for i in range(0, len(packed["text"]), 76))
    assert node(text=broken + "%20")["bytes"] == packed["bytes"]


@pytest.mark.parametrize("seed", range(4))
def test_no_crack_opens(node, seed):
    """Steep triangles of every size, halved as their edges need, on two pages: no pixel is left out."""
    packed = node(pack=scene(bumpy(seed), pages=1))
    decoded = glb.decode(base64.b64decode(node(open=packed["bytes"], backdrop=False)["glb"]))
    camera = glb.camera_of(decoded.extras)
    assert len(decoded.triangles) > len(bumpy(seed)["page"])  # some edges were halved
    for offset in VIEWS.values():
        _, covered, _ = render(*decoded[:4], camera, offset, (360, 240))
        assert covered.all()


def test_the_texture_does_not_swim(node):
    """One square that slopes from the nearest to the farthest: its texture stays where the photo has it."""
    mesh = {"x": [0, 0, WIDTH, WIDTH], "y": [0, HEIGHT, HEIGHT, 0], "d": [LEVELS, LEVELS, 0, 0]}
    ramp = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    ramp[:] = (np.arange(WIDTH) * 2)[None, :, None]
    image = base64.b64encode(photos.save(ramp, "JPEG", quality=95)).decode()
    packed = node(pack=scene(mesh | {"corners": [0, 1, 2, 0, 2, 3], "page": [0, 0]}, image=image))
    decoded = glb.decode(base64.b64decode(node(open=packed["bytes"], backdrop=False)["glb"]))
    camera = glb.camera_of(decoded.extras)
    shown, _, _ = render(*decoded[:4], camera)
    x = ((np.arange(WIDTH) + 0.5) / WIDTH - 0.5) * camera.zoom * WIDTH + WIDTH / 2
    assert np.abs(shown[HEIGHT // 2, :, 0] - 2 * (x - 0.5)).max() < 2 * 0.75 + 2  # pixels of 2 levels, and JPEG


@pytest.fixture(scope="module")
def original():
    """The GLB of a column before a table before a wall, decoded, and its atlas as base64."""
    scene = scenes.t_junction()
    texture = scene.colour.repeat(2, 0).repeat(2, 1)
    picture = Photo(texture, None, scene.disparity, texture.shape[1::-1], ())
    data = asyncio.run(Pipeline(None).run(picture)).glb
    decoded = glb.decode(data)
    out = io.BytesIO()
    Image.fromarray(decoded.atlas).save(out, "JPEG")
    return data, decoded, base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("budget", [1_000_000, 40_000])
def test_a_glb_becomes_a_pocket_photo(node, original, budget):
    data, before, image = original
    size = [before.atlas.shape[1], before.atlas.shape[0]]
    made = node(make=base64.b64encode(data).decode(), budget=budget, image=image, size=size)
    assert len(base64.b64decode(made["bytes"])) <= budget
    after = glb.decode(base64.b64decode(node(open=made["bytes"], backdrop=False)["glb"]))
    camera = glb.camera_of(before.extras)
    assert glb.camera_of(after.extras).zoom == pytest.approx(camera.zoom, rel=1e-6)
    for offset in VIEWS.values():
        wanted, covered, _ = render(*before[:4], camera, offset)
        shown, still_covered, _ = render(*after[:4], camera, offset)
        assert (covered & ~still_covered).mean() < 1e-3
        assert np.abs(wanted.astype(int) - shown).mean() < 4


@pytest.mark.parametrize("view", VIEWS)
def test_the_views_that_judge_short_links_are_those_of_the_renderer(node, original, view):
    data, before, _ = original
    height, width = before.atlas.shape[:2]
    pixels = np.dstack([before.atlas, np.full((height, width), 255, np.uint8)])
    call = {"look": base64.b64encode(data).decode(), "pixels": base64.b64encode(pixels.tobytes()).decode()}
    seen = node(**call, size=[width, height], offset=VIEWS[view])
    shown = np.frombuffer(base64.b64decode(seen["data"]), np.uint8).reshape(seen["height"], seen["width"], 3)
    camera = glb.camera_of(before.extras)
    wanted, covered, _ = render(*before[:4], camera, VIEWS[view], (seen["width"], seen["height"]))
    apart = np.abs(wanted.astype(int) - shown).mean(2)[covered]
    assert np.median(apart) < 4
    assert (apart > 40).mean() < 0.04  # along edges, which may be a pixel off


def test_what_we_did_not_make_is_refused(node):
    noise = base64.b64encode(b"glTF" + bytes(100)).decode()
    answer = node(make=noise, budget=10_000, image=jpeg(), size=[WIDTH, HEIGHT])
    assert answer == {"error": "This file is not a 3D photo made by Tiefblick."}
