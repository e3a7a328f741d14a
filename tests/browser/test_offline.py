"""The installed app: what makes it one, and that it works without a network."""

import json
import re
import subprocess
import sys
from urllib.parse import urljoin

import pytest
from PIL import Image

from app import glb
from builder import offline
from builder import site as building
from builder.common import ROOT
from builder.server import Handler
from tests.browser.studio import Studio, is_plain_sentence
from tests.browser.test_library import STOCK

KEPT = """async () => {
  const [name] = await caches.keys();
  return (await (await caches.open(name)).keys()).map(({ url }) => url);
}"""


def sign(studio: Studio, state: str) -> str:
    """What the page says of offline use, once it is as far."""
    shown = studio.page.locator(f"#offline[data-offline={state}]")
    shown.wait_for(timeout=60_000)
    return shown.inner_text()


def kept(studio: Studio) -> set[str]:
    """Addresses that the service worker keeps, relative to the site, without the hash."""
    home = studio.page.evaluate("new URL('./', location.href).href")
    return {re.sub(r"\?.*", "", url.removeprefix(home)) for url in studio.page.evaluate(KEPT)}


def assert_kept(studio: Studio, folder) -> None:
    """All that is needed, and of the rest only what is listed: a slow machine tries another runtime, and keeps it."""
    listed = offline.listing(folder)
    needed = {name for name, (_, _, kind) in listed.items() if kind != "extra"}
    assert needed <= kept(studio) <= set(listed)


def test_the_page_can_be_installed(fresh, site):
    """Chromium itself judges the manifest; every picture that it names is as large as it says."""
    page = fresh(site, ready=False).page
    session = page.context.new_cdp_session(page)
    answer = session.send("Page.getAppManifest")
    assert answer["errors"] == []
    manifest = json.loads(answer["data"])
    # An "id" is read from the root of the host, which may hold other copies; without one the start address is it.
    assert "id" not in manifest
    assert urljoin(answer["url"], manifest["start_url"]) == urljoin(answer["url"], manifest["scope"]) == site
    assert "maskable" in {icon.get("purpose") for icon in manifest["icons"]}
    shortcuts = manifest["shortcuts"]
    assert all(urljoin(answer["url"], shortcut["url"]).startswith(f"{site}?go=") for shortcut in shortcuts)
    icons = [icon for shortcut in shortcuts for icon in shortcut["icons"]]
    for picture in manifest["icons"] + manifest["screenshots"] + icons:
        if picture["sizes"] != "any":
            with Image.open(ROOT / picture["src"]) as image:
                assert picture["sizes"] == f"{image.width}x{image.height}"
        assert page.request.get(urljoin(site, picture["src"])).headers["content-type"] == picture["type"]
    obstacles = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {obstacle["errorId"] for obstacle in obstacles} <= {"in-incognito"}  # which a test's profile is


# --- Without a network ---


