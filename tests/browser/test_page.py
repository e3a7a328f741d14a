"""A photo through the page to the viewer, and everything that people do on the way."""

import io

import numpy as np
import pytest
from PIL import Image

from tests import photos
from tests.browser.studio import is_plain_sentence

STAGES = ["Depth", "Layers", "Inpainting", "Meshing"]


def test_a_photo_becomes_a_3d_photo(studio):
    studio.give_sample("astronaut")
    assert studio.page.locator("#stages b").all_text_contents() == STAGES
    studio.wait_result()
    assert all(time.endswith(" s") for time in studio.stage_times())
    assert studio.page.locator("#problem").is_hidden()
    picture = studio.look()
    assert picture.std() > 20  # a photo, no empty canvas
    facts = studio.facts()
    assert facts["Depth network"].startswith("Tiefblick's own, on ONNX Runtime Web, WASM")
    assert facts["Photo"].startswith("astronaut.jpg, 512")
    name, data = studio.save()
    assert name == "astronaut.glb"
    decoded = studio.saved()
    assert len(decoded.triangles) == int(facts["Triangles"].replace(",", ""))
    assert len(data) == int(facts["GLB bytes"].replace(",", ""))


def test_the_picture_is_the_photo(studio, sample):
    """Colours and framing: what the viewer shows straight ahead is the middle of the photo, zoomed a little."""
    studio.give_sample("astronaut")
    studio.wait_result()
    studio.pause()
    zoom = studio.viewer("photo.zoom")
    with Image.open(io.BytesIO(sample("astronaut"))) as image:
        margin = (1 - zoom) / 2 * image.width
        box = (margin, margin, image.width - margin, image.height - margin)
        shown = studio.look()
        expected = np.asarray(image.convert("L").resize(shown.shape[::-1], Image.Resampling.BICUBIC, box), float)
    assert np.abs(shown - expected).mean() < 4  # of 255: resampling and JPEG


def test_the_page_stays_responsive(studio):
    """While Python works, the page's own thread answers: no pause as long as a stage."""
    studio.page.evaluate(
        """() => {
          globalThis.longest = 0;
          let last = performance.now();
          globalThis.ticker = setInterval(() => {
            const now = performance.now();
            const working = document.body.dataset.state === "working";
            if (working) globalThis.longest = Math.max(globalThis.longest, now - last);
            last = now;
          }, 10);
        }"""
    )
    studio.give_sample("astronaut")
    studio.wait_result()
    longest = studio.page.evaluate("clearInterval(ticker), longest")
    total = float(studio.facts()["All together"].split()[0])
    assert longest / 1000 < max(0.5 * total, 0.3)


def test_dropped_and_pasted(studio, sample):
    script = """([bytes, kind]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], kind + ".jpg", { type: "image/jpeg" }));
      const options = { bubbles: true, cancelable: true };
      if (kind === "drop") {
        for (const type of ["dragenter", "dragover", "drop"])
          document.body.dispatchEvent(new DragEvent(type, { ...options, dataTransfer: transfer }));
      } else document.body.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: transfer }));
    }"""
    for kind in ("drop", "paste"):
        studio.page.evaluate(script, [list(sample("cat")), kind])
        studio.page.locator("body[data-state=working]").wait_for()
        studio.wait_result()
        assert studio.facts()["Photo"].startswith(f"{kind}.jpg, 451")
        assert "dragging" not in (studio.page.locator("body").get_attribute("class") or "")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_formats(studio, kind):
    """AVIF is what Pillow in the browser cannot read: the browser itself does."""
    name = f"photo.{kind.lower()}"
    studio.give(photos.save(photos.picture(128, 96), kind), name)
    studio.wait_result()
    assert studio.facts()["Photo"] == f"{name}, 128 × 96"


