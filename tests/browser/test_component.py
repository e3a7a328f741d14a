"""<tief-photo> on pages that are not ours: its one file, what it asks for, what it says, what it frees."""

import json
import struct

import pytest

from tests.browser.elsewhere import ELEMENT, SMALL, Photo, scene
from tests.browser.studio import wait_until


def test_one_file_is_all_it_needs(new_context, elsewhere):
    """It asks for nothing but the GLB, breaks no rule of a strict policy, sets no style and no markup."""
    page = new_context(viewport=SMALL).new_page()
    asked, violations = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.expose_function("violated", lambda directive: violations.append(directive))
    page.add_init_script("addEventListener('securitypolicyviolation', (e) => violated(e.effectiveDirective))")
    address = elsewhere()
    photo = Photo(page).open(address)
    assert photo.look().std() > 40
    assert violations == []
    assert page.locator("head style, head link").count() == 0
    local = [url.removeprefix(address) for url in asked if url.startswith("http") and "favicon" not in url]
    assert sorted(local) == ["", "photo.glb", "photo.jpg", "tief-photo.js"]
    assert page.get_by_role("application", name="3D photo: A square before a wall").is_visible()
    assert page.get_by_role("img", name="Flat").count() == 0  # its place is taken


def test_three_js_is_shipped_once(dist):
    """Our pages, films and shared files take the viewer from the one file that other sites take."""
    holders = [path.name for path in dist.rglob("*.js") if "THREE.WebGLRenderer" in path.read_text(encoding="utf-8")]
    assert holders == ["tief-photo.js"]


COUNT_BUFFERS = """
  const width = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, "width");
  globalThis.widths = [];
  const set = function (value) { widths.push(value); width.set.call(this, value); };
  Object.defineProperty(HTMLCanvasElement.prototype, "width", { ...width, set });
"""


def test_the_first_view_is_drawn_once(new_context, elsewhere):
    """A drawing buffer that is made twice, a frame that nobody sees: both are felt on a slow phone."""
    page = new_context(viewport=SMALL, reduced_motion="reduce").new_page()
    page.add_init_script(COUNT_BUFFERS)
    photo = Photo(page).open(elsewhere())
    assert photo.do("viewer.frames") == 1
    width = photo.canvas.evaluate("(canvas) => canvas.width")
    assert [value for value in page.evaluate("widths") if value > 1] == [width]


def test_it_has_the_photos_shape_unless_the_page_gives_another(photo):
    box = photo.element.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.01)
    photo.do("style.height = '150px'")
    photo.do("style.aspectRatio = 'auto'")
    photo.page.wait_for_timeout(300)
    canvas = photo.canvas.bounding_box()
    assert canvas["height"] == pytest.approx(150, abs=1)
    assert canvas["width"] == pytest.approx(225, abs=1)


@pytest.mark.parametrize(("source", "words"), [("broken.glb", "is not a 3D photo"), ("none.glb", "answers 404")])
def test_what_cannot_be_shown_leaves_the_flat_picture_and_a_sentence(new_context, elsewhere, source, words):
    page = new_context(viewport=SMALL).new_page()
    page.add_init_script("addEventListener('error', (e) => (window.told = e.detail?.code), true)")
    page.goto(elsewhere(ELEMENT.replace("photo.glb", source)))
    message = page.locator("tief-photo #message")
    message.filter(has_text=words).wait_for()
    assert page.get_by_role("img", name="Flat").is_visible()
    assert page.get_by_role("application").count() == 0
    assert page.evaluate("told") in ("not-a-3d-photo", "fetch")
    page.evaluate("document.querySelector('tief-photo').src = 'photo.glb'")
    page.locator("tief-photo canvas").wait_for()
    assert message.inner_text() == ""


