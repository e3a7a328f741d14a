"""The 3D photo as one binary glTF file, and back.

Format: glTF 2.0 with KHR_materials_unlit (the photo is its own light) and KHR_mesh_quantization. A vertex takes 12
bytes (20 in float32): int16 x, y, z and two bytes of padding, uint16 u, v. The node that holds the mesh turns the
integers into scene units, so that any reader of the extension sees the coordinates of `camera.py`. Meshopt or Draco
would be smaller still, but cost every viewer a decoder.

Quantisation works on each vertex alone, so that vertices which share a place before share it after: welded borders
stay bit-identical and no crack opens. The step is the mesh's extent / 65534; the far plane is 8 times as wide as the
near one, so that rounding moves a near vertex by at most 0.05 pixels of a 768-px lattice.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from io import BytesIO
from math import atan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from app.camera import Camera
from app.errors import UserError

if TYPE_CHECKING:
    from app.mesh import Mesh

VERSION = 1  # of asset.extras.tiefblick
MAGIC, GLTF_VERSION, JSON_CHUNK, BIN_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
SHORT, UNSIGNED_SHORT, UNSIGNED_INT, FLOAT = 5122, 5123, 5125, 5126  # component types
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, LINEAR, CLAMP_TO_EDGE = 34962, 34963, 9729, 33071
SHORT_MAX, UNSIGNED_SHORT_MAX = 32767, 65535  # the largest uint16 index restarts primitives, so a mesh may not use it
VERTEX = np.dtype({"names": ["position", "uv"], "formats": ["3<i2", "2<u2"], "offsets": [0, 8], "itemsize": 12})
CLIP_MARGIN = 2.0  # clip planes stand this factor before the near and behind the far end of the scene


@dataclass(frozen=True)
class GlbOptions:
    """jpeg_quality: of the atlas, 1 to 95. Atlases of eight photos of 1.3 to 5 MP take 74 to 203 kB at 80; 85 takes 8 %
    more, 90 takes 37 %."""

    jpeg_quality: int = 80


class Decoded(NamedTuple):
    """A GLB taken apart: float32 glTF positions (V, 3), uv (V, 2), int32 triangles (T, 3), atlas (H, W, 3) uint8, and
    asset.extras.tiefblick."""

    positions: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    atlas: np.ndarray
    extras: dict


def encode(mesh: Mesh, camera: Camera, atlas: np.ndarray | bytes, options: GlbOptions = GlbOptions()) -> bytes:
    """The GLB of a mesh: `atlas` is (H, W, 3) uint8, or a JPEG that the caller made already."""
    jpeg = atlas if isinstance(atlas, bytes) else _jpeg(atlas, options.jpeg_quality)
    vertices, centre, step = _quantise(camera.unproject(mesh.points, mesh.disparity), mesh.uv)
    narrow = len(vertices) <= UNSIGNED_SHORT_MAX
    triangles = mesh.triangles.astype("<u2" if narrow else "<u4")
    chunks = [vertices.tobytes(), triangles.tobytes(), jpeg]
    starts = np.cumsum([0] + [_aligned(len(chunk)) for chunk in chunks]).tolist()
    views = [
        {"buffer": 0, "byteOffset": start, "byteLength": len(chunk)}
        for start, chunk in zip(starts[:-1], chunks, strict=True)
    ]
    views[0] |= {"byteStride": VERTEX.itemsize, "target": ARRAY_BUFFER}
    views[1] |= {"target": ELEMENT_ARRAY_BUFFER}
    document = {
        **_scene(camera, centre, step),
        "accessors": _accessors(vertices, triangles),
        "bufferViews": views,
        "buffers": [{"byteLength": starts[-1]}],
    }
    return _container(document, b"".join(chunk.ljust(_aligned(len(chunk)), b"\0") for chunk in chunks))


def decode(glb: bytes) -> Decoded:
    """Read a GLB that `encode` wrote. Raises UserError("not-a-3d-photo") for any other bytes."""
    try:
        magic, version, length, json_length, json_type = struct.unpack_from("<5I", glb)
        if (magic, version, length, json_type) != (MAGIC, GLTF_VERSION, len(glb), JSON_CHUNK):
            raise ValueError("header")
        document = json.loads(glb[20 : 20 + json_length])
        binary = memoryview(glb)[20 + json_length + 8 :]
        vertices, triangles, jpeg = (
            binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]] for view in document["bufferViews"]
        )
        vertices = np.frombuffer(vertices, VERTEX)
        index_type = {UNSIGNED_SHORT: "<u2", UNSIGNED_INT: "<u4"}[document["accessors"][2]["componentType"]]
        triangles = np.frombuffer(triangles, index_type).reshape(-1, 3).astype(np.int32)
        node = document["nodes"][0]
        positions = vertices["position"] * np.float32(node["scale"]) + np.float32(node["translation"])
        with Image.open(BytesIO(jpeg)) as image:
            atlas = np.asarray(image.convert("RGB"))
        extras = document["asset"]["extras"]["tiefblick"]
    except (ValueError, KeyError, IndexError, TypeError, struct.error, OSError) as error:
        raise UserError("not-a-3d-photo", "This file is not a 3D photo made by Tiefblick.") from error
    return Decoded(positions, vertices["uv"] / np.float32(UNSIGNED_SHORT_MAX), triangles, atlas, extras)


def camera_of(extras: dict) -> Camera:
    """The camera that asset.extras.tiefblick describes."""
    near, far, focus = extras["near"], extras["far"], extras["focus"]
    disparity = (1 / focus - 1 / far) / (1 / near - 1 / far)
    return Camera(extras["width"], extras["height"], extras["focal"], extras["range"], near, far, disparity)


def _quantise(positions: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(V, 3) positions and (V, 2) UVs to interleaved vertices, and the centre and step (3,) that undo it."""
    low, high = positions.min(0).astype(np.float64), positions.max(0).astype(np.float64)
    centre = ((low + high) / 2).astype(np.float32)
    step = np.maximum((high - low) / (2 * SHORT_MAX), np.finfo(np.float32).tiny).astype(np.float32)
    vertices = np.zeros(len(positions), VERTEX)  # zeros, so that the padding is the same each time
    vertices["position"] = np.clip(np.rint((positions - centre) / step), -SHORT_MAX, SHORT_MAX)
    vertices["uv"] = np.rint(np.clip(uv, 0, 1) * UNSIGNED_SHORT_MAX)
    return vertices, centre, step


