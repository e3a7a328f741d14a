// A GLB made small enough for a link: its mesh simplified and quantised, its atlas scaled down and compressed.
//
// Views of the sample photos (512 to 600 pixels long) against those of their whole GLBs, in Chromium with WebP, by
// `python -m tests.bench.pocket`; views from the four extremes differ from these by 0.1 dB:
//
//   link, characters    4,096           8,000           16,384          32,768          65,000
//   astronaut           22.2 dB 0.69    25.4 dB 0.81    28.8 dB 0.90    32.9 dB 0.96    36.9 dB 0.98   PSNR, SSIM
//   cat                 29.8 dB 0.80    32.5 dB 0.88    36.4 dB 0.95    42.1 dB 0.99    46.9 dB 1.00
//   coffee              25.8 dB 0.74    27.8 dB 0.80    30.8 dB 0.88    35.3 dB 0.95    40.7 dB 0.99
//
// A photo of 1,536 pixels with 13,800 triangles reached 22 dB at 8,000 characters and 27 dB at 65,000. Making a link
// takes 0.1 to 1.1 s, of that one up to 4.5 s (two shared cores). Safari writes no WebP: there the atlas is JPEG and
// the picture worse, by how much was not measured.

import { MeshoptSimplifier } from "meshoptimizer/simplifier";
import { LEVELS, pack } from "./format.js";
import { readGlb } from "./glb.js";
import { MOST_TRIANGLES, MOST_VERTICES, codeMesh } from "./mesh.js";
import { Writer } from "./range.js";

// Tried on three photos at 8 and 16 kB: 48, 96 and 192 differ by 0.3 dB at most, shares of 0.12, 0.2 and 0.3 by 2.6 dB;
// 0.12 is up to 0.4 dB better at 16 kB, and up to 2.6 dB worse at 8 kB.
const DEPTH_WEIGHT = 64; // lattice pixels that the whole range of disparity counts for in the simplifier's error
const MESH_SHARE = 0.2; // of the bytes
const ERRORS = [0.05, 64]; // lattice pixels by which the surface may be off: the search begins and ends there
// Beyond this error the borders between pages give way, too: many a photo would never fit otherwise (of one with 13,764
// triangles 600 are left at 8 pixels; 309 if the borders may move).
const COARSE = 12;
const ROUNDS = 8; // of that search, on a logarithmic scale
const PAGE_TOLERANCE = 0.75; // texels between where a page has a corner and where the file has it
const LATTICE_TOLERANCE = 0.25; // lattice pixels that a corner may be away from the lattice after rounding to 16 bits

/** Why a GLB cannot become a pocket link. */
export class MakeError extends Error {}

/**
 * The bytes of a pocket photo of at most `budget` bytes, from a GLB (Uint8Array).
 *
 * `picture` scales and compresses: an object with `open(bytes, mime)` to an object with width, height and
 * `fit(budget)`, the best compressed image of at most that many bytes.
 */
export async function makePocket(glb, budget, picture) {
  await MeshoptSimplifier.ready;
  const source = readGlb(glb);
  const opened = await picture.open(source.image, source.mime);
  const scene = toLattice(source, opened);
  const { mesh, size } = simplify(scene, budget * MESH_SHARE);
  const fixed = pack({ ...scene, mesh, image: new Uint8Array() }).length;
  const image = await opened.fit(budget - fixed);
  if (!image) throw new MakeError("This 3D photo does not fit into so short a link. Choose a longer one.");
  const bytes = pack({ ...scene, mesh, image });
  return { bytes, triangles: mesh.page.length, meshBytes: size, imageBytes: image.length };
}

/** Camera, atlas layout, and corners on the lattice, each with its page. Throws MakeError. */
function toLattice({ positions, uv, corners, photo }, atlas) {
  const { width, height, focal, near, far } = photo;
  const count = positions.length / 3;
  const place = new Float32Array(3 * count); // lattice x, y, disparity
  for (let i = 0; i < count; i++) {
    const depth = -positions[3 * i + 2];
    const x = width / 2 + (focal * positions[3 * i]) / depth;
    const y = height / 2 - (focal * positions[3 * i + 1]) / depth;
    place[3 * i] = Math.round(x);
    place[3 * i + 1] = Math.round(y);
    place[3 * i + 2] = (1 / depth - 1 / far) / (1 / near - 1 / far);
    if (Math.abs(x - place[3 * i]) + Math.abs(y - place[3 * i + 1]) > 2 * LATTICE_TOLERANCE) throw unfit();
  }
  const { page, ...layout } = findPages(place, uv, corners, photo, atlas);
  const { range, focus } = photo;
  return { camera: { focal, range, near, far, focus }, step: 1, width, height, atlas: layout, place, corners, page };
}

