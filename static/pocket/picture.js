// The atlas of a pocket link, compressed by the browser's own encoders. Width and quality are chosen together: for
// every width the best quality that fits, and of the widths the one whose picture is closest to the original.

const SHRINK = 0.84; // from one width to the next
const FIRST_PIXELS_PER_BYTE = 16; // where the search for the width begins
const QUALITIES = 64; // steps of quality that are told apart
const REFERENCE_SIDE = 1024; // pixels: pictures are compared at this size at most
const SMALLEST_SIDE = 48; // pixels; nobody would know what such a picture shows

/** See `makePocket`. */
export const browserPicture = {
  async open(bytes, mime) {
    const bitmap = await createImageBitmap(new Blob([bytes], { type: mime }));
    return new Atlas(bitmap);
  },
};

class Atlas {
  #bitmap;
  #type = null;
  #image = null;

  constructor(bitmap) {
    this.#bitmap = bitmap;
    this.width = bitmap.width;
    this.height = bitmap.height;
  }

  /** Its pixels, at the size at which pictures are compared. */
  image() {
    const scale = Math.min(1, REFERENCE_SIDE / Math.max(this.width, this.height));
    return (this.#image ??= pixels(this.#bitmap, Math.round(this.width * scale), Math.round(this.height * scale)));
  }

  /** The upper part alone. */
  top(height) {
    return new Atlas(draw(this.#bitmap, this.width, this.height, height));
  }

  /** The closest picture of at most `budget` bytes: {bytes: Uint8Array, image: its pixels}, or null. */
  async fit(budget) {
    this.#type ??= await bestType();
    const { width, height } = this;
    const reference = this.image();
    let side = Math.min(1, Math.sqrt((budget * FIRST_PIXELS_PER_BYTE) / (width * height)));
    let best = null;
    for (; side * Math.min(width, height) >= SMALLEST_SIDE; side *= SHRINK) {
      const found = await this.#at(side, budget, reference);
      if (best && (!found || found.error > best.error)) break; // smaller only gets worse from here
      best = found ?? best;
    }
    return best && { bytes: new Uint8Array(await best.blob.arrayBuffer()), image: best.image };
  }

  /** The best quality that fits at a width, and how far from the reference it is; null if none fits. */
  async #at(side, budget, reference) {
    const canvas = draw(this.#bitmap, Math.round(this.width * side), Math.round(this.height * side));
    let blob = null;
    let [low, high] = [0, QUALITIES];
    while (low < high) {
      const middle = (low + high) >> 1;
      const tried = await canvas.convertToBlob({ type: this.#type, quality: middle / QUALITIES });
      if (tried.size <= budget) [blob, low] = [tried, middle + 1];
      else high = middle;
    }
    if (!blob) return null;
    const decoded = await createImageBitmap(blob);
    const image = pixels(decoded, reference.width, reference.height);
    decoded.close();
    return { blob, image, error: difference(image, reference) };
  }
}

/** WebP where the browser can write it; Safari cannot, and gets JPEG. */
async function bestType() {
  const canvas = new OffscreenCanvas(1, 1);
  canvas.getContext("2d"); // without one there is nothing to convert
  const blob = await canvas.convertToBlob({ type: "image/webp" });
  return blob.type === "image/webp" ? blob.type : "image/jpeg";
}

/** A picture at a size, or the upper `rows` of that. */
function draw(bitmap, width, height, rows = height) {
  const canvas = new OffscreenCanvas(width, rows);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

function pixels(bitmap, width, height) {
  return draw(bitmap, width, height).getContext("2d").getImageData(0, 0, width, height);
}

/** Mean squared difference of two images of one size. */
function difference(one, other) {
  let sum = 0;
  for (let i = 0; i < one.data.length; i++) sum += (one.data[i] - other.data[i]) ** 2;
  return sum / one.data.length;
}
