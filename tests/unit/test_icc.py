import io
import struct

import numpy as np
import pytest
from PIL import Image

from app import icc

DISPLAY_P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PARAMETRIC_SRGB = b"para\0\0\0\0\0\3\0\0" + struct.pack(
    ">5i", *(round(v * 65536) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
)
GAMMA_22 = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.19921875 * 256))
SAMPLED = b"curv\0\0\0\0" + struct.pack(">I256H", 256, *np.rint(np.linspace(0, 1, 256) ** 1.8 * 65535).astype(int))


def profile(primaries=DISPLAY_P3, curve=PARAMETRIC_SRGB) -> bytes:
    """A display profile as ICC.1 wants it."""
    tags = {
        name: b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in column))
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt"), (*primaries, (0.9642, 1, 0.8249)), strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags[b"desc"] = b"mluc\0\0\0\0" + struct.pack(">2I2s2s2I", 1, 12, b"en", b"US", 2, 28) + b"\0P\0\0"
    tags[b"cprt"] = tags[b"desc"]
    table, data, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += struct.pack(">4s2I", name, start + len(data), len(tag))
        data += tag.ljust(-(-len(tag) // 4) * 4, b"\0")
    header = struct.pack(">I4sI4s4s4s12x4s28x3I", start + len(data), b"\0" * 4, 0x04300000, b"mntr", b"RGB ", b"XYZ ",
                         b"acsp", 0xF6D6, 0x10000, 0xD32D)  # fmt: skip
    return header.ljust(128, b"\0") + table + data


def noise(low: int = 0, high: int = 255) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(low, high + 1, (64, 64, 3), np.uint8))


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB])
@pytest.mark.parametrize("curve", [PARAMETRIC_SRGB, GAMMA_22, SAMPLED])
def test_agrees_with_littlecms(primaries, curve):
    cms = pytest.importorskip("PIL.ImageCms")
    try:
        source = cms.ImageCmsProfile(io.BytesIO(profile(primaries, curve)))
    except ImportError:
        pytest.skip("this Pillow has no LittleCMS")
    expected = cms.profileToProfile(noise(), source, cms.createProfile("sRGB"))
    ours, note = icc.to_srgb(noise(), profile(primaries, curve))
    difference = np.abs(np.asarray(ours, int) - np.asarray(expected, int))
    assert note == icc.APPLIED
    assert difference.mean() < 0.5
    assert np.percentile(difference, 99) <= 5  # where a colour leaves sRGB the table rounds the corner


def test_display_p3_colours():
    """Greys stay, a strong red of Display P3 is out of sRGB, a soft one becomes stronger."""
    pixels = Image.new("RGB", (3, 1))
    pixels.putdata([(128, 128, 128), (255, 0, 0), (180, 120, 120)])
    grey, strong, soft = np.asarray(icc.to_srgb(pixels, profile())[0])[0].astype(int)
    assert np.abs(grey - 128).max() <= 1
    assert strong.tolist() == [255, 0, 0]
    assert soft == pytest.approx([188, 118, 118], abs=2)


def test_srgb_is_left_alone():
    primaries = tuple(map(tuple, icc.SRGB.T))
    image = noise()
    ours, note = icc.to_srgb(image, profile(primaries))
    assert ours is image
    assert note is None


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
def test_parametric_curves(kind):
    """One curve, a power of 2.2, written in each of the five ways."""
    parameters = [(2.2,), (2.2, 1, 0), (2.2, 1, 0, 0), (2.2, 1, 0, 1, 0), (2.2, 1, 0, 1, 0, 0, 0)][kind]
    tag = struct.pack(">4s4xH2x", b"para", kind) + struct.pack(
        f">{len(parameters)}i", *(round(p * 65536) for p in parameters)
    )
    levels = np.linspace(0, 1, 50)
    assert icc._evaluate(icc._curve(tag), levels) == pytest.approx(levels**2.2, abs=1e-4)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"no profile",
        profile()[:200],
        profile().replace(b"rXYZ", b"A2B0"),
        profile().replace(b"RGB XYZ ", b"CMYKLab "),
        profile().replace(b"para", b"????"),
    ],
)
def test_other_profiles_are_noted(damage):
    image = noise()
    ours, note = icc.to_srgb(image, damage)
    assert ours is image
    assert note == icc.NOT_APPLIED
