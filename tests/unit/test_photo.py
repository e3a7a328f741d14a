import io
import sys

import numpy as np
import pytest
from PIL import Image, features

from app import icc, photo
from app.errors import UserError
from tests.photos import SIZE, gdepth, picture, ramp, save, with_segments

WIDTH, HEIGHT = SIZE
needs_zip = pytest.mark.skipif(sys.platform == "emscripten", reason="libtiff for Pyodide is built without zlib")
DEPTH = save(ramp(), "PNG")


def refused(data: bytes, **options) -> str:
    with pytest.raises(UserError) as error:
        photo.decode(data, photo.PhotoOptions(**options))
    assert error.value.sentence.endswith(".")
    return error.value.code


def off(texture: np.ndarray, expected: np.ndarray | None = None) -> float:
    """Mean difference in levels from the picture that most tests save."""
    expected = picture() if expected is None else expected
    assert texture.shape == expected.shape
    assert texture.dtype == np.uint8
    return float(np.abs(texture.astype(int) - expected).mean())


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 2),
        ("JPEG", {"quality": 95, "progressive": True}, 2),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 4),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        pytest.param("TIFF", {"compression": "tiff_deflate"}, 0, marks=needs_zip),
        ("BMP", {}, 0),
    ],
)
def test_formats(kind, options, tolerance):
    found = photo.decode(save(picture(), kind, **options))
    assert off(found.texture) <= tolerance
    assert found.source_size == SIZE
    assert (found.focal_35mm, found.disparity, found.notes) == (None, None, ())


