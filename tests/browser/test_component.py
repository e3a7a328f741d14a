"""<tief-photo> on pages that are not ours: its one file, its buttons and keys, the plane that stays still, two eyes."""

import functools
import json
import shutil
import struct

import numpy as np
import pytest
from PIL import Image

from app import glb
from app.camera import Camera
from app.mesh import Mesh
from builder.common import ROOT
from builder.server import Server
from sharing.service import Limits
from tests.browser.studio import picture_of, shift
from tests.unit.test_sharing import Running

CAMERA = Camera(600, 400, 520.0)
SQUARE = (220, 120, 380, 280)  # left, top, right, bottom of what stands in front
NEAR, FAR = (300, 200), (110, 200)  # lattice points on the square and on the plane behind it
RADIUS, REACH = 36, 16  # screen pixels around a point that is watched, and how far it may move
# What the documentation asks for and nothing more; a page that allows no markup to be set.
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self' blob:; img-src 'self' blob:; base-uri 'none'; "
    "require-trusted-types-for 'script'"
)
ELEMENT = '<tief-photo src="photo.glb" alt="A square before a wall"><img src="photo.jpg" alt="Flat"></tief-photo>'
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Another site</title>
<meta http-equiv="Content-Security-Policy" content="{policy}">
<script type="module" src="tief-photo.js"></script></head>
<body>{body}</body></html>
"""
SMALL = {"width": 700, "height": 600}  # few pixels, drawn by the processor
ROOM = 60_000  # ms; a busy machine draws slowly


@functools.cache
def scene() -> bytes:
    """The GLB of a square at disparity 1 before a plane at disparity 0, both of a texture that can be followed."""
    random = np.random.default_rng(3)
    texture = random.uniform(0, 255, (50, 75, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    corners = [_corners(-60, -60, 660, 460), _corners(*SQUARE)]
    points = np.concatenate(corners).astype(np.float32)
    triangles = np.array([[0, 2, 1], [0, 3, 2]])
    return glb.encode(
        Mesh(
            points,
            np.repeat([0.0, 1.0], 4).astype(np.float32),
            np.clip(points / [600, 400], 0, 1).astype(np.float32),
            np.concatenate([triangles, triangles + 4]).astype(np.int32),
            np.repeat([0, 1], 4).astype(np.uint8),
        ),
        CAMERA,
        texture,
    )


def _corners(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


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


class Photo:
    """The first <tief-photo> of a page as a person meets it."""

    def __init__(self, page, selector: str = "tief-photo"):
        self.page, self.element = page, page.locator(selector).first
        self.canvas = self.element.locator("canvas")

    def open(self, address: str) -> "Photo":
        self.page.goto(address)
        self.canvas.wait_for(timeout=ROOM)
        self.do("swaying = false")
        self.page.mouse.move(0, 0)
        self.settle()
        return self

    def do(self, expression: str):
        return self.element.evaluate(f"(element) => element.{expression}")

    def settle(self):
        """Until no frame has been drawn for a moment; it must not sway."""
        assert not self.do("swaying")
        frames = -1
        while frames != (frames := self.do("viewer.frames")):
            self.page.wait_for_timeout(250)
        return self.do("offset")

    def look(self, offset=None, mode: str = "L") -> np.ndarray:
        """(H, W) or (H, W, 3) float of the picture on the screen, from `offset` if one is given."""
        if offset is not None:
            self.do(f"offset = {list(offset)}")
        self.settle()
        return picture_of(self.element, mode)

    def said(self) -> str:
        return self.element.locator("#message").inner_text()

    def click(self, point):
        """Click on a lattice point as the picture shows it from straight ahead."""
        box = self.canvas.bounding_box()
        share = (np.array(point) / [CAMERA.width, CAMERA.height] - 0.5) / CAMERA.zoom + 0.5
        self.page.mouse.click(box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"])
        self.page.mouse.move(0, 0)


@pytest.fixture
def photo(new_context, elsewhere):
    """The element alone on another site's page, standing still."""
    return Photo(new_context(viewport=SMALL).new_page()).open(elsewhere())


def moved(before, after, point) -> np.ndarray:
    """(right, down) in screen pixels by which the neighbourhood of a lattice point has moved."""
    h, w = before.shape
    scale = w / (CAMERA.width * CAMERA.zoom)
    x, y = np.rint((np.array(point) - [CAMERA.width / 2, CAMERA.height / 2]) * scale + np.array([w, h]) / 2).astype(int)
    near = np.s_[y - RADIUS : y + RADIUS, x - RADIUS : x + RADIUS]
    return np.array(shift(before[near], after[near], REACH))


