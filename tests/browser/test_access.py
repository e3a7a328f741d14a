"""axe-core finds no barrier on any page, in any of its states, light and dark."""

import pytest

from builder.common import ROOT

AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
PHONE = {"width": 390, "height": 844}
LOOK = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => [id, target, failureSummary]));
}"""


def barriers(page) -> list:
    """What axe-core objects to in both colour schemes: [rule, element, why]."""
    for frame in page.frames:
        if not frame.evaluate("Boolean(globalThis.axe)"):
            frame.evaluate(AXE)
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += page.evaluate(LOOK)
    return found


@pytest.mark.parametrize("path", ["view.html?src=static/samples/coffee.glb", "view.html", "embed.html"])
def test_pages_without_python(new_context, site, path):
    page = new_context(viewport=PHONE).new_page()
    page.goto(site + path)
    page.locator("tief-photo canvas, #problem:not([hidden])").first.wait_for()
    assert barriers(page) == []


def test_what_a_failed_element_says(new_context, site):
    page = new_context(viewport=PHONE).new_page()
    page.goto(f"{site}embed.html")
    page.evaluate("document.querySelector('tief-photo').src = 'none.glb'")
    page.locator("tief-photo #message").filter(has_text="answers 404").wait_for()
    assert barriers(page) == []


def test_the_page_from_start_to_shared(studio):
    """Start, a 3D photo, the dialogs."""
    page = studio.page
    try:
        assert barriers(page) == []
        studio.give_sample("cat")
        assert barriers(page) == []  # at work
        studio.wait_result()
        page.locator("#tools").wait_for()
        assert barriers(page) == []
        page.locator("#share").click()
        page.locator("#try-link[href]").wait_for()
        assert barriers(page) == []
        page.keyboard.press("Escape")
        page.locator("[data-library]").locator("visible=true").first.click()
        page.locator("#library[open]").wait_for()
        assert barriers(page) == []
        page.keyboard.press("Escape")
    finally:
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
