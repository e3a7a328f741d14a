// A GLB on its lattice: where each corner lies in the photo, and on which page of the atlas.

const PAGE_TOLERANCE = 0.75; // texels between where a page has a corner and where the file has it
const LATTICE_TOLERANCE = 0.25; // lattice pixels that a corner may be away from the lattice after rounding to 16 bits

/** Why a GLB cannot become a pocket link. */
export class MakeError extends Error {}

/**
 * Camera, atlas layout, and corners on the lattice, each with its page, of what `readGlb` returns; `atlas` is the size of
 * its picture. Throws MakeError.
 */
export function toLattice({ positions, uv, corners, photo }, atlas) {
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

function unfit() {
  return new MakeError("This 3D photo was not made here, so it cannot become a pocket link.");
}
