// Ways in for a photo: file, camera, drop, paste, samples, other apps; and decoding by the browser for what Python cannot read.

const IMAGE_NAME = /\.(jpe?g|png|webp|gif|tiff?|bmp|heic|heif|avif)$/i;
const LARGEST = 256 * 2 ** 20; // bytes; a larger file would be copied to the worker and run out of memory there
const LONG_SIDE = 2048; // pixels that the browser hands over: the texture needs 1536, and phones have little memory

/** The first image in a list of files (a selection may hold other things), else the first file, else null. */
export function firstImage(files) {
  const list = [...(files ?? [])];
  return list.find((file) => file.type.startsWith("image/") || IMAGE_NAME.test(file.name)) ?? list[0] ?? null;
}

/** Call `take(file)` for a photo dropped or pasted anywhere on the page; `hover(boolean)` while one is dragged. */
export function listen(take, hover) {
  let depth = 0; // enter and leave come for every element on the way
  const dragged = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => dragged(event) && hover(++depth > 0));
  addEventListener("dragleave", (event) => dragged(event) && hover(--depth > 0));
  addEventListener("dragover", (event) => dragged(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!dragged(event)) return;
    event.preventDefault();
    hover((depth = 0) > 0);
    const file = firstImage(event.dataTransfer.files);
    if (file) take(file);
  });
  addEventListener("paste", (event) => {
    const file = firstImage(event.clipboardData?.files);
    if (file) take(file);
  });
}

/** Call `take(file)` for a photo that the system opens with the installed app, and once for one that another app shared.
 * Throws an Error with a plain sentence if that one is lost. */
export async function fromApps(take) {
  globalThis.launchQueue?.setConsumer(async ({ files }) => {
    const file = firstImage(await Promise.all(files.map((handle) => handle.getFile())));
    if (file) take(file);
  });
  if (!new URLSearchParams(location.search).has("shared")) return;
  history.replaceState(null, "", location.pathname); // loading the page again is no second share
  const file = await sharedPhoto();
  if (!file) throw new Error("The shared photo did not arrive. Share it again, or choose it here.");
  take(file);
}

/** The File that the service worker holds, or null. */
function sharedPhoto() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    if (navigator.serviceWorker?.controller) navigator.serviceWorker.controller.postMessage("shared photo", [port2]);
    else resolve(null);
  });
}

/** A file's bytes. Throws an Error with a plain sentence. */
export async function read(file) {
  if (file.size > LARGEST) throw new Error("This file is larger than 256 MB. Choose a smaller photo.");
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error("This file cannot be read. It may have been moved, or still be in the cloud.");
  }
}

/** Decode by the browser, at most LONG_SIDE pixels long: ImageData, or null if it cannot either. */
export async function decodeInBrowser(file) {
  // Through <img>, not createImageBitmap: Safari's ignores the EXIF orientation.
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const scale = Math.min(1, LONG_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
    const width = Math.round(image.naturalWidth * scale);
    const height = Math.round(image.naturalHeight * scale);
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Fetch one of the sample photos as a file. */
export async function sample(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error("This sample photo cannot be loaded. Check the connection.");
  return new File([await response.blob()], url.split("/").pop(), { type: "image/jpeg" });
}
