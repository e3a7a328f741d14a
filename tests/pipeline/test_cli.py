"""The command line, as a process of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import glb
from app.render import VIEWS

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "static" / "samples"
DISPARITY = np.tile(np.linspace(0.1, 1, 120), (80, 1))
DISPARITY[20:60, 40:80] = 1.5


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "app.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def coffee(tmp_path) -> Path:
    return Path(shutil.copy(SAMPLES / "coffee.jpg", tmp_path))


def test_glb_is_written_beside_the_photo(coffee):
    done = run(coffee)
    assert (done.returncode, done.stderr) == (0, "")
    output = coffee.with_suffix(".glb")
    assert str(output) in done.stdout
    assert glb.decode(output.read_bytes()).extras["width"] == 600


def test_json_and_views(coffee, tmp_path):
    done = run(coffee, "-o", tmp_path / "out", "--views", tmp_path / "views" / "deep", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert set(record["milliseconds"]) == {"photo", "depth", "layers", "inpainting", "meshing"}
    assert min(record["milliseconds"].values()) > 0
    assert record["glb_bytes"] == (tmp_path / "out" / "coffee.glb").stat().st_size
    assert record["size"] == [600, 400]
    assert min(record[key] for key in ("triangles", "vertices", "ldi_pixels")) > 0
    assert record["grown_pixels"] >= 0
    assert set(record["uncovered"]) == set(record["stretched"]) == set(VIEWS)
    assert max(record["uncovered"].values()) == 0
    for view in VIEWS:
        with Image.open(tmp_path / "views" / "deep" / f"coffee.{view}.png") as image:
            assert image.size == (600, 400)
        with Image.open(tmp_path / "views" / "deep" / f"coffee.{view}.uncovered.png") as mask:
            assert mask.getextrema() == (0, 0)


def test_a_failed_photo_does_not_stop_the_rest(coffee, tmp_path):
    bad, gone = tmp_path / "bad.jpg", tmp_path / "gone.jpg"
    bad.write_bytes(coffee.read_bytes()[:5000])
    done = run(bad, coffee, gone, "--json")
    assert done.returncode == 1
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["photo"] for record in records] == [str(bad), str(coffee), str(gone)]
    assert records[0]["error"]["code"] == "damaged"
    assert "triangles" in records[1]
    assert "gone.jpg" in records[2]["error"]["sentence"]
    assert coffee.with_suffix(".glb").exists()
    assert not bad.with_suffix(".glb").exists()
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr


def save_depth(path: Path, far_is_large: bool) -> Path:
    """The test's disparity, as 16-bit image or as array, or as distances."""
    values = 1 / DISPARITY if far_is_large else DISPARITY
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(np.rint(values / values.max() * 65535).astype(np.uint16)).save(path)
    return path


@pytest.mark.parametrize("far_is_large", [False, True])
def test_depth_files_of_one_scene_agree(coffee, tmp_path, far_is_large):
    found = []
    for name in ("depth.png", "depth.npy"):
        depth = save_depth(tmp_path / name, far_is_large)
        done = run(coffee, "--depth", depth, "--json", *(["--depth-far-is-large"] if far_is_large else []))
        assert done.returncode == 0, done.stderr
        record = json.loads(done.stdout)
        assert record["network"] is None
        assert record["grown_pixels"] > 0
        assert max(record["uncovered"].values()) == 0
        found.append(glb.decode(coffee.with_suffix(".glb").read_bytes()))
    nearest = [-decoded.positions[:, 2].max() for decoded in found]
    farthest = [-decoded.positions[:, 2].min() for decoded in found]
    assert nearest == pytest.approx([1, 1], abs=0.01)
    assert farthest == pytest.approx([8, 8], abs=0.05)


def test_depth_the_wrong_way_round_shows(coffee, tmp_path):
    """The raised square of the disparity is near, and taken as distance it is far."""
    depth = {}
    for flags in ((), ("--depth-far-is-large",)):
        run(coffee, "--depth", save_depth(tmp_path / "depth.npy", False), *flags)
        decoded = glb.decode(coffee.with_suffix(".glb").read_bytes())
        camera = glb.camera_of(decoded.extras)
        seen = camera.project(decoded.positions)
        inside = (np.abs(seen[:, 0] - 300) < 60) & (np.abs(seen[:, 1] - 200) < 60)
        depth[flags] = np.median(1 / seen[inside, 2])
    assert depth[()] < 1.5
    assert depth["--depth-far-is-large",] > 4


def test_range_reaches_the_file(coffee):
    assert run(coffee, "--range", "0.02").returncode == 0
    assert glb.decode(coffee.with_suffix(".glb").read_bytes()).extras["range"] == 0.02


def test_fill_by_name(coffee, tmp_path):
    """Both fills make the same surface, in other colours."""
    made = []
    for fill in ("push-pull", "farbrausch"):
        assert run(coffee, "--fill", fill, "-o", tmp_path / fill).returncode == 0
        made.append(glb.decode((tmp_path / fill / "coffee.glb").read_bytes()))
    assert np.array_equal(made[0].positions, made[1].positions)
    assert not np.array_equal(made[0].atlas, made[1].atlas)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--range", "0"],
        ["--range", "nan"],
        ["--range", "wide"],
        ["--fill", "none"],
        ["--depth-far-is-large"],
        ["other/coffee.jpg", "--views", "views"],
        ["cup.png", "--depth", "depth.png"],
        ["coffee.png", "-o", "."],
    ],
)
def test_wrong_commands_are_a_sentence(coffee, arguments):
    """Status 2, nothing converted."""
    done = run(*([coffee, *arguments] if arguments else []))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert not coffee.with_suffix(".glb").exists()


@pytest.mark.parametrize("depth", ["missing.png", "words.png", "square.png"])
def test_bad_depth_fails_the_photo(coffee, tmp_path, depth):
    (tmp_path / "words.png").write_text("words")
    Image.new("L", (64, 64)).save(tmp_path / "square.png")
    done = run(coffee, "--depth", tmp_path / depth)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
