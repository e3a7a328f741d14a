"""A <tief-photo> for two eyes: side by side, red and cyan, in a headset."""

import numpy as np
import pytest
from PIL import Image

from builder.common import ROOT
from tests.browser.elsewhere import CAMERA, SMALL, Photo
from tests.browser.studio import wait_until

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
    wait_until(page, "device.activeSession")
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
    wait_until(page, "!device.activeSession")
    np.testing.assert_allclose(photo.look([0, 0]), flat, atol=3)
    assert photo.said() == ""
