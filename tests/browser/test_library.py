"""The library: every 3D photo that was made stays on the device until its owner deletes it."""

import io
import re
import zipfile

import pytest

from tests.browser.conftest import SAMPLES
from tests.browser.studio import Studio, is_plain_sentence, wait_until

CUP = SAMPLES / "coffee.glb"

# Straight into the library, without the seconds that a conversion takes: names from the oldest to the newest.
STOCK = """async (names) => {
  const library = await import(new URL("static/library.js", location.href));
  const glb = new Uint8Array(await (await fetch("static/samples/coffee.glb")).arrayBuffer());
  const thumbnail = new Uint8Array(await (await fetch("static/samples/coffee.jpg")).arrayBuffer());
  const times = { photo: 12, depth: 1, layers: 2, inpainting: 3, meshing: 4 };
  const told = { photo: "cup.jpg", times, counts: { triangles: 7 }, notes: ["A note."], size: [600, 400] };
  for (const [i, name] of names.entries()) {
    await library.add({ glb, thumbnail, name, made: new Date(2026, 0, 1 + i), ...told });
  }
}"""


def stock(page, site, *names) -> None:
    page.goto(site + "view.html")
    page.evaluate(STOCK, names)


@pytest.fixture
def shelf(new_context, site):
    """A page with the dialog open on two 3D photos, both called cup; the engine still starts meanwhile."""
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    stock(page, site, "cup", "cup")
    page.goto(site)
    page.locator(".idle [data-library]").click()
    page.locator("#library[open]").wait_for()
    return page


def names(page) -> list[str]:
    return page.locator("#kept b").all_text_contents()


def said(page) -> str:
    return page.locator("#library-status").inner_text()


def focused(page) -> str:
    return page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText")


def kept_count(page) -> str:
    return page.locator("[data-library] span").first.text_content()


def rename(page, at: int, name: str) -> None:
    page.get_by_role("button", name="Rename: ").nth(at).click()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.get_by_text(f"It is called {name} now.").wait_for()


def test_rename_delete_undo(shelf):
    assert names(shelf) == ["cup", "cup"]
    rename(shelf, 1, "first")
    assert names(shelf) == ["cup", "first"]
    assert focused(shelf) == "Rename: first"
    shelf.get_by_role("button", name="Delete: cup").click()
    shelf.get_by_text("cup is deleted.").wait_for()
    assert names(shelf) == ["first"]
    assert kept_count(shelf) == "1"
    assert focused(shelf) == "Undo"
    shelf.keyboard.press("Enter")
    shelf.get_by_text("cup is back.").wait_for()
    assert names(shelf) == ["cup", "first"]  # where it was
    shelf.get_by_role("button", name="Delete: first").click()
    shelf.locator("#undo").wait_for()
    shelf.reload()  # with which the deletion stands
    shelf.locator(".idle [data-library]").click()
    shelf.locator("#library[open]").wait_for()
    assert names(shelf) == ["cup"]
    shelf.get_by_role("button", name="Delete: cup").click()
    shelf.get_by_text("There is none yet.").wait_for()
    shelf.keyboard.press("Escape")
    assert shelf.locator("[data-library]:visible").count() == 0


def test_a_new_name_can_be_refused(shelf):
    """Escape leaves the name and the dialog as they are; an empty name changes nothing."""
    ask = shelf.get_by_role("button", name="Rename: cup").first
    ask.click()
    shelf.keyboard.type("other")
    shelf.keyboard.press("Escape")
    assert shelf.locator("#library[open]").count() == 1
    assert focused(shelf) == "Rename: cup"
    ask.click()
    shelf.keyboard.press("Delete")
    shelf.keyboard.press("Enter")
    assert names(shelf) == ["cup", "cup"]
    assert focused(shelf) == "Rename: cup"


def test_open_and_save(shelf):
    """What the page told when the photo was made it tells again, and the file is the same."""
    rename(shelf, 0, "a/b: c")
    shelf.get_by_role("button", name="a/b: c", exact=False).first.click()
    studio = Studio(shelf)
    shelf.locator("body[data-state=result]").wait_for()
    assert "Made on January 2, 2026." in shelf.locator("#result-lead").inner_text()
    assert studio.facts()["Photo"] == "cup.jpg, 600 × 400"
    assert studio.facts()["Triangles"] == "7"
    assert shelf.locator("#notes").inner_text() == "A note."
    shelf.locator("#viewer canvas").wait_for()
    assert studio.save() == ("a-b- c.glb", CUP.read_bytes())
    assert kept_count(shelf) == "2"  # and no third
    shelf.locator(".result [data-library]").click()
    rename(shelf, 0, "renamed")
    shelf.locator("#close-library").click()
    assert studio.save()[0] == "renamed.glb"