GOOD = photos.save(photos.picture(128, 96), "JPEG")
BAD = {
    "empty": b"",
    "text renamed": b"This is a shopping list, not a photo.\n" * 40,
    "truncated": GOOD[: len(GOOD) // 2],
    "header only": GOOD[:20],
    "random bytes": GOOD[:200] + np.random.default_rng(0).bytes(2000),
    "1x1": photos.save(photos.picture(2, 2)[:1, :1], "PNG"),
    "1x5000": photos.save(np.zeros((5000, 1, 3), np.uint8), "PNG"),
    "huge": photos.save(Image.new("1", (30_000, 30_000)), "PNG"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_gets_one_plain_sentence(studio, kind):
    studio.give(BAD[kind])
    problem = studio.wait_problem()
    assert is_plain_sentence(problem), problem
    assert studio.state == "idle"
    studio.page.locator("#viewer").wait_for()  # what was there before is there again
    studio.give(GOOD, "good.jpg")
    assert studio.page.locator("#problem").is_hidden()
    studio.wait_result()


def test_a_file_that_is_too_large_for_the_page(studio):
    studio.page.evaluate(
        """() => {
          const file = new File([], "large.jpg", { type: "image/jpeg" });
          Object.defineProperty(file, "size", { value: 3e8 });
          const event = new ClipboardEvent("paste", { clipboardData: new DataTransfer() });
          Object.defineProperty(event, "clipboardData", { value: { files: [file] } });
          dispatchEvent(event);
        }"""
    )
    assert "256 MB" in studio.wait_problem()


def test_cancel_and_go_on(studio):
    studio.give_sample("astronaut")
    studio.page.locator("#cancel").click()
    assert studio.state == "idle"
    assert studio.page.locator("#problem").is_hidden()
    studio.give_sample("cat")
    studio.wait_result()
    assert studio.facts()["Photo"].startswith("cat.jpg")


def test_a_new_photo_replaces_the_one_under_way(studio):
    studio.give_sample("astronaut")
    studio.give_sample("cat")
    studio.wait_result()
    assert studio.facts()["Photo"].startswith("cat.jpg")


def test_another_photo(studio):
    studio.give_sample("cat")
    studio.wait_result()
    studio.page.locator("#again").click()
    assert studio.state == "idle"
    assert studio.page.locator("#viewer canvas").is_visible()  # the last one stays
    with studio.page.expect_file_chooser():
        studio.page.locator("#choose").click()


def test_by_keyboard_alone(studio):
    page = studio.page
    studio.give_sample("cat")
    studio.wait_result()
    page.locator("#again").click()
    page.keyboard.press("Tab")
    names = []
    for _ in range(4):
        names.append(page.evaluate("document.activeElement.id || document.activeElement.dataset.sample || ''"))
        page.keyboard.press("Tab")
    assert names == ["choose", *(f"static/samples/{name}.jpg" for name in ("coffee", "cat", "astronaut"))]
    page.locator("[data-sample*=astronaut]").focus()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    page.keyboard.press("Enter")
    page.locator("body[data-state=working]").wait_for()
    studio.wait_result()
    assert page.evaluate("document.activeElement.id") == "result-title"
    assert page.locator("#spoken").inner_text() == "The 3D photo is ready."
    page.locator("#viewer").focus()
    assert page.locator("#sway").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Space")
    assert page.locator("#sway").get_attribute("aria-pressed") == "false"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    right, up = studio.settle()
    assert (right, up) == pytest.approx((0.75, 0.25), abs=0.01)
    page.keyboard.press("Home")
    assert studio.settle() == pytest.approx([0, 0], abs=0.01)
    assert outline
    page.locator("#sway").press("Space")
    assert studio.viewer("motion.swaying")


def test_names_for_screen_readers(studio):
    page = studio.page
    unnamed = page.evaluate(
        """() => {
          const named = (e) => e.ariaLabel || e.textContent.trim() || e.labels?.length
            || e.querySelector("img[alt]:not([alt=''])");
          const controls = document.querySelectorAll("button, a, select, input:not([hidden]), [role=application]");
          return [...controls].filter((e) => !named(e)).map((e) => e.outerHTML);
        }"""
    )
    assert unnamed == []
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("main").count() == page.locator("h1:visible").count() == 1
