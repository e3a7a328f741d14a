// What people do with a <tief-photo>: its buttons and keys, taps on the picture, and the line that answers.

import { hasHeadset } from "./headset.js";
import { WAYS } from "./stereo.js";

const TILT_PATIENCE = 1000; // ms; a device that tells its tilt without being asked has done so by then
const READABLE = 4000; // ms for which a message stays
const TAP = 8; // CSS pixels: a hand that moved farther has dragged
const FOCUS_STEP = 0.1; // of the range from near to far, a key

/** `host` is the <tief-photo>, `parts` what stands in its shadow root. */
export class Controls {
  #host;
  #parts;
  #down = [0, 0]; // where the pointer went down
  #hush = 0; // the timer that takes a message away
  #chosen = false; // whether somebody has chosen the plane that stays still
  #keys = {
    " ": () => this.#toggleSway(),
    Home: () => this.#resetFocus(),
    f: () => this.focusAt(0.5, 0.5),
    PageUp: () => this.#shiftFocus(-FOCUS_STEP),
    PageDown: () => this.#shiftFocus(FOCUS_STEP),
    s: () => this.#nextStereo(),
  };

  constructor(host, parts) {
    this.#host = host;
    this.#parts = parts;
    const { picture, tilt, stereo, headset, sway, full } = parts;
    const on = (target, type, handler) => target.addEventListener(type, handler.bind(this));
    on(picture, "keydown", this.#key);
    on(picture, "pointerdown", (event) => (this.#down = [event.clientX, event.clientY]));
    on(picture, "click", this.#tap);
    on(tilt, "click", this.#askForTilt);
    on(stereo, "click", this.#nextStereo);
    on(headset, "click", this.#enterHeadset);
    on(sway, "click", this.#toggleSway);
    on(full, "click", () => (document.fullscreenElement ? document.exitFullscreen() : host.requestFullscreen()));
    full.hidden = !document.fullscreenEnabled;
    this.#offerHeadset();
    globalThis.navigator.xr?.addEventListener?.("devicechange", () => this.#offerHeadset());
  }

  /** A new Viewer is in the element. */
  attach(viewer) {
    viewer.motion.onsway = () => this.#parts.sway.setAttribute("aria-pressed", String(viewer.motion.swaying));
    this.apply();
    this.applySway();
    setTimeout(() => this.#offerTilt(), TILT_PATIENCE);
  }

  /** Do what the element's attributes say, but for the sway. */
  apply() {
    const { alt, viewer, stereo, controls } = this.#host;
    this.#parts.picture.setAttribute("aria-label", alt ? `3D photo: ${alt}` : "3D photo");
    this.#parts.tools.hidden = !viewer?.photo || controls === "none";
    const way = stereo in WAYS ? stereo : "";
    this.#parts.stereo.setAttribute("aria-pressed", String(way !== ""));
    if (viewer && viewer.stereo !== way) viewer.stereo = way;
  }

  /** Begin to sway, or not: only when these attributes change, for then on the person's own choice counts. */
  applySway() {
    const { viewer, sway, controls } = this.#host;
    if (viewer) viewer.motion.swaying = sway !== "off" && controls !== "none" && !viewer.motion.calm;
  }

  /** Show and announce a sentence for a while, or until there is another. */
  say(text, stays = false) {
    clearTimeout(this.#hush);
    this.#parts.message.textContent = text;
    if (text && !stays) this.#hush = setTimeout(() => this.say(""), READABLE);
  }

  /** Let what is seen at (x, y), shares of the canvas, stay still. Whether there was anything. */
  focusAt(x, y) {
    const depth = this.#host.photo && this.#host.viewer.depthAt(x, y);
    if (!depth) return false;
    this.#host.viewer.focusOn(depth);
    this.#tellFocus();
    return true;
  }

  // --- Hands ---

  #key(event) {
    const action = this.#keys[event.key.length > 1 ? event.key : event.key.toLowerCase()];
    if (!action || !this.#host.photo || event.ctrlKey || event.metaKey || event.altKey) return;
    action();
    event.preventDefault();
  }

  #tap(event) {
    const canvas = this.#parts.picture.querySelector("canvas");
    if (!canvas || Math.hypot(event.clientX - this.#down[0], event.clientY - this.#down[1]) > TAP) return;
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
    if (Math.min(x, y, 1 - x, 1 - y) >= 0) this.focusAt(x, y);
  }

  #toggleSway() {
    this.#host.swaying = !this.#host.swaying;
  }

  // --- The plane that stays still ---

  #shiftFocus(share) {
    this.#host.viewer.shiftFocus(share);
    this.#tellFocus();
  }

  #resetFocus() {
    if (!this.#chosen) return;
    this.#chosen = false;
    this.#host.viewer.focusOn(this.#host.photo.focus);
  }

  #tellFocus() {
    this.#chosen = true;
    const share = Math.round(100 * this.#host.viewer.focus.share);
    const where = { 0: "The background stays", 100: "What is nearest stays" };
    this.say(`${where[share] ?? `What is ${share} % of the way to the front stays`} still.`);
  }

  // --- Two eyes ---

  #nextStereo() {
    const ways = ["", ...Object.keys(WAYS)];
    const next = ways[(ways.indexOf(this.#host.stereo) + 1) % ways.length];
    this.#host.stereo = next;
    this.say(WAYS[next] ?? "One picture again.");
  }

  async #offerHeadset() {
    this.#parts.headset.hidden = !(await hasHeadset());
  }

  async #enterHeadset() {
    try {
      await this.#host.viewer.enterHeadset(() => this.say(""));
      this.say("The 3D photo is in the headset.", true);
    } catch (error) {
      console.info("No headset:", error.message);
      this.say("The headset could not be started.");
    }
  }

  // --- Tilt ---

  /** A button where tilt must be asked for: by a tap on iOS, and by anybody who wants less motion. */
  #offerTilt() {
    if (!this.#host.viewer) return;
    const { felt, tilting } = this.#host.viewer.motion;
    const asks = typeof globalThis.DeviceOrientationEvent?.requestPermission === "function";
    const handheld = matchMedia("(pointer: coarse)").matches;
    this.#parts.tilt.hidden = !handheld || (felt ? tilting : !asks);
  }

  async #askForTilt() {
    const allowed = await this.#host.viewer.motion.enableTilt().catch(() => false);
    this.#parts.tilt.hidden = true;
    this.#parts.picture.focus({ preventScroll: true }); // the button that had it is gone
    if (!allowed) this.say("The browser does not let this page feel the tilt. Drag the picture instead.");
  }
}
