// The GLB of a 3D photo taken apart and put together, for what app/glb.py writes: one mesh, one texture.

const MAGIC = 0x46546c67;
const JSON_CHUNK = 0x4e4f534a;
const BIN_CHUNK = 0x004e4942;
const SHORT_MAX = 32767;
const USHORT_MAX = 65535;
const STRIDE = 12; // bytes: int16 x, y, z and padding, uint16 u, v
const USHORT = 5123;
const UINT = 5125;
const WEBP = "image/webp";

/** Not the GLB of a 3D photo. */
export class GlbError extends Error {}

/**
 * {positions: Float64Array of glTF coordinates, uv: Float64Array in 0..1, v down, corners: Uint32Array, image:
 * Uint8Array, mime, photo: asset.extras.tiefblick} of a GLB (Uint8Array). Throws GlbError.
 */
export function readGlb(bytes) {
  try {
    return take(bytes);
  } catch (error) {
    throw new GlbError("This file is not a 3D photo made by Tiefblick.", { cause: error });
  }
}

function take(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new Error("magic");
  const jsonLength = view.getUint32(12, true);
  const document = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + jsonLength)));
  const binary = bytes.slice(20 + jsonLength + 8); // a copy begins on an aligned address
  const part = ({ byteOffset = 0, byteLength }) => binary.subarray(byteOffset, byteOffset + byteLength);
  const [vertices, triangles, image] = document.bufferViews.map(part);
  const photo = document.asset.extras.tiefblick;
  const { translation, scale } = document.nodes[0];
  const count = vertices.length / STRIDE;
  const shorts = new Int16Array(vertices.buffer, vertices.byteOffset, vertices.length / 2);
  const positions = Float64Array.from({ length: 3 * count }, (_, i) => {
    const axis = i % 3;
    return shorts[((i - axis) / 3) * (STRIDE / 2) + axis] * scale[axis] + translation[axis];
  });
  const unsigned = new Uint16Array(vertices.buffer, vertices.byteOffset, vertices.length / 2);
  const uv = Float64Array.from({ length: 2 * count }, (_, i) => {
    return unsigned[(i >> 1) * (STRIDE / 2) + 4 + (i % 2)] / USHORT_MAX;
  });
  const Index = { [USHORT]: Uint16Array, [UINT]: Uint32Array }[document.accessors[2].componentType];
  const indices = new Index(triangles.buffer, triangles.byteOffset, triangles.length / Index.BYTES_PER_ELEMENT);
  const corners = Uint32Array.from(indices);
  return { positions, uv, corners, image, mime: document.images[0].mimeType, photo };
}

/** The GLB (Uint8Array) of what `readGlb` returns. Positions are rounded each alone, so that equal ones stay equal. */
export function writeGlb({ positions, uv, corners, image, mime, photo }) {
  const count = positions.length / 3;
  const { low, high } = box(positions);
  const scale = low.map((least, axis) => Math.fround(Math.max((high[axis] - least) / (2 * SHORT_MAX), 1e-30)));
  const translation = low.map((least, axis) => Math.fround((least + high[axis]) / 2));
  const vertices = new DataView(new ArrayBuffer(count * STRIDE));
  const least = [0, 0, 0];
  const most = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < 3; axis++) {
      const exact = (positions[3 * i + axis] - translation[axis]) / scale[axis];
      const value = Math.max(-SHORT_MAX, Math.min(SHORT_MAX, Math.round(exact)));
      vertices.setInt16(i * STRIDE + 2 * axis, value, true);
      least[axis] = i ? Math.min(least[axis], value) : value;
      most[axis] = i ? Math.max(most[axis], value) : value;
    }
    for (let k = 0; k < 2; k++) {
      const value = Math.round(Math.max(0, Math.min(1, uv[2 * i + k])) * USHORT_MAX);
      vertices.setUint16(i * STRIDE + 8 + 2 * k, value, true);
    }
  }
  const narrow = count <= USHORT_MAX;
  const indices = narrow ? Uint16Array.from(corners) : Uint32Array.from(corners);
  const parts = [new Uint8Array(vertices.buffer), new Uint8Array(indices.buffer), image];
  const document = {
    ...scene(photo, mime, translation, scale),
    accessors: [
      { bufferView: 0, componentType: 5122, count, type: "VEC3", min: least, max: most },
      { bufferView: 0, byteOffset: 8, componentType: USHORT, normalized: true, count, type: "VEC2" },
      { bufferView: 1, componentType: narrow ? USHORT : UINT, count: corners.length, type: "SCALAR" },
    ],
  };
  return container(document, parts);
}

function box(positions) {
  const low = [Infinity, Infinity, Infinity];
  const high = low.map((value) => -value);
  positions.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3], value);
    high[i % 3] = Math.max(high[i % 3], value);
  });
  return { low, high };
}

function scene(photo, mime, translation, scale) {
  const webp = mime === WEBP;
  const used = ["KHR_materials_unlit", "KHR_mesh_quantization", ...(webp ? ["EXT_texture_webp"] : [])];
  const lens = {
    yfov: 2 * Math.atan(photo.height / 2 / photo.focal),
    aspectRatio: photo.width / photo.height,
    znear: photo.near / 2,
    zfar: photo.far * 2,
  };
  return {
    asset: { version: "2.0", generator: "Tiefblick", extras: { tiefblick: photo } },
    extensionsUsed: used,
    extensionsRequired: used.slice(1),
    scene: 0,
    scenes: [{ nodes: [0, 1] }],
    nodes: [{ name: "photo", mesh: 0, translation, scale }, { name: "camera", camera: 0 }],
    cameras: [{ type: "perspective", perspective: lens }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0, TEXCOORD_0: 1 }, indices: 2, material: 0 }] }],
    materials: [
      {
        pbrMetallicRoughness: { baseColorTexture: { index: 0 }, metallicFactor: 0, roughnessFactor: 1 },
        extensions: { KHR_materials_unlit: {} },
      },
    ],
    textures: [{ sampler: 0, ...(webp ? { extensions: { EXT_texture_webp: { source: 0 } } } : { source: 0 }) }],
    samplers: [{ magFilter: 9729, minFilter: 9729, wrapS: 33071, wrapT: 33071 }], // no mipmaps: they would mix pages
    images: [{ bufferView: 2, mimeType: mime }],
  };
}

function container(document, parts) {
  const aligned = (length) => Math.ceil(length / 4) * 4;
  let end = 0;
  document.bufferViews = parts.map((part, i) => {
    const view = { buffer: 0, byteOffset: end, byteLength: part.length };
    end += aligned(part.length);
    return i === 0 ? { ...view, byteStride: STRIDE, target: 34962 } : i === 1 ? { ...view, target: 34963 } : view;
  });
  document.buffers = [{ byteLength: end }];
  const json = new TextEncoder().encode(JSON.stringify(document));
  const jsonLength = aligned(json.length);
  const glb = new Uint8Array(12 + 8 + jsonLength + 8 + end).fill(0x20, 20, 20 + jsonLength);
  const view = new DataView(glb.buffer);
  [MAGIC, 2, glb.length, jsonLength, JSON_CHUNK].forEach((value, i) => view.setUint32(4 * i, value, true));
  view.setUint32(20 + jsonLength, end, true);
  view.setUint32(24 + jsonLength, BIN_CHUNK, true);
  glb.set(json, 20);
  parts.forEach((part, i) => glb.set(part, 28 + jsonLength + document.bufferViews[i].byteOffset));
  return glb;
}