def _accessors(vertices: np.ndarray, triangles: np.ndarray) -> list[dict]:
    position = vertices["position"]
    return [
        {"bufferView": 0, "componentType": SHORT, "count": len(vertices), "type": "VEC3"}
        | {"min": position.min(0).tolist(), "max": position.max(0).tolist()},
        {"bufferView": 0, "byteOffset": 8, "componentType": UNSIGNED_SHORT, "normalized": True}
        | {"count": len(vertices), "type": "VEC2"},
        {"bufferView": 1, "componentType": UNSIGNED_SHORT if triangles.itemsize == 2 else UNSIGNED_INT}
        | {"count": triangles.size, "type": "SCALAR"},
    ]


def _scene(camera: Camera, centre: np.ndarray, step: np.ndarray) -> dict:
    """Everything in the document that does not depend on the buffer's layout."""
    extensions = ["KHR_materials_unlit", "KHR_mesh_quantization"]
    lens = {
        "yfov": 2 * atan(camera.height / 2 / camera.focal),
        "aspectRatio": camera.width / camera.height,
        "znear": camera.near / CLIP_MARGIN,
        "zfar": camera.far * CLIP_MARGIN,
    }
    surface = {"baseColorTexture": {"index": 0}, "metallicFactor": 0, "roughnessFactor": 1}
    primitive = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}
    return {
        "asset": {"version": "2.0", "generator": "Tiefblick", "extras": {"tiefblick": _extras(camera)}},
        "extensionsUsed": extensions,
        "extensionsRequired": extensions[1:],
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [
            {"name": "photo", "mesh": 0, "translation": centre.tolist(), "scale": step.tolist()},
            {"name": "camera", "camera": 0},
        ],
        "cameras": [{"type": "perspective", "perspective": lens}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": surface, "extensions": {"KHR_materials_unlit": {}}}],
        "textures": [{"sampler": 0, "source": 0}],
        # No mipmaps: a coarse level would mix neighbouring charts of the atlas.
        "samplers": [{"magFilter": LINEAR, "minFilter": LINEAR, "wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}],
        "images": [{"bufferView": 2, "mimeType": "image/jpeg"}],
    }


def _extras(camera: Camera) -> dict:
    """What the viewer needs beside the glTF camera: width, height and focal in lattice pixels, else scene units."""
    return {
        "version": VERSION,
        "range": camera.range,
        "radius": camera.radius,
        "focus": float(1 / camera.inverse_depth(np.float64(camera.focus))),
        "near": camera.near,
        "far": camera.far,
        "width": camera.width,
        "height": camera.height,
        "focal": camera.focal,
        "zoom": camera.zoom,
    }


def _jpeg(atlas: np.ndarray, quality: int) -> bytes:
    out = BytesIO()
    Image.fromarray(np.ascontiguousarray(atlas)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _aligned(length: int) -> int:
    """glTF wants chunks and views on multiples of 4 bytes."""
    return -(-length // 4) * 4


def _container(document: dict, binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text = text.ljust(_aligned(len(text)))  # spaces, as the specification asks of the JSON chunk
    header = struct.pack("<3I", MAGIC, GLTF_VERSION, 12 + 8 + len(text) + 8 + len(binary))
    sections = struct.pack("<2I", len(text), JSON_CHUNK), text, struct.pack("<2I", len(binary), BIN_CHUNK), binary
    return b"".join((header, *sections))
