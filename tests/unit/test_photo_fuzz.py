"""Whatever the bytes: a photo or one sentence, and of a truncated file the whole photo or none."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("hypothesis")  # not in every Pyodide

from hypothesis import given, settings
from hypothesis import strategies as st

from app import photo
from app.errors import UserError
from tests.photos import dynamic_depth, gdepth, picture, ramp, save

NOISE = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
DEPTH = save(ramp(), "PNG")
FILES = {
    "jpeg": save(NOISE, "JPEG"),
    "progressive": save(NOISE, "JPEG", progressive=True),
    "png": save(NOISE, "PNG"),
    "png film": save(Image.fromarray(picture()), "PNG", save_all=True, append_images=[Image.fromarray(NOISE)]),
    "palette": save(Image.fromarray(NOISE).convert("P"), "PNG", transparency=3),
    "deep": save(ramp(np.uint16), "PNG"),
    "webp": save(NOISE, "WEBP"),
    "webp film": save(picture(), "WEBP", save_all=True, append_images=[Image.fromarray(NOISE)], lossless=True),
    "tiff": save(NOISE, "TIFF"),
    "deflate tiff": save(NOISE, "TIFF", compression="tiff_deflate"),
    "float tiff": save(ramp() / np.float32(255), "TIFF"),
    "gif": save(NOISE, "GIF"),
    "bmp": save(NOISE, "BMP"),
    "cmyk": save(Image.fromarray(NOISE).convert("CMYK"), "JPEG"),
    "gdepth": gdepth(DEPTH),
    "dynamic depth": dynamic_depth(DEPTH),
}


def attempt(data: bytes) -> photo.Photo | None:
    """The photo, or None when it was refused in a sentence; any other error fails the test."""
    try:
        found = photo.decode(data)
    except UserError as error:
        if not (error.code and error.sentence.endswith(".")):
            raise AssertionError(error) from error
        return None
    if found.texture.ndim != 3 or found.texture.dtype != np.uint8 or max(found.texture.shape) > 1536:
        raise AssertionError(found)
    return found


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", *(data[:30] for data in FILES.values())]))
def test_any_bytes(data, header):
    attempt(header + data)


@pytest.mark.parametrize("name", FILES)
def test_truncated_anywhere(name):
    """Every length near both ends and around all of the file."""
    data, whole = FILES[name], attempt(FILES[name])
    assert whole is not None
    ends = {*range(60), *range(60, len(data), max(1, len(data) // 150)), *range(max(0, len(data) - 60), len(data))}
    for end in ends:
        part = attempt(data[:end])
        assert part is None or np.array_equal(part.texture, whole.texture), end


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_anywhere(name, data):
    damaged = bytearray(FILES[name])
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    attempt(bytes(damaged))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_any_size_in_a_header(width, height):
    sized = bytearray(FILES["png"])
    sized[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    attempt(bytes(sized))
    jpeg = FILES["jpeg"]
    frame = jpeg.index(b"\xff\xc0") + 5
    attempt(jpeg[:frame] + (height % 65536).to_bytes(2, "big") + (width % 65536).to_bytes(2, "big") + jpeg[frame + 4 :])