def test_gif_takes_the_first_frame():
    frames = [Image.fromarray(picture()[::step]).resize(SIZE) for step in (1, -1)]
    found = photo.decode(save(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert off(found.texture) < 12
    assert found.notes == ("Only the first frame was used.",)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_other_films_take_the_first_frame(kind):
    first, second = Image.fromarray(picture()), Image.new("RGB", SIZE, "red")
    data = save(first, kind, save_all=True, append_images=[second])
    if kind == "WEBP":
        data = save(first, kind, save_all=True, append_images=[second], lossless=True)
    found = photo.decode(data)
    assert off(found.texture) == 0
    assert found.notes == ("Only the first frame was used.",)


def test_companions_of_a_phone_photo_are_no_film():
    found = photo.decode(save(Image.fromarray(picture()), "MPO", save_all=True, append_images=[Image.new("RGB", SIZE)]))
    assert off(found.texture) < 3
    assert found.notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(orientation, kind):
    """What Pillow's own transposition shows, we show."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(picture(), kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    found = photo.decode(data)
    assert off(found.texture, np.asarray(expected)) == 0
    assert found.source_size == expected.size


def test_stored_depth_turns_with_the_photo():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: the stored left is the upper end
    found = photo.decode(gdepth(DEPTH, photo=save(picture(), "JPEG", exif=exif)))
    assert found.disparity.shape == found.texture.shape[:2] == (WIDTH, HEIGHT)
    assert found.disparity[0].min() > 0.95
    assert found.disparity[-1].max() < 0.05
    assert found.texture[-1].astype(int)[:, 0].min() > 240  # red grew to the right, now downwards


def test_stored_depth_is_told():
    found = photo.decode(gdepth(DEPTH))
    assert found.disparity[:, 0].min() > 0.95
    assert found.notes == ("Depth was taken from the photo itself.",)


@pytest.mark.parametrize("depth", [b"none", save(ramp(width=64, height=96), "PNG")])
def test_useless_depth_is_told(depth):
    found = photo.decode(gdepth(depth))
    assert found.disparity is None
    assert "estimated" in found.notes[0]


@pytest.mark.parametrize(("value", "expected"), [(28, 28.0), (0, None), (65535, None)])
def test_focal_length(value, expected):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = value
    assert photo.decode(save(picture(), "JPEG", exif=exif)).focal_35mm == expected


def test_damaged_exif_is_as_good_as_none():
    junk = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(200))
    found = photo.decode(with_segments(save(picture(), "JPEG", quality=95), [junk]))
    assert off(found.texture) < 2


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_laid_on_grey(kind):
    pixels = np.dstack([picture(), ramp()])
    found = photo.decode(save(pixels, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})))
    alpha = ramp()[..., None] / 255
    assert off(found.texture, np.rint(picture() * alpha + 128 * (1 - alpha)).astype(np.uint8)) < 0.6
    assert found.notes == ("Transparent parts were laid on grey.",)


def test_transparency_of_grey_and_of_palettes():
    grey = Image.merge("LA", [Image.new("L", SIZE, 200), Image.fromarray(ramp())])
    palette = Image.new("P", SIZE, 1)
    palette.putpalette([10, 20, 30, 200, 200, 200])
    palette.paste(0, (0, 0, WIDTH // 2, HEIGHT))
    for data in (save(grey, "PNG"), save(palette, "PNG", transparency=0), save(palette, "GIF", transparency=0)):
        texture = photo.decode(data).texture
        assert np.abs(texture[:, 0].astype(int) - 128).max() <= 1
        assert np.abs(texture[:, -1].astype(int) - 200).max() <= 1
    keyed = save(Image.new("RGB", SIZE, (9, 9, 9)), "PNG", transparency=(9, 9, 9))
    assert (photo.decode(keyed).texture == 128).all()


def test_an_opaque_alpha_channel_needs_no_note():
    found = photo.decode(save(np.dstack([picture(), 0 * ramp() + 255]), "PNG"))
    assert off(found.texture) == 0
    assert found.notes == ()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA"])
def test_modes_with_few_colours(mode):
    image = Image.fromarray(picture()).convert(mode)
    assert off(photo.decode(save(image, "PNG")).texture, np.asarray(image.convert("RGB"))) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(kind):
    found = photo.decode(save(ramp(np.uint16), kind))
    assert off(found.texture, np.repeat(ramp()[..., None], 3, 2)) < 0.6
    assert found.notes == ()


def test_16_bit_colour_is_scaled():
    """Pillow writes none, so the file is made by hand: PNG, 16 bits, RGB."""
    import struct
    import zlib

    rows = b"".join(b"\0" + row.tobytes() for row in (picture().astype(">u2") * 257))
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">2I5B", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    assert off(photo.decode(data).texture) == 0


@pytest.mark.parametrize(
    ("values", "stretched"),
    [
        (ramp() / np.float32(255), False),
        (ramp().astype(np.float32) * 40 - 900, True),
        (ramp().astype(np.int32) * 257, False),
        (ramp().astype(np.int32) * 5000, True),
    ],
)
def test_floats_and_long_integers(values, stretched):
    found = photo.decode(save(values, "TIFF"))
    assert off(found.texture, np.repeat(ramp()[..., None], 3, 2)) < 0.6
    assert bool(found.notes) == stretched


def test_floats_that_are_no_numbers():
    values = np.full((64, 96), np.nan, np.float32)
    values[:, 50:] = np.inf
    assert (photo.decode(save(values, "TIFF")).texture == 0).all()


def test_cmyk():
    found = photo.decode(save(Image.fromarray(picture()).convert("CMYK"), "JPEG", quality=95))
    assert off(found.texture) < 4
    assert "CMYK" in found.notes[0]


def test_profiles_are_applied():
    from tests.unit.test_icc import profile

    grey = np.full((64, 96, 3), 128, np.uint8)
    found = photo.decode(save(grey, "PNG", icc_profile=profile()))
    assert off(found.texture, grey) <= 1
    assert found.notes == (icc.APPLIED,)
    assert photo.decode(save(grey, "JPEG", icc_profile=b"junk" * 50)).notes == (icc.NOT_APPLIED,)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_photos_are_reduced(kind):
    found = photo.decode(save(picture(3000, 2000), kind, **({"quality": 95} if kind == "JPEG" else {})))
    assert found.texture.shape == (1024, 1536, 3)
    assert off(found.texture, picture(1536, 1024)) < 2
    assert found.source_size == (3000, 2000)


def test_small_photos_are_not_enlarged():
    assert photo.decode(save(picture(), "PNG")).texture.shape == (HEIGHT, WIDTH, 3)


def test_200_megapixels():
    """A JPEG is decoded at an eighth; a PNG would have to be decoded whole."""
    large = Image.new("RGB", (16000, 12500), (200, 100, 50))
    jpeg = save(large, "JPEG")
    found = photo.decode(jpeg)
    assert found.texture.shape == (1200, 1536, 3)
    assert np.abs(found.texture.astype(int) - (200, 100, 50)).max() <= 3
    assert refused(save(Image.new("L", large.size), "PNG")) == "too-large"


def test_memory_of_progressive_photos_counts():
    data = save(picture(400, 400), "JPEG", progressive=True)
    assert photo.decode(data).source_size == (400, 400)
    assert refused(data, max_bytes=800_000) == "too-large"  # 640 kB of pixels, 480 kB of coefficients
    assert photo.decode(save(picture(400, 400), "JPEG"), photo.PhotoOptions(max_bytes=800_000)).notes == ()


@pytest.mark.parametrize(
    ("size", "code"),
    [((1, 1), "too-small"), ((31, 500), "too-small"), ((32, 257), "too-narrow"), ((1, 5000), "too-small")],
)
def test_sizes_that_make_no_3d_photo(size, code):
    assert refused(save(Image.new("RGB", size), "PNG")) == code
    with pytest.raises(UserError) as error:
        photo.from_pixels(np.zeros((size[1], size[0], 3), np.uint8))
    assert error.value.code == code


def test_a_header_of_many_pixels():
    import struct
    import zlib

    header = b"IHDR" + struct.pack(">2I5B", 20000, 10000, 8, 2, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    assert refused(head + b"\0\0\0\0IDAT") == "too-large"
    assert (
        refused(save(Image.new("L", (64, 64)), "JPEG").replace(b"\0@\0@\1\1", b"\xff\xff\xff\xff\1\1")) == "too-large"
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"These are words.", "unsupported-format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "unsupported-format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-format"),
        (b"\0\0\0\x20ftypheic" + b"\0" * 50, "unsupported-format"),
        (b"\xff\xd8\xff", "unsupported-format"),
        (b"\x89PNG\r\n\x1a\n", "unsupported-format"),
    ],
)
def test_other_files(data, code):
    assert refused(data) == code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_half_a_file_is_refused(kind):
    data = save(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8), kind)
    assert refused(data[: len(data) // 2]) in ("damaged", "unsupported-format")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif():
    assert off(photo.decode(save(picture(), "AVIF", quality=90)).texture) < 3


def test_pillow_is_left_as_it_was():
    limit = Image.MAX_IMAGE_PIXELS
    photo.decode(save(picture(), "PNG"))
    refused(b"words")
    assert limit == Image.MAX_IMAGE_PIXELS
    assert limit


def test_from_pixels():
    found = photo.from_pixels(np.dstack([picture(), 0 * ramp() + 255]), focal_35mm=26)
    assert off(found.texture) == 0
    assert (found.focal_35mm, found.notes, found.source_size) == (26, (), SIZE)
    assert photo.from_pixels(picture(3000, 2000)).texture.shape == (1024, 1536, 3)
    half = photo.from_pixels(np.dstack([picture(), ramp()]))
    assert np.abs(half.texture[:, 0].astype(int) - 128).max() == 0
    assert half.notes == ("Transparent parts were laid on grey.",)


@pytest.mark.parametrize(
    "pixels", [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3)), np.zeros((64, 64, 2), np.uint8)]
)
def test_pixels_of_another_kind(pixels):
    with pytest.raises(UserError):
        photo.from_pixels(pixels)
