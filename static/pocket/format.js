// What a pocket link holds: the whole 3D photo as text behind the # of an address, which browsers never send anywhere.
//
//   bytes 0-1   "Tb"
//   byte  2     version
//   bytes 3-6   CRC-32 of all that follows
//   bytes 7-8   length of the range coded part: the camera, the atlas's layout, the mesh (see mesh.js)
//   then        that part, then the atlas as WebP or JPEG
//
// Texture coordinates are not stored: they follow from a triangle's page and its corners' places (see app/atlas.py). A
// triangle takes 0.8 bytes (fine meshes) to 2.3 (coarse ones). DEFLATE of the same numbers, each array as differences,
// took three to five times as much (three photos, 500 to 10,800 triangles).

import { codeMesh, MeshError } from "./mesh.js";
import { Reader, Writer } from "./range.js";

export const VERSION = 1;
export const LEVELS = 128; // of disparity; at three per cent of the width, a level moves by a sixth of a lattice pixel
const MAGIC = [0x54, 0x62];
const HEADER = 9;
export const MARGIN = 0.05; // by which the backdrop lies behind and around everything, in disparity and in shares of the frame
const SWIM = 0.5; // lattice pixels by which the texture may be off in the middle of an edge
const MOST_EXPANDED = 400_000; // triangles, so that no link can keep the viewer busy
const SIGN = 1 << 15; // added to signed numbers of 16 bits
const LARGEST_SIDE = 8192; // of lattice and atlas

/** What keeps a link from being opened; `code`: "foreign", "newer", "damaged". */
export class PocketError extends Error {
  constructor(code) {
    super(SENTENCES[code]);
    this.code = code;
  }
}

const SENTENCES = {
  foreign: "This link holds no 3D photo made by Tiefblick.",
  newer: "This link was made by a newer version of Tiefblick. Open it on the site where it was made.",
  damaged: "This link is damaged: part of it is missing or changed. Some messengers cut long links; ask for it again.",
};

/**
 * A pocket photo to its bytes: {camera: {focal, range, near, far, focus}, step, atlas: {width, height, photo: [w, h],
 * offsets: [[x, y], ...]}, mesh (see mesh.js), image: Uint8Array}.
 */
export function pack({ image, ...scene }) {
  const writer = new Writer();
  codeScene(writer, scene);
  const coded = writer.end();
  const bytes = new Uint8Array(HEADER + coded.length + image.length);
  const view = new DataView(bytes.buffer);
  bytes.set([...MAGIC, VERSION]);
  view.setUint16(7, coded.length);
  bytes.set(coded, HEADER);
  bytes.set(image, HEADER + coded.length);
  view.setUint32(3, crc32(bytes.subarray(7)));
  return bytes;
}

/** The inverse of `pack`. Throws PocketError. */
export function unpack(bytes) {
  if (bytes.length < 3 || MAGIC.some((value, i) => bytes[i] !== value)) throw new PocketError("foreign");
  if (bytes[2] > VERSION) throw new PocketError("newer");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER || view.getUint32(3) !== crc32(bytes.subarray(7))) throw new PocketError("damaged");
  const end = HEADER + view.getUint16(7);
  try {
    return { ...codeScene(new Reader(bytes.subarray(HEADER, end))), image: bytes.slice(end) };
  } catch (error) {
    if (error instanceof MeshError) throw new PocketError("damaged");
    throw error;
  }
}

function codeScene(coder, scene) {
  const camera = {};
  for (const name of ["focal", "range", "near", "far", "focus"]) camera[name] = coder.float(scene?.camera[name]);
  const sound = Object.values(camera).every((value) => value > 0 && value < Infinity) && camera.near < camera.far;
  if (!sound) throw new MeshError("camera");
  const step = coder.bits(4, scene?.step);
  const side = (value) => {
    const result = coder.bits(16, value);
    if (result > LARGEST_SIDE) throw new MeshError("too large");
    return result;
  };
  const atlas = { width: side(scene?.atlas.width), height: side(scene?.atlas.height) };
  atlas.photo = [side(scene?.atlas.photo[0]), side(scene?.atlas.photo[1])];
  const pages = coder.bits(3, scene?.atlas.offsets.length);
  const offset = (value) => coder.bits(16, value + SIGN) - SIGN;
  atlas.offsets = Array.from({ length: pages }, (_, i) => [0, 1].map((k) => offset(scene?.atlas.offsets[i][k] ?? 0)));
  const mesh = codeMesh(coder, scene?.mesh);
  const within = (values, most) => values.every((value) => value >= 0 && value <= most);
  const inside = within(mesh.x, mesh.width) && within(mesh.y, mesh.height) && within(mesh.d, LEVELS);
  if (!inside) throw new MeshError("outside");
  return { camera, step, atlas, mesh };
}

/**
 * What `writeGlb` needs to show a pocket photo. A backdrop, the photo itself far behind, shows wherever the coarse mesh
 * leaves a gap.
 */
