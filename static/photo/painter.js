// Draws a 3D photo from a place on the camera's disc: for one eye, for two, or onto another canvas.

import { Color, PerspectiveCamera, Raycaster, Scene, Vector2, WebGLRenderer } from "three";
import { breath } from "./breath.js";
import { eyes } from "./eyes.js";
import { frustum } from "./frustum.js";
import { Anaglyph, sideBySide } from "./stereo.js";
import { dispose, prepare } from "./surface.js";

const SHARPEST = 2; // device pixels per CSS pixel: more cannot be seen in a moving photo, and costs four times as much
const LOOK_AGAIN = 8; // ms between two questions whether the GPU is done
const PATIENCE = 2000; // ms; then the page goes on and the browser waits, as it would have anyway

export class Painter {
  /** "side-by-side", "anaglyph", or "": for one eye. */
  stereo = "";
  scene = new Scene();

  #photo = null;
  #focus;
  #camera = new PerspectiveCamera();
  #anaglyph = null; // made when it is wanted

  /** `focus` is the plane that stays still. Throws if the browser has no WebGL. */
  constructor(canvas, focus) {
    [canvas.width, canvas.height] = [1, 1]; // until its size is known: a drawing buffer takes time to make
    // The photo is its own light: unlit materials, sRGB in and out, no tone mapping (three.js's defaults for these).
    this.renderer = new WebGLRenderer({ canvas, antialias: true, powerPreference: "low-power" });
    this.scene.background = new Color(0x000000);
    this.#focus = focus;
  }

  /** Get a GLB's scene ready, in steps that leave the page time to answer: on a slow phone each is felt. */
  async warm(model) {
    for (const texture of prepare(model, this.#focus.uniforms)) {
      this.renderer.initTexture(texture);
      await breath();
    }
    await this.renderer.compileAsync(model, this.#camera, this.scene);
  }

  /** Take a GLB's scene that is ready, and what asset.extras.tiefblick says of it. */
  take(model, photo) {
    this.#photo = photo;
    this.#focus.reset(photo);
    this.scene.add(model);
  }

  /** Resolves when the GPU has drawn what it was told to. A page that shows the canvas sooner waits for that, idle. */
  async drawn() {
    const gl = this.renderer.getContext();
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    if (!fence) return; // a lost context
    gl.flush();
    const end = performance.now() + PATIENCE;
    do await breath(LOOK_AGAIN);
    while (gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED && performance.now() < end);
    gl.deleteSync(fence);
  }

  /** Free what was taken. */
  clear() {
    for (const child of [...this.scene.children]) {
      this.scene.remove(child);
      dispose(child);
    }
  }

  dispose() {
    this.clear();
    this.#anaglyph?.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }

  /** Make the canvas as large as it can be with the photo's shape within a room of CSS pixels. Whether it changed. */
  fit(roomWidth, roomHeight) {
    const views = this.stereo === "side-by-side" ? 2 : 1;
    const scale = Math.min(roomWidth / this.#photo.width / views, roomHeight / this.#photo.height);
    const width = Math.max(1, Math.round(this.#photo.width * scale)) * views;
    const height = Math.max(1, Math.round(this.#photo.height * scale));
    const { style } = this.renderer.domElement;
    [style.width, style.height] = [`${width}px`, `${height}px`];
    return this.#size(width, height, Math.min(globalThis.devicePixelRatio || 1, SHARPEST));
  }

  /** Give the drawing buffer its size, unless it has it: a new one is empty, and takes time to make. */
  #size(width, height, ratio) {
    const canvas = this.renderer.domElement;
    const same = canvas.width === Math.floor(width * ratio) && canvas.height === Math.floor(height * ratio);
    if (same && this.renderer.getPixelRatio() === ratio) return false;
    this.renderer.setDrawingBufferSize(width, height, ratio);
    return true;
  }

  /** Draw what is seen from `offset`, (right, up) in radii of the disc. */
  draw(offset) {
    const [renderer, scene, aim] = [this.renderer, this.scene, (place) => this.#aim(place)];
    if (this.stereo === "side-by-side") return sideBySide(renderer, scene, aim, offset);
    if (this.stereo !== "anaglyph") return renderer.render(scene, aim(offset));
    this.#anaglyph ??= new Anaglyph();
    return this.#anaglyph.render(renderer, scene, aim, offset);
  }

  /** Paint what one eye sees from `offset` over the whole of a 2D canvas; the size of `fit` is lost. */
  paint(canvas, offset) {
    this.#size(canvas.width, canvas.height, 1);
    this.#focus.uniforms.shine.value = 0;
    this.renderer.render(this.scene, this.#aim(offset));
    canvas.getContext("2d").drawImage(this.renderer.domElement, 0, 0); // in the same task: later it has been emptied
  }

  /** Depth in scene units of what is seen at (x, y), shares of the canvas from its top left; null beside the photo. */
  depthAt(x, y, offset) {
    const twice = this.stereo === "side-by-side";
    const place = twice ? eyes(offset)[x < 0.5 ? 0 : 1] : offset;
    const across = twice ? (2 * x) % 1 : x;
    const ray = new Raycaster();
    ray.setFromCamera(new Vector2(2 * across - 1, 1 - 2 * y), this.#aim(place));
    const [hit] = ray.intersectObject(this.scene);
    return hit ? -hit.point.z : null;
  }

  /** The camera at an offset. */
  #aim(offset) {
    const view = frustum(this.#photo, offset, this.#focus.depth);
    this.#camera.position.fromArray(view.position);
    this.#camera.projectionMatrix.makePerspective(view.left, view.right, view.top, view.bottom, view.near, view.far);
    this.#camera.projectionMatrixInverse.copy(this.#camera.projectionMatrix).invert();
    this.#camera.updateMatrixWorld();
    return this.#camera;
  }
}
