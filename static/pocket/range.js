// An adaptive binary range coder, as LZMA has one (I. Pavlov), with probabilities of 16 bits that learn quickly at
// first: a pocket mesh is some thousand decisions long, too short for the slow constant rate of coders for large files.
//
// Writer and Reader have the same methods, and every method returns the value that is in the stream: the Writer's the
// one it was given, the Reader's the one it found. So one function describes a format in both directions (see mesh.js).

const ONE = 1 << 16; // of probabilities
const FLOOR = 1 << 6; // no decision becomes certain
const SLOWEST = 40; // the rate of learning falls from 1/2 to 1/40
const RENORM = 2 ** 24;
const EXPONENTS = 24; // of numbers; larger ones do not occur

/** The state of adaptive decisions: `size` of them. */
export class Model {
  constructor(size) {
    this.chance = new Uint16Array(size).fill(ONE / 2); // of a 0
    this.seen = new Uint8Array(size);
  }

  learn(at, bit) {
    const rate = Math.min(++this.seen[at], SLOWEST - 2) + 1;
    if (this.seen[at] === 255) this.seen[at] = SLOWEST;
    const target = bit ? FLOOR : ONE - FLOOR;
    this.chance[at] += Math.trunc((target - this.chance[at]) / rate);
  }
}

/** A model for `number`; one for each kind of number, `contexts` side by side. */
export class NumberModel {
  constructor(contexts = 1) {
    this.exponent = new Model(contexts * EXPONENTS);
    this.sign = new Model(contexts);
    this.lead = new Model(contexts * EXPONENTS);
  }
}

class Coder {
  /** `count` bits of an unsigned integer, each as likely as not. */
  bits(count, value = 0) {
    let result = 0;
    for (let i = count - 1; i >= 0; i--) result = result * 2 + this.even(Math.floor(value / 2 ** i) % 2);
    return result;
  }

  /** A float32. */
  float(value = 0) {
    const view = new DataView(new ArrayBuffer(4));
    view.setFloat32(0, value);
    view.setUint32(0, this.bits(32, view.getUint32(0)));
    return view.getFloat32(0);
  }

  /** A signed integer that is likely small: exponent in unary, sign, then the bits below the leading one. */
  number(model, context = 0, value = 0) {
    const size = Math.abs(value);
    const wanted = size ? 32 - Math.clz32(size) : 0;
    const base = context * EXPONENTS;
    let exponent = 0;
    while (exponent < EXPONENTS - 1 && this.bit(model.exponent, base + exponent, +(wanted > exponent))) exponent++;
    if (!exponent) return 0;
    const negative = this.bit(model.sign, context, +(value < 0));
    let result = 1;
    for (let i = exponent - 2; i >= 0; i--) {
      const bit = (size >> i) & 1;
      result = result * 2 + (i === exponent - 2 ? this.bit(model.lead, base + exponent, bit) : this.even(bit));
    }
    return negative ? -result : result;
  }

  /** An unsigned integer below 2 ** count, as a tree of adaptive decisions: a model of 2 ** count. */
  tree(model, count, value = 0) {
    let node = 1;
    for (let i = count - 1; i >= 0; i--) node = node * 2 + this.bit(model, node, (value >> i) & 1);
    return node - 2 ** count;
  }
}

export class Writer extends Coder {
  #low = 0;
  #range = 2 ** 32 - 1;
  #cache = 0;
  #pending = 0; // bytes of 255 that a carry would change, and the one before them
  #started = false;
  #bytes = [];

  bit(model, at, bit) {
    const bound = Math.floor(this.#range / ONE) * model.chance[at];
    this.#narrow(bit, bound);
    model.learn(at, bit);
    return bit;
  }

  even(bit) {
    this.#narrow(bit, Math.floor(this.#range / 2));
    return bit;
  }

  /** The stream, Uint8Array, without the zeros that a Reader finds behind its end anyway. */
  end() {
    for (let i = 0; i < 5; i++) this.#shift();
    let length = this.#bytes.length;
    while (length && !this.#bytes[length - 1]) length--;
    return Uint8Array.from(this.#bytes.slice(0, length));
  }

  #narrow(bit, bound) {
    if (bit) {
      this.#low += bound;
      this.#range -= bound;
    } else this.#range = bound;
    while (this.#range < RENORM) {
      this.#range *= 256;
      this.#shift();
    }
  }

  #shift() {
    if (this.#low < 0xff000000 || this.#low >= 2 ** 32) {
      const carry = this.#low >= 2 ** 32 ? 1 : 0;
      if (this.#started) this.#bytes.push((this.#cache + carry) & 255);
      for (; this.#pending; this.#pending--) this.#bytes.push((255 + carry) & 255);
      this.#started = true;
      this.#cache = Math.floor(this.#low / RENORM) & 255;
    } else this.#pending++;
    this.#low = (this.#low % RENORM) * 256;
  }
}

export class Reader extends Coder {
  #bytes;
  #at = 0;
  #range = 2 ** 32 - 1;
  #code = 0;

  constructor(bytes) {
    super();
    this.#bytes = bytes;
    for (let i = 0; i < 4; i++) this.#code = this.#code * 256 + this.#next();
  }

  bit(model, at) {
    const bit = this.#narrow(Math.floor(this.#range / ONE) * model.chance[at]);
    model.learn(at, bit);
    return bit;
  }

  even() {
    return this.#narrow(Math.floor(this.#range / 2));
  }

  #narrow(bound) {
    const bit = this.#code < bound ? 0 : 1;
    if (bit) {
      this.#code -= bound;
      this.#range -= bound;
    } else this.#range = bound;
    while (this.#range < RENORM) {
      this.#range *= 256;
      this.#code = this.#code * 256 + this.#next();
    }
    return bit;
  }

  #next() {
    return this.#at < this.#bytes.length ? this.#bytes[this.#at++] : 0;
  }
}