export function expand({ camera, step, atlas, mesh, image }, backdrop = true) {
  const surface = new Surface(camera, mesh.width * step, mesh.height * step, atlas);
  const three = [];
  mesh.corners.forEach((corner, i) => {
    const page = mesh.page[Math.floor(i / 3)];
    if (page > atlas.offsets.length) throw new PocketError("damaged");
    three.push(surface.vertex(mesh.x[corner] * step, mesh.y[corner] * step, mesh.d[corner] / LEVELS, page));
    if (three.length === 3) surface.add(...three.splice(0));
  });
  if (backdrop) {
    const [a, b, c, d] = [[0, 0], [0, 1], [1, 1], [1, 0]].map((at) => {
      const [x, y] = at.map((value) => value + (2 * value - 1) * MARGIN);
      return surface.vertex(x * surface.width, y * surface.height, -MARGIN, 0);
    });
    surface.add(a, b, c);
    surface.add(a, c, d);
  }
  const mime = image[0] === 0xff ? "image/jpeg" : "image/webp";
  const { positions, uv, corners, width, height } = surface;
  return { positions, uv, corners, image, mime, photo: extras(camera, width, height) };
}

/**
 * Triangles in glTF coordinates. A texture is interpolated in space but belongs to the picture, where equal steps are
 * not equal in space: on large triangles that slope away it would swim. So edges are halved until it does not; that
 * adds nothing to the link, and whether an edge is halved depends on its own ends alone, so that no crack opens.
 */
class Surface {
  positions = [];
  uv = [];
  corners = [];
  #vertices = []; // [x, y, disparity, page]
  #known = new Map();

  constructor(camera, width, height, atlas) {
    Object.assign(this, { camera, width, height, atlas });
  }

  vertex(x, y, disparity, page) {
    const name = `${x} ${y} ${disparity} ${page}`;
    if (!this.#known.has(name)) {
      this.#known.set(name, this.#vertices.push([x, y, disparity, page]) - 1);
      const depth = 1 / this.#inverse(disparity);
      const { focal } = this.camera;
      this.positions.push(((x - this.width / 2) / focal) * depth, ((this.height / 2 - y) / focal) * depth, -depth);
      const { photo, offsets } = this.atlas;
      const [u, v] = page
        ? [x + offsets[page - 1][0], y + offsets[page - 1][1]]
        : [(x * photo[0]) / this.width, (y * photo[1]) / this.height];
      this.uv.push(u / this.atlas.width, v / this.atlas.height);
    }
    return this.#known.get(name);
  }

  add(a, b, c) {
    const middle = [[a, b], [b, c], [c, a]].map(([from, to]) => this.#middle(from, to));
    const first = middle.findIndex((vertex) => vertex >= 0);
    if (first < 0) {
      this.corners.push(a, b, c);
      if (this.corners.length > 3 * MOST_EXPANDED) throw new PocketError("damaged");
    } else if (middle.every((vertex) => vertex >= 0)) {
      const [ab, bc, ca] = middle;
      for (const triangle of [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]) this.add(...triangle);
    } else {
      const [from, to, tip] = [[a, b, c], [b, c, a], [c, a, b]][first];
      this.add(from, middle[first], tip);
      this.add(middle[first], to, tip);
    }
  }

  /** The vertex in the middle of an edge on which the texture would swim, or -1. */
  #middle(from, to) {
    const [[x, y, d, page], [u, v, e]] = [this.#vertices[from], this.#vertices[to]];
    const [near, far] = [this.#inverse(d), this.#inverse(e)];
    const swim = (Math.abs(near - far) / (near + far) / 2) * Math.hypot(x - u, y - v);
    return swim > SWIM ? this.vertex((x + u) / 2, (y + v) / 2, (d + e) / 2, page) : -1;
  }

  #inverse(disparity) {
    return 1 / this.camera.far + disparity * (1 / this.camera.near - 1 / this.camera.far);
  }
}

/** asset.extras.tiefblick, as app/glb.py writes it. */
function extras(camera, width, height) {
  const { focal, range, near, far, focus } = camera;
  const inverse = 1 / near - 1 / far;
  const parallax = range * width;
  const still = (1 / focus - 1 / far) / inverse;
  const margin = parallax * Math.max(still, 1 - still);
  const zoom = 1 - (2 * margin) / Math.min(width, height);
  return { version: 1, range, radius: parallax / focal / inverse, focus, near, far, width, height, focal, zoom };
}

/** Bytes to the text of a link's fragment, and back. */
export function toText(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Throws PocketError. Spaces and line breaks that a messenger put in do no harm. */
export function fromText(text) {
  const clean = text.replace(/%20|%0A|%0D|\s/gi, "");
  const sound = /^[\w-]+$/.test(clean) && clean.length % 4 !== 1;
  if (!sound) throw new PocketError(clean.startsWith("VG") ? "damaged" : "foreign");
  const binary = atob(clean.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let i = 0; i < 8; i++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ TABLE[(value ^ byte) & 255];
  return (value ^ 0xffffffff) >>> 0;
}