def test_save_from_the_list(shelf):
    with shelf.expect_download() as download:
        shelf.get_by_role("button", name="Save: cup").first.click()
    assert download.value.suggested_filename == "cup.glb"
    with shelf.expect_download() as download:
        shelf.locator("#save-all").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["cup.glb", "cup (2).glb"]
        assert {archive.read(name) for name in archive.namelist()} == {CUP.read_bytes()}


def test_it_was_deleted_in_another_window(shelf, site):
    other = shelf.context.new_page()
    other.goto(site + "?go=library")  # as the shortcut of the installed app does
    for left in (1, 0):
        other.get_by_role("button", name="Delete: cup").first.click()
        other.locator("#kept li").nth(left).wait_for(state="detached")
    assert other.url == site
    shelf.locator("[data-do=open]").first.click()
    shelf.get_by_text("deleted in another window").wait_for()
    assert is_plain_sentence(said(shelf))


def test_the_shortcut_to_make_one(new_context, site):
    page = new_context().new_page()
    page.goto(site + "?go=make")
    page.locator("#choose:focus").wait_for()
    assert page.url == site


REFUSE = """() => {
  globalThis.database = indexedDB.open;
  IDBFactory.prototype.open = () => { throw new DOMException("The user denied it.", "SecurityError"); };
}"""
ALLOW = "() => { IDBFactory.prototype.open = globalThis.database; }"


def test_what_cannot_be_kept_is_said_and_stays_on_the_screen(studio, site):
    page = studio.page
    origin = {"origin": "/".join(site.split("/")[:3])}
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", origin | {"quotaSize": 1000})
    assert_not_kept(studio, "no room for more")
    session.send("Storage.overrideQuotaForOrigin", origin)
    page.evaluate(REFUSE)
    assert_not_kept(studio, "private window")
    assert page.locator("[data-library]:visible").count() == 0
    page.evaluate(ALLOW)
    studio.give_sample("cat")
    studio.wait_result()
    page.locator(".result [data-library]").click()
    assert page.locator("#unkept").text_content() == ""
    newest = page.locator("#kept li").first
    assert newest.locator("b").inner_text() == "cat"
    seen = newest.locator("img").evaluate("async (image) => { await image.decode(); return image.naturalWidth; }")
    assert seen == 451
    page.keyboard.press("Escape")


def assert_not_kept(studio, words: str) -> None:
    studio.give_sample("cat")
    studio.wait_result()
    studio.page.locator("#unkept:not(:empty)").wait_for()
    sentence = studio.page.locator("#unkept").inner_text()
    assert words in sentence
    assert is_plain_sentence(sentence)
    assert len(studio.save()[1]) > 10_000


def test_by_keyboard_from_the_start_to_a_shared_link(fresh, site):
    """Tab, Enter and arrow keys alone: a sample photo, its 3D photo, the share dialog, a link that opens. And the
    browser is asked to keep the photo for good."""
    studio = fresh(site, reduced_motion="reduce")  # a software renderer that sways makes every key slow
    page = studio.page
    page.evaluate("() => { navigator.storage.persist = async () => (globalThis.askedToKeep = true); }")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    studio.remember()
    tab_to(page, "[data-sample*=cat]")
    page.keyboard.press("Enter")
    studio.wait_result()
    page.locator("#result-title:focus").wait_for()
    wait_until(page, "globalThis.askedToKeep")
    tab_to(page, "#share")
    page.keyboard.press("Enter")
    page.locator("#sharing[open]").wait_for()
    tab_to(page, "[name=length]")
    page.keyboard.press("ArrowUp")  # from 16 kB to 8 kB
    page.locator("#pocket-size", has_text=re.compile(r"^[5-8],\d{3} characters")).wait_for()
    tab_to(page, "#copy-link")
    page.keyboard.press("Enter")
    page.get_by_text("The link is copied.").wait_for()
    link = Studio(page.context.new_page())
    link.page.goto(page.evaluate("navigator.clipboard.readText()"))
    link.page.locator("body[data-state=shown]").wait_for()
    assert link.look().std() > 20
    page.keyboard.press("Escape")
    page.locator("#share:focus").wait_for()
    tab_to(page, ".result [data-library]")
    page.keyboard.press("Enter")
    page.locator("#library[open]").wait_for()
    tab_to(page, "[data-do=remove]")
    page.keyboard.press("Enter")
    page.locator("#undo:focus").press("Enter")
    page.locator("[data-do=open]:focus").press("Enter")
    page.locator("#result-title:focus").wait_for()


def tab_to(page, selector: str) -> None:
    """Press Tab until the focus is there."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")