@pytest.fixture
def mortal_site(dist):
    """(address, function that kills the server) of the site on a server without isolation headers."""
    command = [sys.executable, ROOT / "build.py", "serve", "--port", "0", "--no-isolation"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://\S+", server.stdout.readline())[0], lambda: (server.kill(), server.wait())
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_everything_works_with_the_server_dead(mortal_site, fresh, dist):
    """Open, convert, view, save, share by pocket link, open that link, find the photo again: in new tabs after one
    visit."""
    address, kill = mortal_site
    first = fresh(address)
    assert sign(first, "ready") == "Ready offline"
    assert_kept(first, dist)
    kill()
    assert first.page.evaluate("fetch('static/share.json').catch(() => 'gone')") == "gone"
    tab = Studio(first.page.context.new_page()).open(address)
    assert tab.page.evaluate("crossOriginIsolated") is True
    assert sign(tab, "ready") == "Ready offline"
    tab.give_sample("cat")
    tab.wait_result()
    assert tab.look().std() > 20
    made = tab.save()[1]
    assert len(glb.decode(made).triangles) > 500
    tab.page.locator("#share").click()
    tab.page.locator("#try-link[href]").wait_for()
    with tab.page.expect_download() as download:
        tab.page.locator("#save-html").click()
    assert download.value.suggested_filename == "cat.html"
    link = Studio(first.page.context.new_page())
    link.page.goto(tab.page.locator("#try-link").get_attribute("href"))
    link.page.locator("body[data-state=shown]").wait_for()
    assert link.look().std() > 20
    tab.page.reload()
    tab.page.locator(".idle [data-library]").click()
    tab.page.locator("#kept [data-do=open]").click()
    tab.page.locator("body[data-state=result]").wait_for()
    assert tab.save()[1] == made
    assert tab.look().std() > 20


def test_an_update_is_offered_and_fetches_only_what_changed(copied_site, fresh, monkeypatch):
    """And the library survives it."""
    folder, server = copied_site
    studio = fresh(server.address)
    sign(studio, "ready")
    page = studio.page
    page.evaluate(STOCK, ["cup"])
    asked = []
    monkeypatch.setattr(Handler, "log_request", lambda self, *_: asked.append(self.path))
    with (folder / "index.html").open("a") as file:
        file.write("<p id='new'></p>")
    (folder / "static" / "samples" / "cat.jpg").unlink()
    building._add_service_worker(folder, (ROOT / "static" / "sw.js").read_text())
    page.evaluate("navigator.serviceWorker.getRegistration().then((registration) => registration.update())")
    page.locator("#update").wait_for()
    assert asked == ["/sw.js", "/index.html"]
    assert "static/samples/cat.jpg" in kept(studio)  # the old version goes on as it was
    page.reload()
    page.locator("#update").wait_for()
    assert page.locator("#new").count() == 0
    page.locator("#later").click()
    assert page.locator("#update").is_hidden()
    page.reload()
    page.locator("#reload").click()
    page.locator("#new").wait_for(state="attached")
    assert_kept(studio, folder)
    page.locator(".idle [data-library]", has_text="My 3D photos 1").wait_for()
    assert page.locator("#update").is_hidden()


def test_no_room_is_said(fresh, site, new_context):
    studio = fresh(site, ready=False)
    quota = {"origin": "/".join(site.split("/")[:3]), "quotaSize": 5_000_000}
    studio.page.context.new_cdp_session(studio.page).send("Storage.overrideQuotaForOrigin", quota)
    sentence = sign(studio, "stopped")
    assert "no room for the" in sentence
    assert is_plain_sentence(sentence)
    studio.wait_ready()
    studio.give_sample("cat")
    studio.wait_result()


def test_a_host_that_changes_files_is_said(copied_site, fresh):
    """What is not the file that was built is not kept, and not refused either."""
    folder, server = copied_site
    with (folder / "view.html").open("a") as file:
        file.write("<p id='added'>by the host</p>")
    studio = fresh(server.address)
    assert "changes the files" in sign(studio, "stopped")
    assert "view.html" not in kept(studio)
    studio.page.goto(server.address + "view.html")
    assert studio.page.locator("#added").count() == 1


# --- Photos from other apps ---


def test_another_app_shares_a_photo(fresh, site, sample):
    """The gallery posts a form to the address in the manifest, as this foreign page does."""
    studio = fresh(site)
    sign(studio, "ready")
    target = json.loads((ROOT / "manifest.webmanifest").read_text())["share_target"]
    (field,) = target["params"]["files"]
    gallery = studio.page.context.new_page()
    gallery.set_content(
        f"""<form action="{site}{target["action"]}" method="{target["method"]}" enctype="{target["enctype"]}">
        <input type="file" name="{field["name"]}"><button>Share</button></form>"""
    )
    gallery.locator("input").set_input_files({"name": "gallery.jpg", "mimeType": "image/jpeg", "buffer": sample("cat")})
    gallery.locator("button").click()
    shared = Studio(gallery).wait_result()
    assert shared.facts()["Photo"].startswith("gallery.jpg, 451")
    assert gallery.url == site
    gallery.goto(f"{site}?shared")  # nothing waits there any more
    assert "did not arrive" in shared.wait_problem()


def test_the_system_opens_a_photo_with_the_app(new_context, site, sample):
    """Headless Chromium launches no installed app: the queue is played, its consumer is real."""
    page = new_context().new_page()
    queue = "{ setConsumer: (consumer) => (globalThis.launch = consumer) }"
    page.add_init_script(f"Object.defineProperty(globalThis, 'launchQueue', {{ value: {queue} }})")
    studio = Studio(page).open(site)
    page.evaluate(
        """(bytes) => {
          const file = new File([new Uint8Array(bytes)], "opened.jpg", { type: "image/jpeg" });
          return launch({ files: [{ getFile: async () => file }] });
        }""",
        list(sample("cat")),
    )
    assert studio.wait_result().facts()["Photo"].startswith("opened.jpg, 451")
