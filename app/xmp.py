"""Depth that a phone stored inside its JPEG.

GDepth: the map is base64 in XMP, mostly in an extended packet that spans many APP1 segments
(developers.google.com/depthmap-metadata). Dynamic Depth: XMP holds a directory of files that follow the picture
(developer.android.com/media/camera/camera2/Dynamic-depth-v1.0.pdf).
Both say how levels become depth: RangeInverse is affine in 1 / depth, RangeLinear in depth.
"""

import base64
import re
import struct
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
from PIL import Image

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
EXTENDED_HEADER = 32 + 4 + 4  # bytes: digest of the packet, its length, this part's place in it
GDEPTH = "{http://ns.google.com/photos/1.0/depthmap/}"
DYNAMIC_DEPTH = "{http://ns.google.com/photos/dd/1.0/depthmap/}"
APP1, START_OF_SCAN, END_OF_IMAGE, START_OF_IMAGE = 0xE1, 0xDA, 0xD9, b"\xff\xd8"
MAX_PIXELS = 50_000_000  # of a depth map; phones store far less than one million
LEAST_SIDE = 8  # pixels


class Unreadable(Exception):
    """The photo says that it carries depth, and the depth cannot be read."""


def disparity(jpeg: bytes) -> np.ndarray | None:
    """Disparity (h, w) float32 in 0..1, larger = nearer, that a JPEG carries; None where it carries none.

    It lies as the stored picture lies, before any EXIF orientation. Raises Unreadable.
    """
    packets = _packets(jpeg)
    if not any(b"depthmap" in packet for packet in packets):
        return None
    try:
        roots = [_parse(packet) for packet in packets]
        google, dynamic = _properties(roots, GDEPTH), _properties(roots, DYNAMIC_DEPTH)
        if "Data" in google:
            return _to_disparity(base64.b64decode(google["Data"]), google)
        item = _item(roots, dynamic.get("DepthURI"), len(jpeg))
        if item is not None:
            return _to_disparity(jpeg[item], dynamic)
    except Exception as error:  # XML, base64 and images of any make; whatever goes wrong, the photo itself is fine
        raise Unreadable from error
    if google or dynamic:
        raise Unreadable
    return None


def _packets(jpeg: bytes) -> list[bytes]:
    """The XMP packets: the main one, and the extended one put together from its parts."""
    main, parts = [], []
    for segment in _app1(jpeg):
        if segment.startswith(XMP):
            main.append(segment[len(XMP) :])
        elif segment.startswith(EXTENDED_XMP):
            parts.append(segment[len(EXTENDED_XMP) :])
    wanted = re.search(rb"HasExtendedXMP\s*(?:=\s*[\"']|>\s*)([0-9A-Fa-f]{32})", b"".join(main))
    parts = [
        part for part in parts if len(part) > EXTENDED_HEADER and wanted and part[:32].upper() == wanted[1].upper()
    ]
    parts.sort(key=lambda part: struct.unpack_from(">I", part, 36))
    extended = b"".join(part[EXTENDED_HEADER:] for part in parts)
    return [packet for packet in (*main, extended) if packet]


def _app1(jpeg: bytes):
    """The payloads of the APP1 segments before the picture's data."""
    place = len(START_OF_IMAGE)
    while place + 4 <= len(jpeg) and jpeg[place] == 0xFF:
        marker, length = jpeg[place + 1], struct.unpack_from(">H", jpeg, place + 2)[0]
        if marker in (START_OF_SCAN, END_OF_IMAGE) or length < 2:
            return
        if marker == APP1:
            yield jpeg[place + 4 : place + 2 + length]
        place += 2 + length


def _parse(packet: bytes) -> ElementTree.Element:
    """XML, without the declarations by which a few bytes can grow into gigabytes."""
    text = packet.decode().strip("\0 \r\n\t\ufeff")  # UTF-8 is what JPEGs must use; in UTF-16 the words could hide
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("declarations in XMP")
    return ElementTree.fromstring(text)


def _properties(roots: list[ElementTree.Element], namespace: str) -> dict[str, str]:
    """Local names and values of all properties in a namespace, be they attributes or elements."""
    found = {}
    for element in (element for root in roots for element in root.iter()):
        pairs = [*element.attrib.items(), (element.tag, (element.text or "").strip())]
        found |= {name[len(namespace) :]: value for name, value in pairs if name.startswith(namespace) and value}
    return found


def _item(roots: list[ElementTree.Element], uri: str | None, total: int) -> slice | None:
    """Where in the file the depth map of Dynamic Depth lies: items follow the picture in the directory's order, and
    the last ends with the file."""
    items = [_local(e) for root in roots for e in root.iter() if e.tag.endswith("}Item")]
    start = total
    for item in reversed(items[1:]):  # the first is the picture
        length = int(item.get("Length", "0"))
        end, start = start, start - length - int(item.get("Padding", "0"))
        if item.get("Semantic") == "Depth" or (uri and item.get("DataURI") == uri):
            return slice(max(start, 0), max(start, 0) + length) if end <= total else None
    return None


def _local(element: ElementTree.Element) -> dict[str, str]:
    """Attributes and children of an element by their local names."""
    pairs = [*element.attrib.items(), *((child.tag, (child.text or "").strip()) for child in element)]
    return {name.rpartition("}")[2]: value for name, value in pairs}


def _to_disparity(picture: bytes, properties: dict[str, str]) -> np.ndarray:
    """Levels of the stored picture to disparity, by the format that the properties name."""
    with Image.open(BytesIO(picture), formats=("JPEG", "PNG")) as image:
        if image.width * image.height > MAX_PIXELS or min(image.size) < LEAST_SIDE:
            raise ValueError("size of the depth map")
        grey = np.asarray(image if image.mode.startswith("I") else image.convert("L"))
    level = grey.astype(np.float32) / np.float32(65535 if grey.dtype.itemsize > 1 else 255)  # 0 = near
    near, far = float(properties.get("Near", 0)), float(properties.get("Far", 0))
    if properties.get("Format") == "RangeLinear" and 0 < near < far < float("inf"):
        return np.float32(near) / (np.float32(near) + level * np.float32(far - near))
    return 1 - level
