"""Moving pictures: what is in the files, that they repeat without a seam, that making them can be stopped."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image, ImageSequence

FRAMES, RATE = 120, 30  # of a video
SIZE = {"width": 96, "height": 64}  # a software renderer takes its time

OPEN = """async () => {
  const { openDialog } = await import(new URL("static/share.js", location.href));
  const glb = await (await fetch("static/samples/coffee.glb")).arrayBuffer();
  await openDialog(new Uint8Array(glb), "cup");
}"""
FILM = """async ([kind, side]) => {
  const { film } = await import(new URL("movie.js", location.href));
  const glb = new Uint8Array(await (await fetch("samples/coffee.glb")).arrayBuffer());
  const shares = [];
  const { blob, ...told } = await film(glb, { kind, side }, { progress: (share) => shares.push(share) });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return [btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")), told, shares];
}"""
NO_H264 = """const supported = VideoEncoder.isConfigSupported;
VideoEncoder.isConfigSupported = async (config) =>
  config.codec.startsWith("avc1") ? { supported: false, config } : supported.call(VideoEncoder, config);"""
# The browser's own decoder: frames at these times as grey levels, and the length in seconds.
DECODE = """async ([data, type, times]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const video = Object.assign(document.createElement("video"), { muted: true });
  video.src = URL.createObjectURL(new Blob([bytes], { type }));
  await new Promise((resolve, reject) => Object.assign(video, { onloadeddata: resolve, onerror: reject }));
  const { videoWidth: width, videoHeight: height } = video;
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  const frames = [];
  for (const time of times) {
    await new Promise((resolve) => { video.onseeked = resolve; video.currentTime = time; });
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    frames.push(Array.from({ length: width * height }, (_, i) => data[4 * i + 1]));
  }
  return [frames, width, height, video.duration];
}"""


def film(new_context, site, kind: str, script: str = ""):
    """(page, the file, what is told of it) in a browser that first runs a script."""
    page = new_context().new_page()
    page.add_init_script(script)
    page.goto(site + "static/share.json")  # a document that starts nothing, and has no policy against playing
    data, told, shares = page.evaluate(FILM, [kind, SIZE["width"]])
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert told.pop("frames") == len(shares)
    return page, base64.b64decode(data), told


def decoded(page, data: bytes, kind: str) -> np.ndarray:
    """(4, H, W) grey levels: the first frame, the second, the one in the middle, the last."""
    times = [(i + 0.5) / RATE for i in (0, 1, FRAMES // 2, FRAMES - 1)]
    found, width, height, duration = page.evaluate(DECODE, [base64.b64encode(data).decode(), kind, times])
    assert duration == pytest.approx(FRAMES / RATE, abs=1 / RATE)
    return np.array(found, float).reshape(len(times), height, width)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return np.abs(a - b).mean()


@pytest.mark.parametrize(
    ("kind", "begins", "script"), [("mp4", b"\0\0\0", ""), ("webm", b"\x1aE\xdf\xa3", NO_H264)], ids=["H.264", "VP9"]
)
def test_a_video_moves_and_repeats(new_context, site, kind, begins, script):
    """Chromium has both encoders. The grain of the first frame is the encoder's, so the seam is compared coarsely."""
    page, data, told = film(new_context, site, "video", script)
    assert told == {"ending": kind, **SIZE}
    assert data.startswith(begins)
    first, second, half, last = decoded(page, data, f"video/{kind}")
    assert first.std() > 20
    assert 0 < apart(first, second) < apart(first, half) / 3
    assert apart(last, first) < apart(first, half) / 2


def test_a_gif_moves_and_repeats(new_context, site):
    """Every frame is stored as it was drawn: the step over the seam is one like any other."""
    _, data, told = film(new_context, site, "gif")
    assert told == {"ending": "gif", **SIZE}
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["loop"] == 0  # for ever
        assert image.info["duration"] == 80
        frames = [np.asarray(frame.convert("L"), float) for frame in ImageSequence.Iterator(image)]
    assert len(frames) == 50
    steps = [apart(a, b) for a, b in zip(frames, frames[1:] + frames[:1], strict=True)]
    assert min(steps) > 0
    assert steps[-1] <= max(steps[:-1])
    assert max(steps) < apart(frames[0], frames[25]) / 3


def test_cancel_and_a_browser_that_makes_no_videos(new_context, site):
    """In the dialog: stopped by the button, then by closing it; in between, what is made where there is no encoder."""
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site)
    page.evaluate(OPEN)
    page.locator("#try-link[href]").wait_for()
    assert not [url for url in asked if "movie" in url]  # first loads are spared the encoders

    start(page, "video 720")
    page.locator("#stop-movie").click()
    assert_cancelled(page)
    assert page.evaluate("document.activeElement.id") == "make-movie"

    page.evaluate("() => { delete globalThis.VideoEncoder; }")
    page.locator("#movie-kind option").first.evaluate("(option) => (option.value = 'video 96')")
    page.locator("#movie-kind").select_option("video 96")
    page.locator("#make-movie").press("Enter")
    page.locator("#movie-result").wait_for()
    said = page.locator("#movie-status").inner_text()
    assert re.fullmatch(r"This browser makes no videos, so it is a GIF\. GIF, 96 × 64, 50 frames, \d+ kB\.", said)
    assert page.evaluate("document.activeElement.id") == "save-movie"
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "cup.gif"
    assert download.value.path().read_bytes().startswith(b"GIF89a")

    start(page, "gif 360")
    assert page.locator("#movie-result").is_hidden()
    page.keyboard.press("Escape")
    assert page.locator("#sharing").is_hidden()
    assert_cancelled(page)


def start(page, kind: str) -> None:
    """Begin one, and wait until it is under way."""
    page.locator("#movie-kind").select_option(kind)
    page.locator("#make-movie").press("Enter")
    page.locator("#movie-progress:not([value='0'])").wait_for()


def assert_cancelled(page) -> None:
    page.locator("#movie-status", has_text="Cancelled.").wait_for(state="attached")
    assert page.locator("#movie-progress").is_hidden()
    assert page.locator("#movie-result").is_hidden()
    assert page.evaluate("document.getElementById('movie-progress').value") < 1
