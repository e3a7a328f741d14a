"""What a visit makes the host send: `python -m tests.bench.visits`, after `build.py build`.

Each kind of visit in a profile of its own, first and again: bytes of the bodies that the server sends, as they are and
as gzip would make them. A cached file that is only asked after counts as a request without a body.
"""

import gzip
import tempfile
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

from builder.common import DIST
from builder.parts import chromium
from builder.server import Handler, Server
from tests.conftest import CHROMIUM_FLAGS

PHONE = {"width": 390, "height": 844}
PATIENCE = 120_000  # ms: a cold interpreter on a busy machine
AFTERWARDS = 1000  # ms for what a page loads once it shows its picture
GZIP_LEVEL = 6  # as hosts use

sent: list[tuple[str, bool]] = []  # (path, whether with a body) of the answers since the last report


def note(handler: Handler, code: int = 0, _size: str = "-") -> None:
    """In place of the server's own log."""
    path = handler.path.split("?")[0].removeprefix("/") or "index.html"
    sent.append((path, handler.command == "GET" and int(code) == 200))


def report(name: str) -> None:
    taken = sent[:]
    del sent[: len(taken)]
    bodies = [(DIST / path).read_bytes() for path, with_body in taken if with_body]
    raw = sum(map(len, bodies))
    packed = sum(min(len(body), len(gzip.compress(body, GZIP_LEVEL))) for body in bodies)
    print(f"{name:34} {len(taken):4} requests {len(bodies):4} bodies {raw / 1e6:6.2f} MB {packed / 1e6:6.2f} MB gzip")


def convert(page, address: str) -> str:
    """A photo from start to pocket link; the link's fragment."""
    page.goto(address)
    page.locator("#engine[data-engine=ready]").wait_for(timeout=PATIENCE)
    page.locator("[data-sample*=cat]").dispatch_event("click")
    page.locator("body[data-state=result]").wait_for(timeout=PATIENCE)
    page.locator("#share").click()
    page.locator("#try-link[href]").wait_for(timeout=PATIENCE)
    return page.locator("#try-link").get_attribute("href").split("#")[1]


def view(page, address: str, fragment: str) -> None:
    page.goto(f"{address}view.html#{fragment}")
    page.locator("body[data-state=shown]").wait_for(timeout=PATIENCE)
    page.wait_for_timeout(AFTERWARDS)


def main() -> None:
    Handler.log_request = note
    with Server(DIST) as server, sync_playwright() as playwright:
        measure(server.address, playwright)


def measure(address: str, playwright) -> None:
    with profile(playwright) as browser:
        page = browser.new_page()
        page.goto(address)
        page.locator("#engine[data-engine=ready]").wait_for(timeout=PATIENCE)
        report("converting, until it is ready")
        page.locator("#offline[data-offline=ready]").wait_for(timeout=PATIENCE)
        report("  in the background")
        page.close()
        fragment = convert(browser.new_page(), address)
        report("  again, with a photo and a link")
        view(browser.new_page(), address, fragment)
        report("  viewing after converting")
    with profile(playwright) as browser:
        view(browser.new_page(), address, fragment)
        report("viewing")
        view(browser.new_page(), address, fragment)
        report("  again")


@contextmanager
def profile(playwright):
    with tempfile.TemporaryDirectory() as folder:
        options = {"executable_path": chromium(), "args": list(CHROMIUM_FLAGS), "viewport": PHONE}
        browser = playwright.chromium.launch_persistent_context(folder, **options)
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
