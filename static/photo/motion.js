// Where the camera should be, from everything that can move it: pointer, drag, arrow keys, the device's tilt, and a
// slow sway of its own while nobody does anything.

import { intoDisc } from "./frustum.js";
import { Tilt } from "./tilt.js";

const SMOOTHING = 0.12; // seconds: time constant with which the camera follows
const SWAY_SMOOTHING = 0.6; // slower, so that the sway begins softly after a hand lets go
const REST = 0.002; // radii: closer than this to the target, the camera stands; below what a pixel can show
const TREMBLE = 0.008; // radii, 0.14 degrees: sensors and hands at rest tremble by less
const IDLE = 2.5; // seconds after the last input until the sway goes on
const KEY_IDLE = 8; // the same after a key: nobody lets go of a place chosen by keys
const SWAY_PERIODS = [9, 13]; // seconds, across and up; no small common multiple, so that it does not repeat
const SWAY_SIZE = [0.75, 0.4]; // radii
const KEY_STEP = 0.25; // radii
const DRAG_REACH = 0.3; // a drag over this share of the picture goes from the centre to the edge of the disc
const LONGEST_STEP = 0.1; // seconds: after a pause the camera does not jump
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** `wake` is called whenever something may have begun to move; then `step` once a frame until it returns false. */
export class Motion {
  /** (right, up) in radii of the disc: where the camera is. */
  offset = [0, 0];
  /** Whether this device has told how it is held. On iOS it does so only once `enableTilt` was called from a tap. */
  felt = false;
  /** Called when the sway is switched on or off, also by the system's wish for less motion. */
  onsway = null;

  #target = [0, 0];
  #source = null; // "pointer", "drag", "keys", "tilt", or null: nobody
  #lastInput = -Infinity;
  #lastStep = null;
  #swayTime = 0;
  #drag = null;
  #tilt = new Tilt();
  #tilting = false;
  #swaying;
  #held = false;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #listeners = new AbortController();

