// The 3D photo in a headset, through WebXR.

import { PerspectiveCamera } from "three";
import { ROOM, goAlong } from "./eyes.js";

/** Whether this browser has a headset to show it in. */
export async function hasHeadset() {
  try {
    return Boolean(await globalThis.navigator?.xr?.isSessionSupported("immersive-vr"));
  } catch {
    return false; // a frame that is not allowed to ask
  }
}

/** Show a scene in the headset; call it from a tap. Resolves to the session, which tells "end". */
export async function enter(renderer, scene, photo) {
  const session = await navigator.xr.requestSession("immersive-vr");
  const scale = ROOM / photo.radius;
  const camera = new PerspectiveCamera(50, 1, (photo.near * scale) / 2, photo.far * scale * 2); // its lens is the device's
  renderer.xr.enabled = true;
  renderer.xr.setReferenceSpaceType("local"); // its origin is where the head is at first
  const leave = () => {
    renderer.setAnimationLoop(null);
    renderer.xr.enabled = false;
    scene.scale.setScalar(1);
    scene.position.set(0, 0, 0);
  };
  session.addEventListener("end", leave, { once: true });
  await renderer.xr.setSession(session).catch(async (error) => {
    await session.end();
    throw error;
  });
  scene.scale.setScalar(scale);
  renderer.setAnimationLoop((_, frame) => {
    const pose = frame?.getViewerPose(renderer.xr.getReferenceSpace());
    if (!pose) return; // not worn just now
    const { x, y, z } = pose.transform.position;
    scene.position.fromArray(goAlong([x, y, z]));
    renderer.render(scene, camera);
  });
  return session;
}
