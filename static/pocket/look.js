// What people will see of a pocket photo, before it is made: small views of its surface, drawn here on the lattice, where
// disparity is a shift. Without a GPU, and exact enough to tell which of several surfaces is best.

import { LEVELS, MARGIN } from "./format.js";

const SIDE = 192; // pixels of the long side of a view
const VIEWS = [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]; // offsets in radii of the camera's disc

/** Views of one 3D photo, to compare others with. */
export class Looks {
  #scene;
  #wanted;

  /**
   * scene: {width, height, camera, atlas} of the lattice, as `toLattice` gives them; mesh: as mesh.js wants it; image:
   * {width, height, data} of its atlas, RGBA.
   */
  constructor(scene, mesh, image) {
    this.#scene = scene;
    this.#wanted = VIEWS.map((offset) => look(scene, mesh, image, offset));
  }

  /** Mean squared difference of another surface with its atlas's layout and image, on a backdrop as `expand` adds it. */
  error(atlas, mesh, image) {
    const scene = { ...this.#scene, atlas };
    const whole = withBackdrop(mesh, scene);
    let sum = 0;
    for (const [i, offset] of VIEWS.entries()) {
      const [shown, wanted] = [look(scene, whole, image, offset).data, this.#wanted[i].data];
      sum += shown.reduce((total, value, k) => total + (value - wanted[k]) ** 2, 0) / shown.length;
    }
    return sum / VIEWS.length;
  }
}

function withBackdrop(mesh, { width, height }) {
  const [right, down] = [width * (1 + MARGIN), height * (1 + MARGIN)];
  const first = mesh.x.length;
  return {
    x: [...mesh.x, -width * MARGIN, -width * MARGIN, right, right],
    y: [...mesh.y, -height * MARGIN, down, down, -height * MARGIN],
    d: [...mesh.d, ...Array(4).fill(-MARGIN * LEVELS)],
    corners: [...mesh.corners, ...[0, 1, 2, 0, 2, 3].map((corner) => first + corner)],
    page: [...mesh.page, 0, 0],
  };
}

/**
 * {width, height, data} of what the viewer shows from an offset, RGB: the frame without the margin that hides its edges.
 * For the arguments see `Looks`.
 */
export function look({ width, height, camera, atlas }, mesh, image, [right, up]) {
  const parallax = camera.range * width;
  const still = (1 / camera.focus - 1 / camera.far) / (1 / camera.near - 1 / camera.far);
  const zoom = 1 - (2 * parallax * Math.max(still, 1 - still)) / Math.min(width, height);
  const scale = SIDE / Math.max(width, height) / zoom;
  const [columns, rows] = [width, height].map((side) => Math.max(1, Math.round(side * zoom * scale)));
  const [left, top] = [width, height].map((side) => (side * (1 - zoom)) / 2);
  const shown = new Uint8ClampedArray(3 * columns * rows);
  const nearest = new Float32Array(columns * rows).fill(-Infinity);
  const at = (corner) => {
    const d = mesh.d[corner] / LEVELS;
    const shift = (d - still) * parallax;
    const [x, y] = [mesh.x[corner] - right * shift, mesh.y[corner] + up * shift];
    return [(x - left) * scale, (y - top) * scale, d, mesh.x[corner], mesh.y[corner]];
  };
  const texel = sampler(width, height, atlas, image);
  for (let i = 0; i < mesh.corners.length; i += 3) {
    const three = [0, 1, 2].map((k) => at(mesh.corners[i + k]));
    fill(three, columns, rows, (pixel, [d, x, y]) => {
      if (d <= nearest[pixel]) return;
      nearest[pixel] = d;
      const from = texel(x, y, mesh.page[i / 3]);
      for (let k = 0; k < 3; k++) shown[3 * pixel + k] = image.data[from + k];
    });
  }
  return { width: columns, height: rows, data: shown };
}

/** Function from a lattice place and a page to where the image's data has its colour. */
function sampler(width, height, { photo, offsets, ...atlas }, image) {
  const [across, down] = [image.width / atlas.width, image.height / atlas.height];
  const within = (value, size) => Math.min(size - 1, Math.max(0, Math.floor(value)));
  return (x, y, page) => {
    const [u, v] = page
      ? [x + offsets[page - 1][0], y + offsets[page - 1][1]]
      : [(x * photo[0]) / width, (y * photo[1]) / height];
    return 4 * (within(v * down, image.height) * image.width + within(u * across, image.width));
  };
}

/** Call `paint(pixel, [values])` for every pixel of a triangle that faces us; its corners are [x, y, ...values]. */
function fill([a, b, c], columns, rows, paint) {
  const area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  if (!(area < 0)) return; // y goes down, so that what faces us turns the other way
  const span = (axis, size) => {
    const values = [a[axis], b[axis], c[axis]];
    return [Math.max(0, Math.ceil(Math.min(...values) - 0.5)), Math.min(size - 1, Math.floor(Math.max(...values) - 0.5))];
  };
  const [[left, right], [top, bottom]] = [span(0, columns), span(1, rows)];
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const [x, y] = [column + 0.5, row + 0.5];
      const shareB = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area;
      const shareC = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area;
      if (shareB < 0 || shareC < 0 || shareB + shareC > 1) continue;
      const values = [2, 3, 4].map((k) => a[k] + shareB * (b[k] - a[k]) + shareC * (c[k] - a[k]));
      paint(row * columns + column, values);
    }
  }
}
