// Shows one 3D photo and moves with it. Knows of no page: give it an element, then the bytes of a GLB.
//
//   const viewer = new Viewer(element);
//   await viewer.show(bytes);
//
// The element gets a canvas as large as it can be with the photo's aspect ratio, and takes pointer, touch and keys: it
// should be focusable. Frames are drawn only when something moved, and none while the element cannot be seen.

import { breath } from "./breath.js";
import { Focus } from "./focus.js";
import { intoDisc } from "./frustum.js";
import { enter } from "./headset.js";
import { ViewerError, load } from "./load.js";
import { Motion } from "./motion.js";
import { Painter } from "./painter.js";
import { dispose } from "./surface.js";

export class Viewer {
  /** Frames drawn so far: a still picture draws none. */
  frames = 0;
  /** What asset.extras.tiefblick says of the 3D photo that is shown, or null. */
  photo = null;
  /** Called with the camera's offset whenever it moved. */
  onmove = null;
  /** The plane that stays still. */
  focus = new Focus();

  #host;
  #canvas;
  #painter;
  #loading = null; // what `show` does just now
  #request = 0;
  #session = null; // the headset's
  #visible = true;
  #lost = false;
  #observers;
  #listeners = new AbortController();

  constructor(host) {
    this.#host = host;
    this.#canvas = document.createElement("canvas");
    this.#canvas.setAttribute("aria-hidden", "true"); // Firefox has the property only since 119
    this.#painter = this.#makePainter();
    this.motion = new Motion(host, () => this.#wake());
    this.#observers = [
      new ResizeObserver(() => this.#resize()),
      new IntersectionObserver(([entry]) => this.#see(entry.isIntersecting)),
    ];
    for (const observer of this.#observers) observer.observe(host);
    const signal = this.#listeners.signal;
    document.addEventListener("visibilitychange", () => this.#wake(), { signal });
    this.#canvas.addEventListener("webglcontextlost", (event) => this.#lose(event), { signal });
    this.#canvas.addEventListener("webglcontextrestored", () => this.#regain(), { signal });
  }

  /** Show the GLB in an ArrayBuffer or Uint8Array. Throws ViewerError. */
  async show(data) {
    const mine = (this.#loading = {});
    await breath();
    const { scene, photo } = await load(data);
    await this.#painter.warm(scene);
    if (mine !== this.#loading) return dispose(scene); // another one, or nobody, is wanted by now
    this.#painter.clear();
    this.photo = photo;
    this.#painter.take(scene, photo);
    this.#fit();
    await breath();
    this.#draw();
    await this.#painter.drawn();
    if (mine !== this.#loading) return;
    if (!this.#canvas.isConnected) this.#host.append(this.#canvas);
    this.#wake();
  }

  /** "side-by-side", "anaglyph", or "": for one eye. */
  get stereo() {
    return this.#painter.stereo;
  }

  set stereo(value) {
    this.#painter.stereo = value;
    this.#redraw();
  }

  /** Let the plane at `depth` (scene units) stay still, within the photo's range. */
  focusOn(depth) {
    this.focus.choose(depth, this.motion.calm);
    this.#wake();
  }

  /** Let a plane stay still that is nearer, or farther, by a share of the range. */
  shiftFocus(share) {
    this.focus.shift(share, this.motion.calm);
    this.#wake();
  }

  /** Depth in scene units of what is seen at (x, y), shares of the canvas from its top left; null beside the photo. */
  depthAt(x, y) {
    return this.#painter.depthAt(x, y, this.motion.offset);
  }

  /** Show it in a headset; call it from a tap. Resolves when the session has begun; `left` is called when it ends. */
  async enterHeadset(left) {
    this.#session = await enter(this.#painter.renderer, this.#painter.scene, this.photo);
    const back = () => {
      this.#session = null;
      this.#redraw();
      left();
    };
    this.#session.addEventListener("end", back, { once: true });
  }

  /** Show nothing, and free what the 3D photo took. */
  clear() {
    cancelAnimationFrame(this.#request);
    this.#request = 0;
    this.photo = null;
    this.#painter.clear();
    this.#canvas.remove();
  }

  dispose() {
    this.#loading = null;
    this.#session?.end().catch(() => {}); // it may be over already
    this.clear();
    this.motion.dispose();
    this.#listeners.abort();
    for (const observer of this.#observers) observer.disconnect();
    this.#painter.dispose();
  }

  /** What the GPU holds: numbers of geometries and textures. */
  get memory() {
    const { geometries, textures } = this.#painter.renderer.info.memory;
    return { geometries, textures };
  }

  /** Where the camera is, (right, up) in radii of its disc. */
  get offset() {
    return [...this.motion.offset];
  }

  set offset(value) {
    this.motion.moveTo(intoDisc(value));
  }

  /** Paint what is seen from `offset` over the whole of a 2D canvas, at once and whatever the screen shows. */
  paint(canvas, offset = this.offset) {
    const possible = this.photo && !this.#lost && !this.#session;
    if (!possible) throw new ViewerError("no-picture", "The viewer has no picture to paint just now.");
    this.#painter.paint(canvas, offset);
    if (this.#host.isConnected) this.#redraw(); // otherwise nobody sees what the canvas shows
  }

  #makePainter() {
    try {
      return new Painter(this.#canvas, this.focus);
    } catch {
      throw new ViewerError("no-webgl", "This browser cannot show 3D: WebGL is missing or switched off.");
    }
  }

  #resize() {
    if (this.#fit()) this.#draw(); // at once: a canvas that changed its size is empty
  }

  #redraw() {
    this.#fit();
    this.#draw();
    this.#wake();
  }

  /** Give the canvas the host's size; whether that changed it. A headset has sizes of its own. */
  #fit() {
    if (!this.photo || this.#session) return false;
    return this.#painter.fit(this.#host.clientWidth, this.#host.clientHeight);
  }

  #see(visible) {
    this.#visible = visible;
    this.#wake();
  }

  #lose(event) {
    event.preventDefault(); // or the browser never gives it back
    this.#lost = true;
  }

  #regain() {
    this.#lost = false;
    this.#draw();
    this.#wake();
  }

  #wake() {
    const idle = !this.photo || this.#lost || this.#session || !this.#visible || document.hidden;
    if (!idle && !this.#request) this.#request = requestAnimationFrame((time) => this.#frame(time));
  }

  #frame(time) {
    this.#request = 0;
    if (!this.photo || this.#session || !this.#visible || document.hidden) return;
    const [right, up] = this.motion.offset;
    const goesOn = this.motion.step(time / 1000);
    const glides = this.focus.step(time / 1000);
    if (glides || right !== this.motion.offset[0] || up !== this.motion.offset[1]) this.#draw();
    if (goesOn || glides) this.#wake();
  }

  #draw() {
    if (!this.photo || this.#lost || this.#session) return;
    this.#painter.draw(this.motion.offset);
    this.frames += 1;
    this.onmove?.(this.offset);
  }
}
