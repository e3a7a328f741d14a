"""What people do with a <tief-photo>: the plane that stays still, keys, buttons, full screen, tilt."""

import time

import numpy as np
import pytest

from tests.browser.elsewhere import CAMERA, ELEMENT, FAR, NEAR, SMALL, Photo, moved
from tests.browser.studio import wait_until

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
    wait_until(photo.page, "document.fullscreenElement?.localName === 'tief-photo'")
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


START = 10  # seconds in which the camera must begin to move; a busy machine is slow to draw
IPHONE = "DeviceOrientationEvent.requestPermission = async () => (globalThis.asked = '{}');"
TURN = """(gamma) => dispatchEvent(new DeviceOrientationEvent("deviceorientation", { alpha: 0, beta: 40, gamma }))"""


@pytest.mark.parametrize("answer", ["granted", "denied"])
def test_where_tilt_must_be_asked_for_a_tap_asks(new_context, elsewhere, answer):
    """As on iOS, where no event comes before the person has allowed it."""
    page = new_context(viewport=SMALL, has_touch=True, is_mobile=True).new_page()
    page.add_init_script(IPHONE.format(answer))
    photo = Photo(page).open(elsewhere())
    button = photo.element.get_by_role("button", name="Turn on tilt")
    button.wait_for()
    assert page.evaluate("globalThis.asked") is None
    button.tap()
    button.wait_for(state="hidden")
    assert page.evaluate("asked") == answer
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.id") == "picture"
    assert ("does not let this page feel the tilt" in photo.said()) == (answer == "denied")
    for gamma in (0, 9):
        page.evaluate(TURN, gamma)
    if answer == "granted":
        end = time.monotonic() + START
        while np.hypot(*photo.do("offset")) < 0.15:
            assert time.monotonic() < end, photo.do("offset")
            page.wait_for_timeout(50)
    else:
        assert photo.settle() == [0, 0]