/** Which page each vertex is on: in one piece of the surface all have the same affine map from the lattice. */
function findPages(place, uv, corners, photo, atlas) {
  const count = uv.length / 2;
  const piece = pieces(corners, count);
  const at = (i) => [uv[2 * i] * atlas.width, uv[2 * i + 1] * atlas.height];
  const scale = [atlas.width / photo.width, photoHeight(place, uv, piece, atlas, photo) / photo.height];
  const onPhoto = new Map();
  const offset = new Map();
  for (let i = 0; i < count; i++) {
    const [u, v] = at(i);
    const [x, y] = [place[3 * i], place[3 * i + 1]];
    const near = Math.abs(u - x * scale[0]) < PAGE_TOLERANCE && Math.abs(v - y * scale[1]) < PAGE_TOLERANCE;
    onPhoto.set(piece[i], (onPhoto.get(piece[i]) ?? true) && near);
    if (!offset.has(piece[i])) offset.set(piece[i], [Math.round(u - x), Math.round(v - y)]);
  }
  const offsets = [];
  const pageOf = new Map();
  for (const [name, [x, y]] of offset) {
    if (onPhoto.get(name)) pageOf.set(name, 0);
    else {
      let found = offsets.findIndex(([ox, oy]) => Math.abs(ox - x) + Math.abs(oy - y) < 2 * PAGE_TOLERANCE);
      if (found < 0) found = offsets.push([x, y]) - 1;
      pageOf.set(name, found + 1);
    }
  }
  if (offsets.length > 7) throw unfit();
  const page = Uint8Array.from(piece, (name) => pageOf.get(name));
  const size = [atlas.width, Math.round(scale[1] * photo.height)];
  return { width: atlas.width, height: atlas.height, photo: size, offsets, page };
}

/** Texels of the photo's height in the atlas: the slope of v over y on the largest piece, which is on the photo. */
function photoHeight(place, uv, piece, atlas, photo) {
  const sizes = new Map();
  for (const name of piece) sizes.set(name, (sizes.get(name) ?? 0) + 1);
  const largest = [...sizes].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  let [yy, yv] = [0, 0];
  piece.forEach((name, i) => {
    if (name !== largest) return;
    yy += place[3 * i + 1] ** 2;
    yv += place[3 * i + 1] * uv[2 * i + 1] * atlas.height;
  });
  return (yv / yy) * photo.height;
}

/** For each vertex the name of the connected piece it belongs to. */
function pieces(corners, count) {
  const parent = Uint32Array.from({ length: count }, (_, i) => i);
  const root = (i) => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (let i = 0; i < corners.length; i += 3) {
    parent[root(corners[i])] = parent[root(corners[i + 1])] = root(corners[i + 2]);
  }
  return parent.map((_, i) => root(i));
}

/** The finest mesh that takes at most so many bytes, as mesh.js wants it; the smallest there is where none does. */
function simplify(scene, budget) {
  const careful = search(scene, budget, ["ErrorAbsolute", "Prune"]);
  return careful.error > COARSE ? search(scene, budget, ["ErrorAbsolute", "Prune", "Permissive"]) : careful;
}

/** {mesh, size, error}, with the smallest error whose mesh fits; `flags` are the simplifier's. */
function search(scene, budget, flags) {
  const weighted = scene.place.map((value, i) => (i % 3 === 2 ? value * DEPTH_WEIGHT : value));
  const within = (error) => {
    const [corners] = MeshoptSimplifier.simplify(scene.corners, weighted, 3, 0, error, flags);
    const mesh = quantise(scene, corners);
    return { mesh, size: sizeOf(mesh), error };
  };
  let [low, high] = ERRORS.map(Math.log);
  let best = within(ERRORS[0]);
  if (best.size <= budget) return best;
  best = within(ERRORS[1]);
  for (let round = 0; round < ROUNDS; round++) {
    const middle = (low + high) / 2;
    const found = within(Math.exp(middle));
    if (found.size > budget) low = middle;
    else [high, best] = [middle, found];
  }
  return best;
}

function quantise({ place, page, width, height }, corners) {
  const number = new Map();
  const mesh = { width, height, x: [], y: [], d: [], corners: [], page: [] };
  const cornerOf = (i) => {
    const [x, y] = [place[3 * i], place[3 * i + 1]];
    const d = Math.max(0, Math.min(LEVELS, Math.round(place[3 * i + 2] * LEVELS)));
    const name = `${x} ${y} ${d}`;
    if (!number.has(name)) {
      number.set(name, mesh.x.length);
      mesh.x.push(x);
      mesh.y.push(y);
      mesh.d.push(d);
    }
    return number.get(name);
  };
  for (let i = 0; i < corners.length; i += 3) {
    const three = [0, 1, 2].map((k) => cornerOf(corners[i + k]));
    if (three[0] === three[1] || three[1] === three[2] || three[2] === three[0]) continue;
    mesh.corners.push(...three);
    mesh.page.push(page[corners[i]]);
  }
  return mesh;
}

function sizeOf(mesh) {
  if (mesh.x.length > MOST_VERTICES || mesh.page.length > MOST_TRIANGLES) return Infinity;
  const writer = new Writer();
  codeMesh(writer, mesh);
  return writer.end().length;
}

function unfit() {
  return new MakeError("This 3D photo was not made here, so it cannot become a pocket link.");
}