  constructor(element, wake) {
    this.element = element;
    this.wake = wake;
    this.#swaying = !this.calm;
    const signal = this.#listeners.signal;
    const on = (target, type, handler) => target.addEventListener(type, handler.bind(this), { signal });
    on(element, "pointermove", this.#pointerMove);
    on(element, "pointerdown", this.#pointerDown);
    on(element, "pointerup", this.#pointerUp);
    on(element, "pointercancel", this.#pointerUp);
    on(element, "pointerleave", this.#pointerUp);
    on(element, "keydown", this.#key);
    on(this.#calm, "change", () => {
      this.swaying = !this.calm;
      this.#tilting = !this.calm;
    });
    on(globalThis, "deviceorientation", this.#orientation);
    if (globalThis.screen?.orientation) on(screen.orientation, "change", () => this.#tilt.reset());
    this.#tilting = !this.calm; // who asked for less motion gets it only on demand
  }

  /** Whether the person has asked the system for less motion. */
  get calm() {
    return this.#calm.matches;
  }

  /** Whether the camera sways while nobody moves it. */
  get swaying() {
    return this.#swaying;
  }

  set swaying(value) {
    this.#swaying = value;
    if (value && this.#source === "keys") this.#source = null;
    this.onsway?.();
    this.wake();
  }

  /** True: no sway for now, because other work needs the processor; hands and tilt still move the camera. */
  set held(value) {
    this.#held = value;
    this.wake();
  }

  /** Whether the device's tilt moves the camera. */
  get tilting() {
    return this.#tilting;
  }

  /** Let the device's tilt move the camera; call it from a tap, iOS wants one. Resolves to whether it may. */
  async enableTilt() {
    const answer = await globalThis.DeviceOrientationEvent?.requestPermission?.();
    this.#tilting = answer !== "denied";
    this.#tilt.reset();
    return this.#tilting;
  }

  disableTilt() {
    this.#tilting = false;
    if (this.#source === "tilt") this.#release();
  }

  /** Move to (right, up); it stays there for a while, as after a key. */
  moveTo(offset) {
    this.#move("keys", offset);
  }

  /** One frame at `now` (seconds): moves `offset`; false when nothing will move until the next `wake`. */
  step(now) {
    const elapsed = this.#lastStep === null ? 1 / 60 : Math.min(now - this.#lastStep, LONGEST_STEP);
    this.#lastStep = now;
    const sways = this.#maySway() && now - this.#lastInput > (this.#source ? KEY_IDLE : IDLE);
    if (sways) this.#swayTime += elapsed;
    const target = sways ? this.#sway() : this.#target;
    const share = 1 - Math.exp(-elapsed / (sways ? SWAY_SMOOTHING : SMOOTHING));
    const left = target.map((value, i) => value - this.offset[i]);
    const arrived = Math.hypot(...left) < REST;
    this.offset = arrived ? [...target] : this.offset.map((value, i) => value + left[i] * share);
    const goesOn = sways || !arrived || this.#maySway();
    if (!goesOn) this.#lastStep = null;
    return goesOn;
  }

  dispose() {
    this.#listeners.abort();
  }

  #maySway() {
    return this.#swaying && !this.#held && (this.#source === null || this.#source === "keys");
  }

  #sway() {
    return SWAY_SIZE.map((size, i) => size * Math.sin((2 * Math.PI * this.#swayTime) / SWAY_PERIODS[i]));
  }

  #move(source, offset) {
    this.#source = source;
    this.#target = intoDisc(offset);
    this.#lastInput = performance.now() / 1000;
    this.wake();
  }

  /** The hand is gone: hold still for a moment, then sway; who wants no sway gets the centre back. */
  #release() {
    this.#source = null;
    this.#lastInput = performance.now() / 1000;
    if (!this.#swaying) this.#target = [0, 0];
    this.wake();
  }

  #pointerMove(event) {
    const box = this.element.getBoundingClientRect();
    if (event.pointerType === "mouse") {
      const x = ((event.clientX - box.left) / box.width) * 2 - 1;
      const y = 1 - ((event.clientY - box.top) / box.height) * 2;
      this.#move("pointer", [x, y]);
    } else if (this.#drag) {
      // The picture follows the finger: the near side goes along, so the camera goes the other way.
      const reach = DRAG_REACH * Math.min(box.width, box.height);
      const x = this.#drag.offset[0] - (event.clientX - this.#drag.x) / reach;
      const y = this.#drag.offset[1] + (event.clientY - this.#drag.y) / reach;
      this.#move("drag", [x, y]);
    }
  }

  #pointerDown(event) {
    if (event.pointerType === "mouse") return;
    this.element.setPointerCapture?.(event.pointerId);
    this.#drag = { x: event.clientX, y: event.clientY, offset: [...this.offset] };
  }

  #pointerUp(event) {
    if (event.pointerType === "mouse" ? event.type === "pointerleave" : this.#drag) this.#release();
    this.#drag = null;
  }

  #key(event) {
    if (event.key === "Home") this.#move("keys", [0, 0]);
    else if (KEYS[event.key])
      this.#move(
        "keys",
        this.#target.map((value, i) => value + KEY_STEP * KEYS[event.key][i]),
      );
    else return;
    event.preventDefault();
  }

  #orientation(event) {
    const angle = globalThis.screen?.orientation?.angle ?? 0;
    const offset = this.#tilt.read(event, angle, performance.now() / 1000);
    if (!offset) return; // desktops send one event that says nothing
    this.felt = true;
    if (!this.#tilting || this.#drag || this.#source === "pointer") return;
    const target = this.#source === "tilt" ? leash(this.#target, intoDisc(offset), TREMBLE) : intoDisc(offset);
    if (target !== this.#target) this.#move("tilt", target);
  }
}

/** Pull a point after another one on a leash: it stays where it is while that trembles, and follows without a jump. */
export function leash(from, to, length) {
  const distance = Math.hypot(to[0] - from[0], to[1] - from[1]);
  if (distance <= length) return from;
  return from.map((value, i) => to[i] + ((value - to[i]) * length) / distance);
}
