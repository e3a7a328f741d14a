// The mesh of a pocket link: connectivity and coordinates in one walk over the surface.
//
// The walk grows each piece of the surface triangle by triangle (a cut-border machine: Gumhold and Strasser, SIGGRAPH
// 1998). At every open edge, a gate, the stream tells whether a triangle follows, and whether its third corner is new
// or was met before. A new one is coded as its distance from the parallelogram that the gate suggests, a known one as
// its rank by distance from there: mostly 0. `codeMesh` is that walk for the Writer and the Reader of range.js alike.
//
// A mesh is {width, height, x, y, d, corners, page}: lattice corners x and y in steps, disparity d in levels, three
// corners and a page for each triangle. Corners with the same x, y and d are one: that is what keeps welds closed.

import { Model, NumberModel } from "./range.js";

export const MOST_VERTICES = 1 << 13; // a walk takes time in proportion to triangles times vertices: one second, then
export const MOST_TRIANGLES = 1 << 14;
const COUNT_BITS = 15;
const PAGE_BITS = 3; // of the atlas: the photo and at most seven pages behind it
const SIZES = 8; // contexts: by the binary logarithm of a gate's length
const FITS = [0.03, 0.12, 0.4, 1, 2.5]; // contexts: squared distance of the nearest known corner, in gates
const DEPTH_WEIGHT = 1; // steps that one level of disparity counts in distances

export class MeshError extends Error {}

/** Code a mesh: the Writer's is given, the Reader's is returned. Throws MeshError where a stream makes no sense. */
export function codeMesh(coder, mesh = null) {
  const walk = new Walk(coder, mesh);
  return walk.run();
}

