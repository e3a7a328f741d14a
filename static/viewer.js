// Shows one 3D photo and moves with it. Knows of no page: give it an element, then the bytes of a GLB.
//
//   const viewer = new Viewer(element);
//   await viewer.show(bytes);
//
// The element gets a canvas as large as it can be with the photo's aspect ratio, and takes pointer, touch and keys: it
// should be focusable. Frames are drawn only when something moved, and none while the element cannot be seen.

import { Color, LinearMipmapLinearFilter, PerspectiveCamera, Scene, ShaderChunk, WebGLRenderer } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { frustum, intoDisc } from "./frustum.js";
import { Motion } from "./motion.js";

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

  #host;
  #canvas;
  #renderer;
  #scene = new Scene();
  #camera = new PerspectiveCamera();
  #request = 0;
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
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    let model;
    try {
      model = await new GLTFLoader().parseAsync(buffer, "");
    } catch (error) {
      throw new ViewerError("not-a-3d-photo", `This file is not a 3D photo (${error.message}).`);
    }
    const photo = model.asset.extras?.tiefblick;
    if (!photo || NEEDED.some((name) => !(photo[name] > 0))) {
      dispose(model.scene);
      throw new ViewerError("not-a-3d-photo", "This GLB file is not a 3D photo made by Tiefblick.");
    }
    smooth(model.scene);
    this.clear();
    this.photo = photo;
    this.#scene.add(model.scene);
    this.#host.append(this.#canvas);
    this.#resize();
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
    this.clear();
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
    if (!this.photo || this.#lost) throw new ViewerError("no-picture", "The viewer has no picture to paint just now.");
    this.#renderer.setPixelRatio(1);
    this.#renderer.setSize(canvas.width, canvas.height);
    this.#render(offset);
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
    if (!this.photo) return;
    const { clientWidth, clientHeight } = this.#host;
    const scale = Math.min(clientWidth / this.photo.width, clientHeight / this.photo.height);
    const width = Math.max(1, Math.round(this.photo.width * scale));
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
    const idle = !this.photo || this.#lost || !this.#visible || document.hidden;
    if (!idle && !this.#request) this.#request = requestAnimationFrame((time) => this.#frame(time));
  }

  #frame(time) {
    this.#request = 0;
    if (!this.photo || !this.#visible || document.hidden) return;
    const [right, up] = this.motion.offset;
    const goesOn = this.motion.step(time / 1000);
    if (right !== this.motion.offset[0] || up !== this.motion.offset[1]) this.#draw();
    if (goesOn) this.#wake();
  }

  #draw() {
    if (!this.photo || this.#lost) return;
    this.#render(this.motion.offset);
    this.frames += 1;
    this.onmove?.(this.offset);
  }

  #render(offset) {
    const view = frustum(this.photo, offset);
    this.#camera.position.fromArray(view.position);
    this.#camera.projectionMatrix.makePerspective(view.left, view.right, view.top, view.bottom, view.near, view.far);
    this.#camera.projectionMatrixInverse.copy(this.#camera.projectionMatrix).invert();
    this.#renderer.render(this.#scene, this.#camera);
  }
}

/**
 * Mipmaps, sampled half a level finer than usual: a screen has fewer pixels than the texture, so that fine detail
 * shimmers when it moves. Gravel and bricks, a texture 1.9 times as fine as the screen: against a well reduced picture
 * the mean error is 3.6 grey levels without mipmaps, 4.6 with them, 3.5 so; a hundredth of a radius changes 0.72, 0.53,
 * 0.62 of them.
 */
function smooth(object) {
  object.traverse(({ material }) => {
    if (!material?.map) return;
    Object.assign(material.map, { minFilter: LinearMipmapLinearFilter, generateMipmaps: true, needsUpdate: true });
    material.onBeforeCompile = (shader) => {
      const biased = ShaderChunk.map_fragment.replace("texture2D( map, vMapUv )", "texture2D( map, vMapUv, -0.5 )");
      shader.fragmentShader = shader.fragmentShader.replace("#include <map_fragment>", biased);
    };
  });
}

/** Free geometry, materials and textures: three.js cannot know when nobody needs them any more. */
function dispose(object) {
  object.traverse((node) => {
    node.geometry?.dispose();
    if (!node.material) return;
    node.material.map?.source?.data?.close?.(); // an ImageBitmap holds its pixels until it is closed
    node.material.map?.dispose();
    node.material.dispose();
  });
}
