"""Fixtures of all rings. The rings run from the quickest to the slowest, so that a failure shows early:

unit      each stage alone, in CPython
pipeline  photos through the whole pipeline, in CPython
pyodide   the unit ring again, in Pyodide, from the packages that dist/ ships
browser   the page in Chromium
"""

import shutil
from pathlib import Path

import pytest

RINGS = ("unit", "pipeline", "pyodide", "browser")
FOLDER = "/some/where/below/"  # the site must work in any subfolder of any host
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items):
    def ring(item) -> int:
        part = item.path.relative_to(Path(__file__).parent).parts[0]
        return RINGS.index(part) if part in RINGS else 0

    items.sort(key=ring)  # stable: within a ring the order stays


@pytest.fixture(scope="session")
def dist() -> Path:
    """The built site's folder; built first if anything it is made from has changed."""
    from builder import common, site

    site.build()
    return common.DIST


@pytest.fixture(scope="session")
def site(dist):
    """Address of the site on a server that isolates it by headers, as `build.py serve` does."""
    from builder.server import Server

    with Server(dist, prefix=FOLDER) as server:
        yield server.address


@pytest.fixture(scope="session")
def plain_site(dist):
    """Address of the site on a server that sends no isolation headers, as most static hosts."""
    from builder.server import Server

    with Server(dist, prefix=FOLDER, isolated=False) as server:
        yield server.address


@pytest.fixture
def copied_site(dist, tmp_path):
    """(folder, server) of a copy of the site on a plain host, to change files of it or to end the server."""
    from builder.server import Server

    folder = tmp_path / "site"
    shutil.copytree(dist, folder)
    with Server(folder, prefix=FOLDER, isolated=False) as server:
        yield folder, server


@pytest.fixture(scope="session")
def foreign_requests():
    """Every request of the browser to another host, as it reached the proxy that catches them all."""
    from tests.catcher import Catcher

    with Catcher() as catcher:
        yield catcher


@pytest.fixture(scope="session")
def browser(foreign_requests):
    """Playwright's handle of a Chromium that reaches this machine alone."""
    from playwright.sync_api import sync_playwright

    from builder.parts import chromium

    with sync_playwright() as playwright:
        proxy = {"server": foreign_requests.address, "bypass": "localhost"}
        running = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS), proxy=proxy)
        yield running
        running.close()


@pytest.fixture
def new_context(browser, foreign_requests):
    """Function that opens a fresh profile (Playwright's context options). The test fails if any page of it, a worker
    or a service worker asked another host for anything, or if a script error went unhandled."""
    contexts, errors = [], []
    foreign_requests.hosts.clear()

    def open_context(**options):
        context = browser.new_context(**options)
        context.set_default_timeout(60_000)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        contexts.append(context)
        return context

    yield open_context
    for context in contexts:
        context.close()
    assert foreign_requests.hosts == []
    assert errors == []


@pytest.fixture
def page(new_context):
    """A page in a fresh profile, of a desktop's size."""
    return new_context(viewport={"width": 1280, "height": 800}).new_page()