@pytest.mark.parametrize("flaw", ["asks for another file", "picture damaged"])
def test_a_photo_without_its_picture_is_refused(new_context, elsewhere, flaw):
    """A GLB that names a file elsewhere could tell its maker who looks at it: a request would fail this test, too."""
    data = scene()
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    picture = document["images"][0]
    binary = bytearray(data[20 + length :])
    if flaw == "picture damaged":
        start = 8 + document["bufferViews"][picture["bufferView"]]["byteOffset"]
        binary[start : start + 400] = bytes(400)
    else:
        picture |= {"uri": "http://files.example/seen.jpg"}
        del picture["bufferView"]
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<2I", len(text), 0x4E4F534A) + text + binary
    page = new_context(viewport=SMALL).new_page()
    page.goto(elsewhere(""))
    why = page.evaluate(
        """async (bytes) => {
          await customElements.whenDefined("tief-photo");
          const element = document.body.appendChild(document.createElement("tief-photo"));
          return element.show(new Uint8Array(bytes)).then(() => "", (error) => error.message);
        }""",
        list(struct.pack("<3I", 0x46546C67, 2, 12 + len(body)) + body),
    )
    assert why == "This 3D photo is damaged: its picture cannot be read."


def test_without_webgl_it_says_so(new_context, elsewhere):
    page = new_context(viewport=SMALL).new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(elsewhere())
    page.locator("#message").filter(has_text="WebGL is missing").wait_for()
    assert page.get_by_role("img", name="Flat").is_visible()


def test_many_on_one_page_share_the_few_canvases_that_browsers_draw_in(new_context, elsewhere):
    page = new_context(viewport={"width": 600, "height": 500}).new_page()
    page.goto(elsewhere(ELEMENT * 24))
    alive = "[...document.querySelectorAll('tief-photo')].map((e) => Boolean(e.viewer))"
    page.locator("tief-photo canvas").first.wait_for()
    page.wait_for_timeout(500)
    first = page.evaluate(alive)
    assert first[0]
    assert 1 <= sum(first) <= 6
    page.evaluate("scrollTo(0, 1e6)")
    page.locator("tief-photo").last.locator("canvas").wait_for()
    wait_until(page, f"!({alive})[0]")
    last = page.evaluate(alive)
    assert last[-1]
    assert sum(last) <= 6
    end = Photo(page, "tief-photo:last-of-type")
    end.do("swaying = false")
    assert end.look().std() > 40


def test_taken_out_of_the_page_it_frees_what_it_had_and_put_back_it_shows_again(photo):
    page = photo.page
    freed = page.evaluate(
        """async () => {
          globalThis.kept = document.querySelector("tief-photo");
          const gl = kept.shadowRoot.querySelector("canvas").getContext("webgl2");
          document.body.prepend(kept); // moved within the page: nothing is lost
          await new Promise((resolve) => setTimeout(resolve));
          const same = Boolean(kept.viewer) && !gl.isContextLost();
          kept.remove();
          await new Promise((resolve) => setTimeout(resolve));
          const gone = [kept.viewer, gl.isContextLost()];
          document.body.append(kept);
          return [same, ...gone];
        }"""
    )
    assert freed == [True, None, True]
    photo.canvas.wait_for()
    photo.do("swaying = false")
    assert photo.look().std() > 40


def test_set_up_by_script_before_it_is_defined(new_context, elsewhere):
    """Properties count that were set while the script was still on its way, and bytes can be given."""
    page = new_context(viewport=SMALL).new_page()
    page.goto(elsewhere(""))
    shown = page.evaluate(
        """async () => {
          await customElements.whenDefined("tief-photo");
          const bytes = await (await fetch("photo.glb")).arrayBuffer();
          const early = document.createElement("tief-photo");
          Object.defineProperty(early, "alt", { value: "early", configurable: true, writable: true });
          document.body.append(early);
          await early.show(bytes);
          const bad = await early.show(new Uint8Array(9)).then(() => "", (error) => error.code);
          return [early.getAttribute("alt"), bad, early.photo.width];
        }"""
    )
    assert shown == ["early", "not-a-3d-photo", 600]
