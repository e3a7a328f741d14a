"""Small photo files for the tests, made on the spot."""

import base64
import hashlib
import io
import struct

import numpy as np
from PIL import Image

SIZE = 96, 64  # width, height


def picture(width: int = SIZE[0], height: int = SIZE[1]) -> np.ndarray:
    """(H, W, 3) uint8, smooth, no two quarters alike: red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), 0 * x + 60], 2).astype(np.uint8)


def ramp(dtype=np.uint8, width: int = SIZE[0], height: int = SIZE[1]) -> np.ndarray:
    """(H, W) of a depth map: left is 0, right is the type's largest."""
    return np.rint(np.linspace(0, np.iinfo(dtype).max, width)).astype(dtype)[None].repeat(height, 0)


def save(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_segments(jpeg: bytes, payloads: list[bytes]) -> bytes:
    """A JPEG with APP1 segments put in after its start."""
    return jpeg[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(p) + 2) + p for p in payloads) + jpeg[2:]


def xmp(body: str, attributes: str = "") -> bytes:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" '
        'xmlns:Container="http://ns.google.com/photos/dd/1.0/container/" '
        'xmlns:Item="http://ns.google.com/photos/dd/1.0/item/" '
        f'xmlns:DepthMap="http://ns.google.com/photos/dd/1.0/depthmap/" {attributes}>{body}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def gdepth(depth: bytes, how: str = "RangeInverse", near=1.0, far=10.0, extended: bool = True, photo=None) -> bytes:
    """A JPEG with a depth map as Google's camera stores it: in an extended packet of many segments, or in the first."""
    photo = photo or save(picture(), "JPEG", quality=95)
    about = f'GDepth:Format="{how}" GDepth:Near="{near}" GDepth:Far="{far}" GDepth:Mime="image/png"'
    data = f'GDepth:Data="{base64.b64encode(depth).decode()}"'
    main = b"http://ns.adobe.com/xap/1.0/\0"
    if not extended:
        return with_segments(photo, [main + xmp("", f"{about} {data}")])
    packet = xmp("", data)
    digest = hashlib.md5(packet).hexdigest().upper()
    payloads = [main + xmp("", f'{about} xmpNote:HasExtendedXMP="{digest}"')]
    for start in range(0, len(packet), 1000):
        head = digest.encode() + struct.pack(">2I", len(packet), start)
        payloads.append(b"http://ns.adobe.com/xmp/extension/\0" + head + packet[start : start + 1000])
    return with_segments(photo, payloads)


def dynamic_depth(depth: bytes, tail: bytes = b"a film", by_uri: bool = False) -> bytes:
    """A JPEG with a directory of the files behind it: the picture, the depth map, something else."""
    named = 'Item:DataURI="android/depthmap"' if by_uri else 'Item:Semantic="Depth"'
    body = (
        "<Container:Directory><rdf:Seq>"
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary"/></rdf:li>'
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/png" {named} Item:Length="{len(depth)}"/>'
        '</rdf:li><rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="video/mp4" '
        f'Item:Length="{len(tail)}"/></rdf:li></rdf:Seq></Container:Directory>'
        "<DepthMap:Format>RangeInverse</DepthMap:Format><DepthMap:Near>1</DepthMap:Near><DepthMap:Far>9</DepthMap:Far>"
        "<DepthMap:DepthURI>android/depthmap</DepthMap:DepthURI>"
    )
    photo = save(picture(), "JPEG", quality=95)
    return with_segments(photo, [b"http://ns.adobe.com/xap/1.0/\0" + xmp(body)]) + depth + tail