class Walk {
  #models = {
    follows: new Model(2 * (FITS.length + 1)),
    known: new Model(FITS.length + 2), // the last: at the beginning of a piece
    rank: new NumberModel(),
    x: new NumberModel(SIZES),
    y: new NumberModel(SIZES),
    d: new NumberModel(3),
    seed: new NumberModel(3),
    samePage: new Model(4),
    page: new Model(1 << PAGE_BITS),
  };
  #gates = [];
  #front = new Set(); // corners at open gates
  #origins = []; // the corners here: their numbers in the source
  #met; // of the source's corners: their number here, or -1
  #waiting; // the source's triangles by directed edge

  constructor(coder, source) {
    this.coder = coder;
    this.source = source;
    this.width = coder.bits(16, source?.width);
    this.height = coder.bits(16, source?.height);
    this.vertices = coder.bits(COUNT_BITS, source?.x.length);
    this.triangles = coder.bits(COUNT_BITS, source?.page.length);
    if (this.vertices > MOST_VERTICES || this.triangles > MOST_TRIANGLES) throw new MeshError("too large");
    this.x = [];
    this.y = [];
    this.d = [];
    this.open = []; // gates that wait at each corner
    this.corners = [];
    this.page = [];
    this.used = new Set(); // directed edges that have their triangle
    if (source) this.#prepare();
  }

  run() {
    let next = 0;
    let last = { x: 0, y: 0, d: 0 };
    while (this.page.length < this.triangles) {
      while (this.source && this.done[next]) next++;
      last = this.#seed(next, last);
      for (let at = 0; at < this.#gates.length; at++) this.#pass(this.#gates[at]);
      this.#gates = [];
    }
    const { width, height, x, y, d, corners, page } = this;
    return { width, height, x, y, d, corners, page };
  }

  #prepare() {
    const { x, page, corners } = this.source;
    this.#met = new Int32Array(x.length).fill(-1);
    this.done = new Uint8Array(page.length);
    this.#waiting = new Map();
    for (let i = corners.length - 1; i >= 0; i--) this.#waiting.set(key(corners[i], after(corners, i)), i);
  }

  /** The first triangle of a piece. */
  #seed(triangle, last) {
    const corner = [];
    const code = (axis, context, value) => this.coder.number(this.#models.seed, context, value);
    for (let k = 0; k < 3; k++) {
      const origin = this.source?.corners[3 * triangle + k];
      const known = this.coder.bit(this.#models.known, FITS.length + 1, this.source ? +(this.#met[origin] >= 0) : 0);
      if (known) corner.push(this.#check(this.coder.bits(COUNT_BITS, this.source ? this.#met[origin] : 0)));
      else corner.push(this.#add(origin, last, code));
      last = this.#at(corner[k]);
    }
    this.#emit(triangle, corner, -1);
    return last;
  }

  /** What lies behind a gate (a, b), the edge of the triangle a, b, c of a page. */
  #pass([a, b, c, page]) {
    for (const corner of [a, b]) if (!--this.open[corner]) this.#front.delete(corner);
    if (this.used.has(key(b, a))) return;
    const { coder } = this;
    const guess = this.#parallelogram(a, b, c);
    const length = (this.x[a] - this.x[b]) ** 2 + (this.y[a] - this.y[b]) ** 2;
    const ranked = this.#rank(guess, a, b, c);
    const fit = FITS.findIndex((limit) => ranked.nearest < limit * (length + 1));
    const context = fit < 0 ? FITS.length : fit;
    const behind = this.source ? this.#behind(b, a) : -1;
    const frame = this.#onFrame(a, b) ? FITS.length + 1 : 0;
    if (!coder.bit(this.#models.follows, frame + context, +(behind >= 0))) return;
    if (this.page.length >= this.triangles) throw new MeshError("too many triangles");

    const origin = this.source?.corners[behind - (behind % 3) + ((behind + 2) % 3)];
    const met = this.source ? this.#met[origin] : -1;
    let corner;
    if (coder.bit(this.#models.known, context, +(met >= 0))) {
      corner = ranked.take(coder.number(this.#models.rank, 0, this.source ? ranked.rankOf(met) : 0));
    } else {
      const size = Math.min(SIZES - 1, 31 - Math.clz32(Math.ceil(Math.sqrt(length)) | 1));
      const models = [this.#models.x, this.#models.y, this.#models.d];
      const flat = this.d[a] === this.d[b] ? (this.d[c] === this.d[a] ? 0 : 1) : 2;
      const contexts = [size, size, flat];
      corner = this.#add(origin, guess, (axis, _, value) => coder.number(models[axis], contexts[axis], value));
    }
    this.#emit(this.source ? (behind - (behind % 3)) / 3 : 0, [b, a, corner], page);
  }

  #parallelogram(a, b, c) {
    const { width, height, x, y, d } = this;
    return {
      x: Math.min(width, Math.max(0, x[a] + x[b] - x[c])),
      y: Math.min(height, Math.max(0, y[a] + y[b] - y[c])),
      d: (d[a] + d[b]) >> 1, // disparity is flat more often than sloped
    };
  }

  #onFrame(a, b) {
    const { width, height, x, y } = this;
    const on = (line, side) => line[a] === line[b] && (line[a] === 0 || line[a] === side);
    return on(x, width) || on(y, height);
  }

  /** The corners at open gates by their distance from a place; the others, hardly ever met again, follow by number. */
  #rank(guess, a, b, c) {
    const { x, y, d } = this;
    const corners = [];
    const distances = [];
    let nearest = Infinity;
    for (const i of this.#front) {
      if (i === a || i === b || i === c) continue;
      const distance = (x[i] - guess.x) ** 2 + (y[i] - guess.y) ** 2 + DEPTH_WEIGHT * (d[i] - guess.d) ** 2;
      corners.push(i);
      distances.push(distance);
      if (distance < nearest) nearest = distance;
    }
    const before = (i, j) => distances[i] < distances[j] || (distances[i] === distances[j] && i < j);
    const rankOf = (corner) => {
      const at = corners.indexOf(corner);
      if (at < 0) return corners.length + corner;
      return distances.reduce((rank, _, i) => rank + before(i, at), 0);
    };
    const take = (rank) => {
      if (rank >= corners.length || rank < 0) return this.#check(rank - corners.length);
      if (rank === 0) return corners[distances.indexOf(nearest)];
      const order = [...corners.keys()].sort((i, j) => (before(i, j) ? -1 : 1));
      return corners[order[rank]];
    };
    return { nearest, rankOf, take };
  }

  /** A new corner near a guess; `code(axis, context, residual)`. Its number. */
  #add(origin, guess, code) {
    if (this.x.length >= this.vertices) throw new MeshError("too many vertices");
    const residual = (axis) => (this.source ? this.source[axis][origin] - guess[axis] : 0);
    this.x.push(guess.x + code(0, 0, residual("x")));
    this.y.push(guess.y + code(1, 1, residual("y")));
    this.d.push(guess.d + code(2, 2, residual("d")));
    this.open.push(0);
    this.#origins.push(origin);
    if (this.source) this.#met[origin] = this.x.length - 1;
    return this.x.length - 1;
  }

  #emit(triangle, corner, nextTo) {
    const page = this.source?.page[triangle];
    const { coder } = this;
    const known = nextTo >= 0 && coder.bit(this.#models.samePage, Math.min(nextTo, 3), +(page === nextTo));
    const here = known ? nextTo : coder.tree(this.#models.page, PAGE_BITS, page);
    this.corners.push(...corner);
    this.page.push(here);
    if (this.source) this.done[triangle] = 1;
    for (let k = 0; k < 3; k++) {
      const [a, b, c] = [corner[k], corner[(k + 1) % 3], corner[(k + 2) % 3]];
      this.used.add(key(a, b));
      this.open[a]++;
      this.open[b]++;
      this.#front.add(a);
      this.#gates.push([a, b, c, here]);
    }
  }

  /** The corner of the source at which its triangle begins that has the edge from a to b (numbers here), or -1. */
  #behind(a, b) {
    const { corners } = this.source;
    const at = this.#waiting.get(key(this.#origins[a], this.#origins[b]));
    return at === undefined || this.done[Math.floor(at / 3)] ? -1 : at;
  }

  #at(corner) {
    return { x: this.x[corner], y: this.y[corner], d: this.d[corner] };
  }

  #check(corner) {
    if (!(corner >= 0 && corner < this.x.length)) throw new MeshError("no such corner");
    return corner;
  }
}

function key(a, b) {
  return a * MOST_VERTICES + b;
}

/** The corner that follows the i-th in its triangle. */
function after(corners, i) {
  return corners[i - (i % 3) + ((i + 1) % 3)];
}
