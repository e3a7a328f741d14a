// The script inside a single HTML file that shows its 3D photo offline: `wrap` makes such a file of this, bundled, and
// a GLB.

import { Viewer } from "./viewer.js";

const host = document.getElementById("photo");
const text = atob(document.getElementById("glb").textContent.trim());
const glb = Uint8Array.from(text, (character) => character.charCodeAt(0));

const say = (error) => {
  host.hidden = true;
  document.getElementById("problem").textContent = error.message;
};

try {
  const viewer = new Viewer(host);
  host.viewer = viewer;
  viewer.show(glb).catch(say);
  // iOS tells the tilt only after a tap.
  if (globalThis.DeviceOrientationEvent?.requestPermission) {
    host.addEventListener("click", () => viewer.motion.enableTilt().catch(() => {}), { once: true });
  }
} catch (error) {
  say(error);
}
