"""The page as a person uses it, and what they see of it as numbers."""

import io
import re
import time
from dataclasses import dataclass

import numpy as np
from PIL import Image

from app import glb

START = 120_000  # ms: a cold interpreter on a busy machine
WORK = 90_000
STILL = 250  # ms without a new frame: the camera has arrived


REST = """() => {
  const { viewer } = document.getElementById("viewer") ?? {};
  if (viewer?.photo) viewer.motion.swaying = false;
}"""


def wait_until(page, expression: str, timeout: float = WORK) -> None:
    """Until the expression is truthy. `page.wait_for_function` polls with eval(), which our policy forbids."""
    end = time.monotonic() + timeout / 1000
    while not page.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < end, f"never came true: {expression}"
        page.wait_for_timeout(50)


@dataclass
class Studio:
    """A Playwright page at the site's address."""

    page: object

    def open(self, address: str, ready: bool = True) -> "Studio":
        self.page.goto(address)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        self.page.locator("#engine[data-engine=ready]").wait_for(timeout=START)

    def give(self, data: bytes, name: str = "photo.jpg"):
        """Choose a file, as in the file dialog."""
        self.remember()
        self.page.locator("#file").set_input_files({"name": name, "mimeType": "", "buffer": data})

    def give_sample(self, name: str):
        self.remember()
        self.page.locator(f"[data-sample*={name}]").dispatch_event("click")

    def remember(self):
        """What the viewer shows now is not the next result."""
        self.page.evaluate("globalThis.shownBefore = document.getElementById('viewer').viewer?.photo")

    def wait_result(self) -> "Studio":
        """Until another 3D photo is in the viewer than was there when the photo was given."""
        done = """(document.body.dataset.state === "result")
          && ![undefined, null, globalThis.shownBefore].includes(document.getElementById("viewer").viewer?.photo)"""
        end = time.monotonic() + WORK / 1000
        while not self.page.evaluate(done):
            problem = self.page.locator("#problem")
            assert problem.is_hidden(), problem.inner_text()
            assert time.monotonic() < end, f"no 3D photo; the page is {self.state}"
            self.page.wait_for_timeout(50)
        return self

    def wait_problem(self) -> str:
        problem = self.page.locator("#problem")
        problem.wait_for(timeout=WORK)
        return problem.inner_text()

    @property
    def state(self) -> str:
        return self.page.locator("body").get_attribute("data-state")

    def facts(self) -> dict[str, str]:
        """The details, by name."""
        return dict(
            zip(
                self.page.locator("#facts dt").all_text_contents(),
                self.page.locator("#facts dd").all_text_contents(),
                strict=True,
            )
        )

    def stage_times(self) -> list[str]:
        return self.page.locator("#stages time").all_text_contents()

    def save(self) -> tuple[str, bytes]:
        """Name and bytes of the GLB that the person saves."""
        with self.page.expect_download() as download:
            self.page.locator("#save").click()
        with open(download.value.path(), "rb") as file:
            return download.value.suggested_filename, file.read()

    def saved(self) -> glb.Decoded:
        return glb.decode(self.save()[1])

    # --- The viewer ---

    def viewer(self, expression: str):
        """Evaluate on the viewer, e.g. "offset" or "motion.swaying = false"."""
        return self.page.evaluate(f"document.getElementById('viewer').viewer.{expression}")

    def sway(self, on: bool = True):
        """Switch the sway on or off, if there is a 3D photo to sway."""
        button = self.page.locator("#sway")
        if button.is_visible() and button.get_attribute("aria-pressed") != str(on).lower():
            button.click()

    def rest(self):
        """Sway no longer, whatever covers the button: drawn by software, a photo that sways takes a whole processor."""
        self.page.evaluate(REST)

    def pause(self):
        self.sway(False)
        self.page.mouse.move(1, 1)
        self.settle()

    def settle(self) -> list[float]:
        """Wait until the camera stands; where it is."""
        frames = -1
        while frames != (frames := self.viewer("frames")):
            self.page.wait_for_timeout(STILL)
        return self.viewer("offset")

    def look(self) -> np.ndarray:
        """(H, W) float grey levels of the picture on the screen, without the buttons on it."""
        return picture_of(self.page.locator("#viewer"))


COVERS = """(element, visibility) => {
  for (const id of ["tools", "message"]) element.shadowRoot.getElementById(id).style.visibility = visibility;
}"""


def picture_of(element, mode: str = "L") -> np.ndarray:
    """(H, W) or, for mode "RGB", (H, W, 3) float of the canvas in a <tief-photo>, without what lies on it. A style that
    Playwright adds for a screenshot would be stopped by the page's content security policy."""
    element.evaluate(COVERS, "hidden")
    shot = element.locator("canvas").screenshot(animations="disabled")
    element.evaluate(COVERS, "")
    return np.asarray(Image.open(io.BytesIO(shot)).convert(mode), float)


def shift(before: np.ndarray, after: np.ndarray, reach: int = 24) -> tuple[float, float]:
    """(right, down) in pixels by which a patch moved: the peak of the normalised cross-correlation, to a fraction.

    Both (h, w), of the same place on the screen; their middle must have texture.
    """
    h, w = before.shape
    middle = before[reach : h - reach, reach : w - reach]
    middle = middle - middle.mean()
    windows = np.lib.stride_tricks.sliding_window_view(after, middle.shape)
    windows = windows - windows.mean((2, 3), keepdims=True)
    score = (windows * middle).sum((2, 3)) / np.sqrt((windows**2).sum((2, 3)) * (middle**2).sum() + 1e-9)
    y, x = np.unravel_index(score.argmax(), score.shape)
    return x + _peak(score[y], x) - reach, y + _peak(score[:, x], y) - reach


def _peak(line: np.ndarray, at: int) -> float:
    """Where between its neighbours the maximum of the parabola through three values lies."""
    if not 0 < at < len(line) - 1:
        return 0.0
    left, middle, right = line[at - 1 : at + 2]
    return float((left - right) / (2 * (left - 2 * middle + right) + 1e-12))


def is_plain_sentence(text: str) -> bool:
    """One sentence for people: no traceback, no class names, no line breaks."""
    technical = re.search(r"Error|Traceback|Exception|undefined", text)
    return bool(re.fullmatch(r"[A-Z][^\n]{10,200}[.)]", text)) and not technical
