"""Pages of the built site. A cold start takes seconds, so that what may share a page does."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from builder.server import Server
from tests.browser.elsewhere import ELEMENT, PAGE, POLICY, SMALL, Photo, scene
from tests.browser.studio import Studio

SAMPLES = Path(__file__).resolve().parents[2] / "static" / "samples"
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def _shared(browser, site):
    """(Studio, script errors so far): one isolated page for all tests that leave it as they find it."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="no-preference")
    context.set_default_timeout(60_000)
    errors = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield Studio(context.new_page()).open(site), errors
    context.close()


@pytest.fixture
def studio(_shared, foreign_requests):
    """The shared page, ready for a photo. Script errors and requests to other hosts fail the test."""
    shared, errors = _shared
    foreign_requests.hosts.clear()
    errors.clear()
    shared.sway()
    yield shared
    shared.rest()
    assert errors == []
    assert foreign_requests.hosts == []


@pytest.fixture
def fresh(new_context):
    """Function that opens a Studio of its own at an address; keyword arguments are Playwright's context options."""

    def open_fresh(address: str, ready: bool = True, **options) -> Studio:
        return Studio(new_context(**{"viewport": DESKTOP} | options).new_page()).open(address, ready)

    return open_fresh


@pytest.fixture(scope="session")
def sample():
    """Function to the bytes of a sample photo: coffee, cat, astronaut."""
    return lambda name: (SAMPLES / f"{name}.jpg").read_bytes()


@pytest.fixture
def elsewhere(dist, tmp_path):
    """Function to the address of a site of somebody else's: our one file, a GLB, a picture, and a page with a body."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(dist / "static" / "tief-photo.js", folder)
    (folder / "photo.glb").write_bytes(scene())
    (folder / "broken.glb").write_bytes(b"glTF but not really")
    Image.new("RGB", (600, 400), (10, 90, 200)).save(folder / "photo.jpg")
    with Server(folder, isolated=False) as server:

        def make(body: str = ELEMENT, more: str = "") -> str:
            (folder / "index.html").write_text(PAGE.format(policy=POLICY + more, body=body))
            return server.address

        yield make


@pytest.fixture
def photo(new_context, elsewhere):
    """The element alone on another site's page, standing still."""
    return Photo(new_context(viewport=SMALL).new_page()).open(elsewhere())
