// A GLB made small enough for a link: its mesh simplified and quantised, its atlas scaled down and compressed.
//
// Views of the sample photos (512 to 600 pixels long) against those of their whole GLBs, in Chromium with WebP, by
// `python -m tests.bench.pocket`; views from the four extremes are up to 0.8 dB worse:
//
//   link, characters    4,096           8,000           16,384          32,768          65,000
//   astronaut           21.2 dB 0.73    22.4 dB 0.71    26.7 dB 0.85    30.3 dB 0.93    34.9 dB 0.97   PSNR, SSIM
//   cat                 28.7 dB 0.80    30.6 dB 0.87    34.6 dB 0.93    39.3 dB 0.98    45.1 dB 0.99
//   coffee              24.0 dB 0.73    26.1 dB 0.76    28.8 dB 0.84    32.0 dB 0.92    35.5 dB 0.96
//
// They depend on the depth: the more edges a network finds, the more of the link its surface takes. Making a link takes
// 1.2 to 6.3 s on two cores that are busy besides, the shortest ones longest, because several are tried for them. Safari
// writes no WebP: there the atlas is JPEG and the picture worse, by how much was not measured.

import { MeshoptSimplifier } from "meshoptimizer/simplifier";
import { LEVELS, pack } from "./format.js";
import { readGlb } from "./glb.js";
import { MakeError, toLattice } from "./lattice.js";
import { Looks } from "./look.js";
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
// In a shorter link surface and picture fight for each byte, and which should win differs: tried are a finer surface than
// usual, and the photo alone without the pages behind it, with a backdrop where the surface opens. Of an astronaut at
// 4,096 characters the views were off by 35.4, 33.3 and 21.6 grey levels (root of the mean square), of a cup at 8,000
// by 12.7, 13.1 and 14.6 (with layers of an earlier depth network).
const SHORT = 7000; // bytes
const TRIED = [{ share: MESH_SHARE }, { share: 0.3 }, { share: 0.1, alone: true }];

/**
 * The bytes of a pocket photo of at most `budget` bytes, from a GLB (Uint8Array).
 *
 * `picture` scales and compresses: an object with `open(bytes, mime)` to an object with width, height, `image()`, its
 * pixels as {width, height, data} in RGBA, `top(height)`, its upper part alone, and `fit(budget)`, the best compressed
 * image of at most that many bytes as {bytes, image}, or null.
 */
export async function makePocket(glb, budget, picture) {
  await MeshoptSimplifier.ready;
  const source = readGlb(glb);
  const opened = await picture.open(source.image, source.mime);
  const whole = toLattice(source, opened);
  const made = budget < SHORT ? await bestOf(whole, budget, opened) : await attempt(whole, budget, opened, MESH_SHARE);
  if (!made) throw new MakeError("This 3D photo does not fit into so short a link. Choose a longer one.");
  const { scene, mesh, size, image } = made;
  const bytes = pack({ ...scene, mesh, image: image.bytes });
  return { bytes, triangles: mesh.page.length, meshBytes: size, imageBytes: image.bytes.length };
}

/** A surface of a share of the bytes with the best picture that the rest holds; null if none fits. */
async function attempt(scene, budget, atlas, share) {
  const { mesh, size } = simplify(scene, budget * share);
  const fixed = pack({ ...scene, mesh, image: new Uint8Array() }).length;
  const image = await atlas.fit(budget - fixed);
  return image && { scene, mesh, size, image };
}

/** Of what is tried for short links, that whose views are most like those of the whole 3D photo. */
async function bestOf(whole, budget, atlas) {
  const looks = new Looks(whole, quantise(whole, whole.corners), atlas.image());
  const alone = frontOf(whole);
  const photo = atlas.top(alone.atlas.height);
  let best = null;
  for (const tried of TRIED) {
    const made = await attempt(tried.alone ? alone : whole, budget, tried.alone ? photo : atlas, tried.share);
    const error = made ? looks.error(made.scene.atlas, made.mesh, made.image.image) : Infinity;
    if (error < (best?.error ?? Infinity)) best = { ...made, error };
  }
  return best;
}

/** A scene without the pages behind the photo: where it opens, the backdrop shows. */
function frontOf({ corners, page, atlas, ...scene }) {
  const kept = corners.filter((_, i) => page[corners[i - (i % 3)]] === 0);
  const [width, height] = atlas.photo;
  return { ...scene, page, corners: kept, atlas: { width, height, photo: atlas.photo, offsets: [] } };
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

/** The surface of some corners, as mesh.js wants it. */
export function quantise({ place, page, width, height }, corners) {
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