# --- On any page ---


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
    page.wait_for_function(f"!({alive})[0]")
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


# --- The plane that stays still ---


@pytest.mark.parametrize("still", ["near", "far"])
def test_a_click_chooses_what_stays_still(photo, still):
    """The chosen one keeps its place; the other moves by no more than the margin that hides the frame's edge."""
    photo.click(NEAR if still == "near" else FAR)
    assert "stays still" in photo.said()
    before, after = photo.look([0, 0]), photo.look([1, 0])
    shifts = {"near": moved(before, after, NEAR)[0], "far": moved(before, after, FAR)[0]}
    margin = (1 - CAMERA.zoom) / 2 * CAMERA.height * before.shape[1] / (CAMERA.width * CAMERA.zoom)
    other = "far" if still == "near" else "near"
    assert shifts[still] == pytest.approx(0, abs=0.4)
    assert abs(shifts[other]) == pytest.approx(margin, abs=0.5)
    assert shifts["far"] > shifts["near"]  # the camera went to the right


def test_the_chosen_plane_lights_up_and_goes_out(photo):
    before = photo.look(mode="RGB")
    photo.do("viewer.focus.step = () => element.viewer.focus.uniforms.still.value !== 1")  # hold the moment
    photo.click(NEAR)
    photo.do("viewer.focus.choose(1, true)")
    photo.do("viewer.stereo = ''")  # draws once more
    lit = photo.look(mode="RGB")
    h, w = before.shape[:2]
    inside, outside = np.s_[h // 2 - 30 : h // 2 + 30, w // 2 - 30 : w // 2 + 30], np.s_[30:-60, 20 : w // 5]
    warmer = (lit - before)[..., 0] - (lit - before)[..., 2]
    assert warmer[inside].mean() > 30
    assert abs(warmer[outside].mean()) < 2
    photo.page.evaluate("delete document.querySelector('tief-photo').viewer.focus.step")
    photo.do("viewer.focusOn(1)")
    np.testing.assert_allclose(photo.look(mode="RGB"), before, atol=3)


def test_a_drag_and_the_room_beside_the_picture_choose_nothing(photo):
    box = photo.canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    photo.page.mouse.move(x, y)
    photo.page.mouse.down()
    photo.page.mouse.move(x + 60, y, steps=4)
    photo.page.mouse.up()
    photo.do("style.height = '200px'")
    photo.do("style.aspectRatio = 'auto'")
    photo.page.wait_for_timeout(300)
    photo.page.mouse.click(box["x"] + 4, box["y"] + 100)
    assert photo.said() == ""
    assert photo.do("focusAt(2, 2)") is False


def test_it_glides_there_and_with_less_motion_jumps(new_context, elsewhere):
    for wish, count in (("no-preference", 3), ("reduce", 1)):
        photo = Photo(new_context(viewport=SMALL, reduced_motion=wish).new_page()).open(elsewhere())
        depths = photo.page.evaluate(
            """async () => {
              const element = document.querySelector("tief-photo");
              const depths = new Set();
              element.focusAt(0.5, 0.5);
              for (let i = 0; i < 40; i++) {
                await new Promise(requestAnimationFrame);
                depths.add(element.viewer.focus.depth);
              }
              return [...depths];
            }"""
        )
        assert depths[-1] == pytest.approx(1, abs=1e-3)
        assert (len(depths) >= count) if count > 1 else (len(depths) == 1)


# --- Keys, buttons ---


def test_all_of_it_by_keyboard(photo):
    page = photo.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.id") == "picture"
    page.keyboard.press("f")
    assert photo.said() == "What is nearest stays still."
    page.keyboard.press("PageUp")
    assert photo.said() == "What is 90 % of the way to the front stays still."
    for _ in range(12):
        page.keyboard.press("PageUp")
    assert photo.said() == "The background stays still."
    page.keyboard.press("PageDown")
    assert "10 %" in photo.said()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert photo.settle() == pytest.approx([0, 0], abs=0.01)
    assert photo.do("viewer.focus.depth") == pytest.approx(photo.do("photo.focus"), rel=0.01)
    for way in ("side-by-side", "anaglyph", ""):
        page.keyboard.press("s")
        assert photo.do("stereo") == way
    page.keyboard.press("Control+f")  # the browser's own
    page.keyboard.press("Space")
    assert photo.do("swaying") is True
    names = []
    for _ in range(3):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.shadowRoot?.activeElement?.ariaLabel"))
    assert names == ["For two eyes", "Sway", "Full screen"]


def test_full_screen_and_back(photo):
    photo.element.get_by_role("button", name="Full screen").click()
    photo.page.wait_for_function("document.fullscreenElement?.localName === 'tief-photo'")
    photo.page.wait_for_timeout(300)
    view = photo.page.evaluate("[innerWidth, innerHeight]")
    canvas = photo.canvas.bounding_box()
    assert canvas["width"] == pytest.approx(min(view[0], view[1] * 1.5), abs=2)
    photo.page.evaluate("document.exitFullscreen()")


def test_without_buttons_it_does_not_sway(new_context, elsewhere):
    photo = Photo(new_context(viewport=SMALL).new_page()).open(
        elsewhere(ELEMENT.replace("<tief-photo", '<tief-photo controls="none"'))
    )
    assert photo.do("swaying") is False
    assert photo.element.get_by_role("button").count() == 0
    photo.do("controls = ''")
    assert photo.do("swaying") is True
    photo.do("sway = 'off'")
    assert photo.do("swaying") is False
    assert photo.element.get_by_role("button", name="Sway").get_attribute("aria-pressed") == "false"


def test_the_wish_for_less_motion_is_heard_at_once(photo):
    photo.do("swaying = true")
    photo.page.emulate_media(reduced_motion="reduce")
    photo.element.locator("#sway[aria-pressed=false]").wait_for()
    assert photo.do("swaying") is False


@pytest.mark.parametrize("size", [(360, 740), (740, 360)])
def test_a_rotated_screen_shows_the_whole_photo(photo, size):
    photo.element.get_by_role("button", name="Full screen").click()
    photo.page.set_viewport_size({"width": size[0], "height": size[1]})
    photo.page.wait_for_timeout(400)
    box = photo.canvas.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.02)
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["width"] == pytest.approx(min(size[0], 1.5 * size[1]), abs=2)


