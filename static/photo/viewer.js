// Shows one 3D photo and moves with it. Knows of no page: give it an element, then the bytes of a GLB.
//
//   const viewer = new Viewer(element);
//   await viewer.show(bytes);
//
// The element gets a canvas as large as it can be with the photo's aspect ratio, and takes pointer, touch and keys: it
// should be focusable. Frames are drawn only when something moved, and none while the element cannot be seen.

import { Color, PerspectiveCamera, Raycaster, Scene, Vector2, WebGLRenderer } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { eyes } from "./eyes.js";
import { Focus } from "./focus.js";
import { frustum, intoDisc } from "./frustum.js";
import { enter } from "./headset.js";
import { Motion } from "./motion.js";
import { Anaglyph, sideBySide } from "./stereo.js";
import { dispose, prepare } from "./surface.js";

const SHARPEST = 2; // device pixels per CSS pixel: more cannot be seen in a moving photo, and costs four times as much
const NEEDED = ["width", "height", "focal", "near", "far", "focus", "radius", "zoom"];

/** A file that is no 3D photo of ours, or a browser without WebGL; `code` is "not-a-3d-photo" or "no-webgl". */
export class ViewerError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

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
  #renderer;
  #scene = new Scene();
  #camera = new PerspectiveCamera();
  #loading = null; // what `show` does just now
  #request = 0;
  #stereo = "";
  #anaglyph = null; // made when it is wanted
  #session = null; // the headset's
  #visible = true;
  #lost = false;
  #observers;
  #listeners = new AbortController();

  constructor(host) {
    this.#host = host;
    this.#canvas = document.createElement("canvas");
    this.#canvas.ariaHidden = "true";
    this.#renderer = this.#makeRenderer();
    this.#scene.background = new Color(0x000000);
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
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    let model;
    try {
      model = await new GLTFLoader().parseAsync(buffer, "");
    } catch (error) {
      throw new ViewerError("not-a-3d-photo", `This file is not a 3D photo (${error.message}).`);
    }
    if (mine !== this.#loading) return dispose(model.scene); // another one, or nobody, is wanted by now
    const photo = model.asset.extras?.tiefblick;
    if (!photo || NEEDED.some((name) => !(photo[name] > 0))) {
      dispose(model.scene);
      throw new ViewerError("not-a-3d-photo", "This GLB file is not a 3D photo made by Tiefblick.");
    }
    this.clear();
    this.photo = photo;
    this.focus.reset(photo);
    prepare(model.scene, this.focus.uniforms);
    this.#scene.add(model.scene);
    this.#host.append(this.#canvas);
    this.#resize();
  }

  /** "side-by-side", "anaglyph", or "": for one eye. */
  get stereo() {
    return this.#stereo;
  }

  set stereo(value) {
    this.#stereo = value;
    this.#resize();
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
    const twice = this.#stereo === "side-by-side";
    const offset = twice ? eyes(this.motion.offset)[x < 0.5 ? 0 : 1] : this.motion.offset;
    const across = twice ? (2 * x) % 1 : x;
    const ray = new Raycaster();
    ray.setFromCamera(new Vector2(2 * across - 1, 1 - 2 * y), this.#aim(offset));
    const [hit] = ray.intersectObject(this.#scene);
    return hit ? -hit.point.z : null;
  }

  /** Show it in a headset; call it from a tap. Resolves when the session has begun; `left` is called when it ends. */
  async enterHeadset(left) {
    this.#session = await enter(this.#renderer, this.#scene, this.photo);
    const back = () => {
      this.#session = null;
      this.#resize();
      left();
    };
    this.#session.addEventListener("end", back, { once: true });
  }

  /** Show nothing, and free what the 3D photo took. */
  clear() {
    cancelAnimationFrame(this.#request);
    this.#request = 0;
    this.photo = null;
    for (const child of [...this.#scene.children]) {
      this.#scene.remove(child);
      dispose(child);
    }
    this.#canvas.remove();
  }

  dispose() {
    this.#loading = null;
    this.#session?.end();
    this.clear();
    this.#anaglyph?.dispose();
    this.motion.dispose();
    this.#listeners.abort();
    for (const observer of this.#observers) observer.disconnect();
    this.#renderer.dispose();
    this.#renderer.forceContextLoss();
  }

  /** What the GPU holds: numbers of geometries and textures. */
  get memory() {
    const { geometries, textures } = this.#renderer.info.memory;
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
    this.#renderer.setPixelRatio(1);
    this.#renderer.setSize(canvas.width, canvas.height);
    this.focus.uniforms.shine.value = 0;
    this.#renderer.render(this.#scene, this.#aim(offset));
    canvas.getContext("2d").drawImage(this.#canvas, 0, 0); // in the same task: later the browser has emptied it
    if (this.#host.isConnected) this.#resize(); // otherwise nobody sees what the canvas shows
  }

  #makeRenderer() {
    try {
      // The photo is its own light: unlit materials, sRGB in and out, no tone mapping (three.js's defaults for these).
      return new WebGLRenderer({ canvas: this.#canvas, antialias: true, powerPreference: "low-power" });
    } catch {
      throw new ViewerError("no-webgl", "This browser cannot show 3D: WebGL is missing or switched off.");
    }
  }

  #resize() {
    if (!this.photo || this.#session) return; // a headset has sizes of its own
    const { clientWidth, clientHeight } = this.#host;
    const views = this.#stereo === "side-by-side" ? 2 : 1;
    const scale = Math.min(clientWidth / this.photo.width / views, clientHeight / this.photo.height);
    const width = Math.max(1, Math.round(this.photo.width * scale)) * views;
    const height = Math.max(1, Math.round(this.photo.height * scale));
    this.#renderer.setPixelRatio(Math.min(globalThis.devicePixelRatio || 1, SHARPEST));
    this.#renderer.setSize(width, height);
    this.#draw(); // at once: a canvas that changed its size is empty
    this.#wake();
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
    const [renderer, scene, aim] = [this.#renderer, this.#scene, (offset) => this.#aim(offset)];
    if (this.#stereo === "side-by-side") sideBySide(renderer, scene, aim, this.motion.offset);
    else if (this.#stereo === "anaglyph") (this.#anaglyph ??= new Anaglyph()).render(renderer, scene, aim, this.motion.offset);
    else renderer.render(scene, aim(this.motion.offset));
    this.frames += 1;
    this.onmove?.(this.offset);
  }

  /** The camera at an offset. */
  #aim(offset) {
    const view = frustum(this.photo, offset, this.focus.depth);
    this.#camera.position.fromArray(view.position);
    this.#camera.projectionMatrix.makePerspective(view.left, view.right, view.top, view.bottom, view.near, view.far);
    this.#camera.projectionMatrixInverse.copy(this.#camera.projectionMatrix).invert();
    this.#camera.updateMatrixWorld();
    return this.#camera;
  }
}
