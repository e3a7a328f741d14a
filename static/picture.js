// The picture on the page: a photo as it came, or its 3D photo.

import { Failure } from "./engine.js";

const THUMBNAIL = 480; // pixels of the long side: sharp on a phone's list, and some 40 kB
const THUMBNAIL_QUALITY = 0.8;

const $ = (id) => document.getElementById(id);
const stage = document.querySelector(".stage");

let shown = null; // {photo: URL of the flat photo, ratio} of the 3D photo in the viewer
let photo = $("still").src; // URL of the flat photo that is seen or behind the viewer

/** Show a photo as it is, by its URL. */
export function showPhoto(url) {
  setPhoto(url);
  $("viewer").hidden = true;
}

/** Show a 3D photo, the bytes of a GLB; the photo shown last is its flat one. Throws Failure. */
export async function show3d(glb, name) {
  try {
    await import("./tief-photo.js");
    $("viewer").hidden = false; // first, because it measures its place
    await $("viewer").show(glb);
  } catch (error) {
    $("viewer").hidden = true;
    if (error.code) throw new Failure({ code: error.code, sentence: error.message });
    console.error(error);
    throw new Failure({ code: "viewer", sentence: "The viewer could not be loaded. Check the connection." });
  }
  const before = shown?.photo;
  const { width, height } = $("viewer").photo;
  shown = { photo, ratio: width / height };
  if (before !== shown.photo) release(before);
  $("viewer").alt = name;
  setRatio(shown.ratio);
}

/** Back to the 3D photo that was there before `showPhoto`, if there was one. */
export function showLast3d() {
  if (!shown) return;
  setPhoto(shown.photo);
  setRatio(shown.ratio);
  $("viewer").hidden = false;
}

/** The 3D photo in the viewer, small and from straight ahead: the bytes of a JPEG. */
export async function thumbnail() {
  const { width, height } = $("viewer").photo;
  const scale = Math.min(1, THUMBNAIL / Math.max(width, height));
  const pixels = [width, height].map((value) => Math.max(1, Math.round(value * scale)));
  const canvas = Object.assign(document.createElement("canvas"), { width: pixels[0], height: pixels[1] });
  $("viewer").viewer.paint(canvas, [0, 0]);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", THUMBNAIL_QUALITY));
  return new Uint8Array(await blob.arrayBuffer());
}

/** While the engine starts, the picture moves only when somebody moves it: drawing would slow the start down. */
export function hold(value) {
  $("viewer").held = value;
}

function setPhoto(url) {
  if (photo !== url && photo !== shown?.photo) release(photo);
  photo = $("still").src = url;
  $("glow").style.backgroundImage = `url("${url}")`;
}

function release(url) {
  if (url?.startsWith("blob:")) URL.revokeObjectURL(url);
}

function setRatio(ratio) {
  stage.style.setProperty("--ratio", ratio.toFixed(4));
}

$("still").addEventListener("load", () => {
  $("still").style.visibility = "";
  const { naturalWidth, naturalHeight } = $("still");
  if ($("viewer").hidden && naturalWidth) setRatio(naturalWidth / naturalHeight);
});
// Some photos only Python can read (TIFF): then there is a plain frame until the 3D photo comes.
$("still").addEventListener("error", () => ($("still").style.visibility = "hidden"));

$("viewer").addEventListener("move", ({ detail: [x, y] }) => {
  document.documentElement.style.setProperty("--look-x", x.toFixed(3));
  document.documentElement.style.setProperty("--look-y", (-y).toFixed(3));
});