@pytest.mark.parametrize(("angle", "expected"), [(0, (0, 1)), (90, (-1, 0)), (270, (1, 0))])
def test_tilt_follows_the_rotation_of_the_screen(photo, angle, expected):
    """The phone's top edge comes nearer: the camera goes up in portrait, and to a side of a screen that is turned."""
    session = photo.page.context.new_cdp_session(photo.page)
    orientation = {"type": "portraitPrimary" if angle == 0 else "landscapePrimary", "angle": angle}
    size = {"width": 600, "height": 500, "deviceScaleFactor": 1, "mobile": False}
    session.send("Emulation.setDeviceMetricsOverride", size | {"screenOrientation": orientation})
    assert photo.page.evaluate("screen.orientation.angle") == angle
    hold = """(beta) => {
      const angles = { alpha: 0, beta, gamma: 0 };
      dispatchEvent(new DeviceOrientationEvent("deviceorientation", { alpha: null, beta: null, gamma: null }));
      dispatchEvent(new DeviceOrientationEvent("deviceorientation", angles));
    }"""
    for beta in (30, 39):
        photo.page.evaluate(hold, beta)
    offset = photo.settle()
    assert np.dot(offset, expected) > 0.15  # of 0.5, less what the baseline has followed meanwhile
    assert abs(np.cross([*offset, 0], [*expected, 0])[2]) < 0.05
    session.detach()


# --- Two eyes ---


def test_side_by_side_shows_each_eye_its_view(photo):
    """Each half is what one eye's place on the disc shows, at half the size."""
    alone = [photo.look([aside, 0]) for aside in (-0.5, 0.5)]
    photo.do("stereo = 'side-by-side'")
    both = photo.look([0, 0])
    half = both.shape[1] // 2
    for eye, view in enumerate(alone):
        shown = both[:, eye * half : (eye + 1) * half]
        small = Image.fromarray(view.astype(np.uint8)).resize(shown.shape[::-1], Image.Resampling.BOX)
        assert np.abs(shown - np.asarray(small, float)).mean() < 12
    assert np.abs(both[:, :half] - both[:, half : 2 * half]).mean() > 5  # and they differ
    assert both.shape[1] / both.shape[0] == pytest.approx(3, abs=0.03)


def test_a_click_in_either_half_finds_the_same_depth(photo):
    photo.do("stereo = 'side-by-side'")
    photo.settle()
    for x in (0.25, 0.75):
        assert photo.do(f"viewer.depthAt({x}, 0.5)") == pytest.approx(CAMERA.near, rel=1e-3)
        assert photo.do(f"viewer.depthAt({x + 0.2}, 0.5)") == pytest.approx(CAMERA.far, rel=1e-3)


