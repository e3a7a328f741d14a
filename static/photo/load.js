// From the bytes of a GLB to three.js's scene and what the file says of itself.

import { LoadingManager } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { dispose } from "./surface.js";

const NEEDED = ["width", "height", "focal", "near", "far", "focus", "radius", "zoom"];

/** Why there is no picture; `code` is "not-a-3d-photo", "no-webgl" or "no-picture". */
export class ViewerError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** {scene, photo} of a GLB in an ArrayBuffer or Uint8Array; photo is its asset.extras.tiefblick. Throws ViewerError. */
export async function load(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  let model;
  try {
    model = await new GLTFLoader(alone()).parseAsync(buffer, "");
  } catch (error) {
    throw new ViewerError("not-a-3d-photo", `This file is not a 3D photo (${error.message}).`);
  }
  const photo = model.asset.extras?.tiefblick;
  const flaw = flawOf(model.scene, photo);
  if (!flaw) return { scene: model.scene, photo };
  dispose(model.scene);
  throw new ViewerError("not-a-3d-photo", flaw);
}

/** Why a GLB cannot be shown, as a sentence, or "". */
function flawOf(scene, photo) {
  if (!photo || NEEDED.some((name) => !(Number.isFinite(photo[name]) && photo[name] > 0))) {
    return "This GLB file is not a 3D photo made by Tiefblick.";
  }
  let surfaces = 0;
  let pictures = 0;
  scene.traverse(({ material }) => {
    surfaces += Boolean(material);
    pictures += Boolean(material?.map?.image); // the loader goes on without a picture that it cannot read
  });
  return surfaces > 0 && pictures === surfaces ? "" : "This 3D photo is damaged: its picture cannot be read.";
}

/** A loader's manager that fetches nothing but the file's own parts: whose photo is looked at is nobody's business. */
function alone() {
  const manager = new LoadingManager();
  manager.setURLModifier((url) => {
    if (!url.startsWith("blob:")) throw new Error("A 3D photo needs no other files.");
    return url;
  });
  return manager;
}
