"""The page in Firefox, from a photo to link, film and library: another engine, other ideas of workers and modules."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).with_name("firefox.mjs")
COFFEE = Path(__file__).resolve().parents[2] / "static" / "samples" / "coffee.jpg"
TIME_LIMIT = 500  # seconds
EVAL = "violates the following directive: “script-src"  # PyScript tries eval, is refused, and goes on without


@pytest.fixture(scope="module")
def visit(site, tmp_path_factory):
    """(what the script tells, folder of its pictures)"""
    from builder.parts import firefox

    found = firefox()
    if not found:
        pytest.skip("Firefox and Xvfb are not installed")
    display, browser = found
    folder = tmp_path_factory.mktemp("firefox")
    command = [display, "-a", "node", SCRIPT, browser, site, COFFEE, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), folder


def grey(folder: Path, name: str) -> np.ndarray:
    with Image.open(folder / f"{name}.png") as image:
        return np.asarray(image.convert("L"), float)


def test_a_photo_becomes_a_3d_photo_and_a_link(visit):
    told, _ = visit
    facts = dict(zip(told["facts"][::2], told["facts"][1::2], strict=True))
    assert facts["Photo"].startswith("coffee.jpg")
    assert int(facts["Grown pixels"].replace(",", "")) > 1000
    assert 8_000 < told["link"] <= 16_384
    assert [error for error in told["errors"] if EVAL not in error] == []


def test_a_film_is_made_of_it(visit):
    """A video where this Firefox has an encoder, else a GIF, and then the page says why."""
    told, _ = visit
    said, width = told["movie"]["said"], told["movie"]["width"]
    if "GIF" in said:
        assert re.fullmatch(r"This browser makes no videos, so it is a GIF\. GIF, 96 × 64, 50 frames, \d+ kB\.", said)
    else:
        assert re.fullmatch(r"(MP4|WEBM), 96 × 64, 120 frames, \d+ kB\.", said)
        assert width == 96


def test_the_library_keeps_it_when_the_page_is_loaded_again(visit):
    assert visit[0]["kept"] == ["coffee"]


@pytest.mark.parametrize("page", ["made", "opened", "kept"])
def test_it_is_seen_from_both_sides(visit, page):
    """Left and right differ from the middle, and from one another more than from the middle."""
    _, folder = visit
    middle, left, right = (grey(folder, f"{page}-{key}") for key in ("Home", "ArrowLeft", "ArrowRight"))
    assert middle.std() > 20
    aside = [np.abs(view - middle).mean() for view in (left, right)]
    assert min(aside) > 1
    assert np.abs(left - right).mean() > max(aside)