def test_the_anaglyph_is_the_least_squares_one(photo):
    """Against Dubois' matrices applied to the two eyes' views, in linear light."""
    left, right = (linear(photo.look([aside, 0], "RGB")) for aside in (-0.5, 0.5))
    photo.do("stereo = 'anaglyph'")
    shown = photo.look([0, 0], "RGB")
    expected = encoded(np.clip(left @ np.array(RED).T + right @ np.array(CYAN).T, 0, 1))
    assert np.abs(shown - expected).mean() < 3
    photo.do("stereo = ''")
    np.testing.assert_allclose(photo.look([0.5, 0], "RGB"), encoded(right), atol=3)


RED = [  # rows of the matrices: the red, green and blue that a picture of the eye gives
    [0.4561, 0.500484, 0.176381],
    [-0.0400822, -0.0378246, -0.0157589],
    [-0.0152161, -0.0205971, -0.00546856],
]
CYAN = [
    [-0.0434706, -0.0879388, -0.00155529],
    [0.378476, 0.73364, -0.0184503],
    [-0.0721527, -0.112961, 1.2264],
]


def linear(colour: np.ndarray) -> np.ndarray:
    """sRGB 0..255 to linear light 0..1."""
    value = colour / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


# --- A headset, which iwer stands in for ---

HEADSET = (
    (ROOT / "node_modules/iwer/build/iwer.min.js").read_text(encoding="utf-8")
    + """
  globalThis.device = new IWER.XRDevice(IWER.metaQuest3);
  device.installRuntime({ forceInstall: true });
"""
)


def test_no_headset_no_button(photo):
    assert photo.element.get_by_role("button", name="Show in a headset").count() == 0


def test_a_headset_shows_it_and_gives_it_back(new_context, elsewhere):
    page = new_context(viewport=SMALL).new_page()
    page.add_init_script(HEADSET)
    photo = Photo(page).open(elsewhere())
    flat = photo.look([0, 0])
    photo.element.get_by_role("button", name="Show in a headset").click()
    page.wait_for_function("device.activeSession")
    frames = photo.do("viewer.frames")
    seen = page.evaluate(
        """async () => {
          const draw = WebGL2RenderingContext.prototype.drawElements;
          let calls = 0;
          WebGL2RenderingContext.prototype.drawElements = function (...a) { calls += 1; return draw.apply(this, a); };
          device.position.set(0.5, 1.6, 0);
          await new Promise((resolve) => setTimeout(resolve, 1500));
          WebGL2RenderingContext.prototype.drawElements = draw;
          return calls;
        }"""
    )
    assert seen >= 2  # both eyes
    assert photo.do("viewer.frames") == frames  # the screen is not drawn meanwhile
    page.evaluate("device.activeSession.end()")
    page.wait_for_function("!device.activeSession")
    np.testing.assert_allclose(photo.look([0, 0]), flat, atol=3)
    assert photo.said() == ""


# --- In a frame ---

FRAME = '<iframe title="A photo" src="{}" width="480" height="300" allow="fullscreen"></iframe>'


def test_in_a_frame_the_viewer_page_is_the_picture_alone(new_context, site, elsewhere):
    """From another origin: the page's words are gone, the picture fills the frame, and failing still has a sentence."""
    frames = [FRAME.format(f"{site}view.html?src=static/samples/{name}") for name in ("coffee.glb", "none.glb")]
    page = new_context(viewport=SMALL).new_page()
    page.goto(elsewhere("".join(frames), "; frame-src http://localhost:*"))
    good, bad = page.frame_locator("iframe >> nth=0"), page.frame_locator("iframe >> nth=1")
    good.locator("tief-photo canvas").wait_for(timeout=ROOM)
    assert good.locator("header").is_hidden()
    assert good.locator("h1").is_hidden()
    box = good.locator("tief-photo").bounding_box()
    assert (box["width"], box["height"]) == (480, 300)
    bad.locator("#problem").filter(has_text="answers 404").wait_for()


def test_the_share_service_lets_only_the_viewer_page_into_frames(new_context, elsewhere, dist, tmp_path):
    with Running(tmp_path / "store", dist, limits=Limits()) as service:
        frames = [FRAME.format(service.address + path) for path in ("view.html?src=static/samples/coffee.glb", "")]
        page = new_context(viewport=SMALL).new_page()
        page.goto(elsewhere("".join(frames), f"; frame-src {service.address}"))
        page.frame_locator("iframe >> nth=0").locator("tief-photo canvas").wait_for(timeout=ROOM)
        assert page.frame_locator("iframe >> nth=1").locator("main").count() == 0
