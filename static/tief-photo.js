// <tief-photo src="photo.glb" alt="A cup of coffee"></tief-photo>: a 3D photo on any page.
//
// The build makes one file of this and all that it needs; a page needs that file alone, no Python and no networks:
//
//   <script type="module" src="tief-photo.js"></script>
//   <tief-photo src="photo.glb" alt="A cup of coffee"><img src="photo.jpg" alt="A cup of coffee"></tief-photo>
//
// What stands inside the element is seen until the 3D photo is there, and where it cannot be shown.
//
// Attributes  src       address of the GLB; another host must let pages read it (CORS)
//             alt       what the photo shows, for screen readers
//             sway      "off": it stands still while nobody moves it
//             controls  "none": no buttons, and so no sway, for nothing could pause it
//             stereo    "side-by-side" or "anaglyph": for two eyes
// Properties  the same names; offset: where the camera is, (right, up) in radii of its disc;
//             swaying: whether it may sway now; held: true keeps it from swaying for a while, for other work's sake;
//             photo: what the GLB says of itself, or null; viewer: the Viewer inside, or null
// Methods     show(bytes): a GLB that is there already; rejects with a ViewerError and goes on with what it showed
//             focusAt(x, y): lets what is seen at these shares of the picture stay still
// Events      load; error, its detail {code, message}; move, its detail the offset
// Parts       picture, tools, message, for ::part()
//
// In a page's content security policy it needs script-src for the file, connect-src for the GLB and for blob:, and
// img-src blob:. It adds no style to the document and sets no markup.

import { Controls } from "./photo/controls.js";
import { FetchError, fetchGlb } from "./photo/fetch.js";
import { ViewerError } from "./photo/load.js";
import { furnish } from "./photo/parts.js";
import { Viewer } from "./photo/viewer.js";

export { Viewer, ViewerError };

// Of the window, around it: there a photo is opened, and beyond it is freed. Browsers draw in some sixteen canvases.
const NEARBY = "100%";

export class TiefPhoto extends HTMLElement {
  static observedAttributes = ["src", "alt", "sway", "controls", "stereo"];

  #parts = furnish(this.attachShadow({ mode: "open", delegatesFocus: true }));
  #controls = new Controls(this, this.#parts);
  #viewer = null;
  #opened = null; // the src that is shown or on its way
  #given = null; // bytes that `show` was given
  #held = false;
  #nearby = new IntersectionObserver((entries) => this.#come(entries.at(-1).isIntersecting), { rootMargin: NEARBY });

  connectedCallback() {
    for (const name of [...TiefPhoto.observedAttributes, "held"]) this.#adopt(name);
    this.#controls.apply();
    this.#nearby.observe(this);
    if (this.#given && !this.#viewer) this.#show(this.#given).catch((error) => this.#fail(error));
  }

  disconnectedCallback() {
    // An element that is moved within the page is taken out and put in again at once.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#nearby.disconnect();
      this.#free();
    });
  }

  attributeChangedCallback(name) {
    if (name === "sway" || name === "controls") this.#controls.applySway();
    if (name !== "src") return this.#controls.apply();
    this.#opened = this.#given = null;
    this.#nearby.unobserve(this); // observing it anew tells at once whether it is nearby
    if (this.isConnected) this.#nearby.observe(this);
  }

  /** Show the GLB in an ArrayBuffer or Uint8Array. Throws ViewerError. */
  async show(glb) {
    await this.#show(glb);
    this.#given = glb;
  }

  /** Let what is seen at (x, y), shares of the picture from its top left, stay still. Whether there was anything. */
  focusAt(x, y) {
    return this.#controls.focusAt(x, y);
  }

  get photo() {
    return this.#viewer?.photo ?? null;
  }

  get viewer() {
    return this.#viewer;
  }

  get offset() {
    return this.#viewer?.offset ?? [0, 0];
  }

  set offset(value) {
    if (this.#viewer) this.#viewer.offset = value;
  }

  get swaying() {
    return this.#viewer?.motion.swaying ?? false;
  }

  set swaying(value) {
    if (this.#viewer) this.#viewer.motion.swaying = Boolean(value);
  }

  get held() {
    return this.#held;
  }

  set held(value) {
    this.#held = Boolean(value);
    if (this.#viewer) this.#viewer.motion.held = this.#held;
  }

  /** A property that was set before the element was defined hides its setter. */
  #adopt(name) {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete this[name];
    this[name] = value;
  }

  #come(nearby) {
    if (!this.hasAttribute("src")) return;
    if (nearby) this.#open(this.src);
    else this.#free();
  }

  async #open(address) {
    if (this.#opened === address) return;
    this.#opened = address;
    this.setAttribute("aria-busy", "true");
    try {
      const url = URL.canParse(address, document.baseURI) ? new URL(address, document.baseURI) : null;
      if (!url) throw new FetchError("This is no address of a 3D photo.");
      const glb = await fetchGlb(url);
      if (this.#opened === address) await this.#show(glb);
    } catch (error) {
      if (this.#opened === address) this.#fail(error);
    } finally {
      this.removeAttribute("aria-busy");
    }
  }

  async #show(glb) {
    this.#viewer ??= this.#makeViewer();
    this.#parts.picture.hidden = false; // first, because the viewer measures its place
    await this.#viewer.show(glb).catch((error) => {
      this.#furnished();
      throw error;
    });
    if (!this.photo) return; // freed meanwhile
    this.style.setProperty("--tief-photo-ratio", (this.photo.width / this.photo.height).toFixed(4));
    this.#furnished();
    this.#controls.say("");
    this.dispatchEvent(new CustomEvent("load"));
  }

  #makeViewer() {
    const viewer = (this.#viewer = new Viewer(this.#parts.picture));
    viewer.onmove = (offset) => this.dispatchEvent(new CustomEvent("move", { detail: offset }));
    viewer.motion.held = this.#held;
    this.#controls.attach(viewer);
    return viewer;
  }

  #fail(error) {
    if (!error.code) console.error(error);
    const message = error.code ? error.message : "The 3D photo cannot be shown, which is a fault of ours.";
    const opened = this.#opened;
    this.#free();
    this.#opened = opened; // not again and again whenever it comes near
    this.#controls.say(message, true);
    this.dispatchEvent(new CustomEvent("error", { detail: { code: error.code ?? "fault", message } }));
  }

  /** Give the GPU back; what stands inside the element is seen again. */
  #free() {
    this.#opened = null;
    this.#viewer?.dispose();
    this.#viewer = null;
    this.#furnished();
  }

  /** What is seen: the 3D photo with its buttons, or what stands inside the element. */
  #furnished() {
    const shown = Boolean(this.photo);
    this.#parts.picture.hidden = !shown;
    this.#parts.fallback.hidden = shown;
    this.#controls.apply();
  }
}

for (const name of TiefPhoto.observedAttributes) {
  Object.defineProperty(TiefPhoto.prototype, name, {
    get() {
      return this.getAttribute(name) ?? "";
    },
    set(value) {
      this.setAttribute(name, value);
    },
    configurable: true,
    enumerable: true,
  });
}

if (!customElements.get("tief-photo")) customElements.define("tief-photo", TiefPhoto);
