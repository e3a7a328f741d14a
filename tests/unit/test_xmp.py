import numpy as np
import pytest

from app import xmp
from tests.photos import SIZE, dynamic_depth, gdepth, picture, ramp, save, with_segments
from tests.photos import xmp as packet

LEVELS = ramp() / 255.0  # 0 = near at the left


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_range_inverse_is_affine_in_disparity(extended, dtype):
    found = xmp.disparity(gdepth(save(ramp(dtype), "PNG"), extended=extended))
    assert found.dtype == np.float32
    assert found == pytest.approx(1 - LEVELS, abs=0.005)


def test_range_linear_is_affine_in_depth():
    """Near 1, far 10: metres at the middle are 5.5, where a quarter of the levels is 3.25."""
    found = xmp.disparity(gdepth(save(ramp(), "PNG"), "RangeLinear"))
    assert found == pytest.approx(1 / (1 + 9 * LEVELS), abs=1e-5)


@pytest.mark.parametrize(("near", "far"), [(0, 10), (5, 5), ("nan", "inf"), (1, "inf")])
def test_range_linear_without_a_range_keeps_the_order(near, far):
    found = xmp.disparity(gdepth(save(ramp(), "PNG"), "RangeLinear", near, far))
    assert (np.diff(found, axis=1) <= 0).all()
    assert np.ptp(found) > 0.9


def test_jpeg_depth_of_other_size():
    found = xmp.disparity(gdepth(save(ramp(width=48, height=32), "JPEG", quality=95)))
    assert found.shape == (32, 48)
    assert found[:, 0].min() > 0.95


def test_a_packet_of_megabytes():
    noise = np.random.default_rng(0).integers(0, 255, (900, 1350), np.uint8)
    found = xmp.disparity(gdepth(save(noise, "PNG")))
    assert found == pytest.approx(1 - noise / 255, abs=1e-6)


@pytest.mark.parametrize("by_uri", [False, True])
@pytest.mark.parametrize("tail", [b"", b"a film of many bytes"])
def test_dynamic_depth(by_uri, tail):
    assert xmp.disparity(dynamic_depth(save(ramp(), "PNG"), tail, by_uri)) == pytest.approx(1 - LEVELS, abs=0.005)


@pytest.mark.parametrize(
    "jpeg",
    [
        save(picture(), "JPEG"),
        with_segments(save(picture(), "JPEG"), [b"Exif\0\0nothing", xmp.XMP + packet("")]),
        b"\xff\xd8",
        b"\xff\xd8\xff\xe1\0\0",
        b"\xff\xd8\xff\xe1\xff\xff" + xmp.XMP,
    ],
)
def test_photos_without_depth(jpeg):
    assert xmp.disparity(jpeg) is None


BOMB = b'<!DOCTYPE d [<!ENTITY a "depthmap"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><d>&b;</d>'


@pytest.mark.parametrize(
    "jpeg",
    [
        gdepth(b"no picture"),
        gdepth(save(ramp(), "PNG")[:-30]),
        gdepth(save(ramp(width=4, height=4), "PNG")),
        gdepth(save(ramp(), "PNG")).replace(b"HasExtendedXMP", b"HasNothingXMPX"),
        gdepth(save(ramp(), "PNG"), extended=False).replace(b"</rdf:RDF>", b"</rdf:XXX>"),
        dynamic_depth(save(ramp(), "PNG")) + b"more than the directory knows",
        dynamic_depth(save(ramp(), "PNG")).replace(b'Item:Length="6"', b'Item:Length="99999999"'),
        dynamic_depth(save(ramp(), "PNG")).replace(b'Item:Length="6"', b'Item:Length="x"'),
        with_segments(save(picture(), "JPEG"), [xmp.XMP + BOMB]),
        with_segments(save(picture(), "JPEG"), [xmp.XMP + b"depthmap" + BOMB.decode().encode("utf-16")]),
    ],
)
def test_broken_depth_is_told_from_none(jpeg):
    with pytest.raises(xmp.Unreadable):
        xmp.disparity(jpeg)


def test_size_of_the_photo_does_not_matter():
    assert SIZE == (96, 64)
    assert xmp.disparity(gdepth(save(ramp(), "PNG"), photo=save(picture(300, 200), "JPEG"))).shape == (64, 96)
