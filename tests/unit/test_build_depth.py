"""Builds with the published depth network: where its files come from. The host is a server on this machine."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

if sys.platform == "emscripten":
    pytest.skip("the build runs outside of Pyodide", allow_module_level=True)

from builder import depth, wheels
from builder.common import ROOT, Failure
from builder.server import Server

CONTENT = {"model/graph.pb": b"graph", "model/weights.pb": b"weights", "LICENSE": b"licence"}


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Folder of a server that holds the wanted files; the cache is empty."""
    folder = tmp_path / "host"
    for path, content in CONTENT.items():
        file = folder / depth.COMMIT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    monkeypatch.setattr(wheels, "HOME_CACHE", tmp_path / "cache")
    monkeypatch.setattr(depth, "FILES", {path: hashlib.sha256(value).hexdigest() for path, value in CONTENT.items()})
    with Server(folder) as server:
        monkeypatch.setattr(depth, "REPOSITORY", server.address.rstrip("/"))
        yield folder


def test_files_are_fetched_once_and_checked(host):
    folder = depth.release()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        Path(path).name: content for path, content in CONTENT.items()
    }
    shutil.rmtree(host)
    assert depth.release() == folder  # nothing is asked again


def test_a_damaged_cache_is_mended(host):
    folder = depth.release()
    (folder / "graph.pb").write_bytes(b"cut off")
    assert (depth.release() / "graph.pb").read_bytes() == b"graph"


def test_another_file_than_the_pinned_one_is_not_used(host):
    (host / depth.COMMIT / "model" / "weights.pb").write_bytes(b"other weights")
    with pytest.raises(Failure, match=r"weights\.pb gave has the wrong sha256"):
        depth.release()
    assert not list((host.parent / "cache").rglob("weights.pb"))


def test_a_host_out_of_reach_is_one_sentence(host):
    shutil.rmtree(host)
    with pytest.raises(Failure, match=r"graph\.pb could not be fetched.*--release FOLDER"):
        depth.release()


def test_a_folder_is_checked(host, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    with pytest.raises(Failure, match=r"lacks graph\.pb"):
        depth.release(given)
    for path, content in CONTENT.items():
        (given / Path(path).name).write_bytes(content)
    assert depth.release(given) == given
    (given / "LICENSE").write_bytes(b"another licence")
    with pytest.raises(Failure, match="sha256 differs"):
        depth.release(given)


def test_the_pins_are_hashes():
    assert len(depth.COMMIT) == 40
    assert all(len(bytes.fromhex(expected)) == 32 for expected in depth.FILES.values())


@pytest.mark.parametrize(
    "arguments", [("--depth", "best"), ("--release", "folder"), ("--depth", "own", "--release", "folder")]
)
def test_a_wrong_choice_shows_the_usage(arguments):
    done = subprocess.run([sys.executable, ROOT / "build.py", "build", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    choice = ["--depth", "published", "--release", tmp_path / "none"]
    done = subprocess.run([sys.executable, ROOT / "build.py", "build", *choice], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "lacks tiefenrausch.pb" in done.stderr


def test_the_published_network_takes_our_networks_place(tmp_path):
    """With the release at hand."""
    named = os.environ.get("TIEFBLICK_RELEASE")
    if not named:
        pytest.skip("TIEFBLICK_RELEASE names no folder with the published release")
    for name in ("tiefenrausch.onnx", "check.npz"):
        shutil.copy(ROOT / "models" / "tiefenrausch" / name, tmp_path / name)
    depth.replace(tmp_path, depth.release(Path(named)))

    import asyncio

    from app import network

    stored = network.Stored.load(tmp_path / "check.npz")
    assert "published" in stored.name
    assert asyncio.run(network.check(network.OnnxNetwork(tmp_path / "tiefenrausch.onnx"), stored)) < 1e-3
    assert np.ptp(stored.log_disparity) > 0.1
    assert "MIT License" in (tmp_path / "LICENSE").read_text()
