// A moving picture of a 3D photo, for places that show no 3D: one turn of a slow sway that repeats without a seam,
// drawn by the viewer itself at a size of its own.
//
// H.264 in MP4 plays everywhere; a browser that cannot make it makes VP9 in WebM; one without WebCodecs, or who wants
// it so, gets a GIF, which is small and coarse.

import { GIFEncoder, applyPalette, quantize } from "gifenc";
import { BufferTarget, CanvasSource, Mp4OutputFormat, Output, Quality, WebMOutputFormat, canEncodeVideo } from "mediabunny";
import { Viewer } from "./tief-photo.js";

const SECONDS = 4; // of one turn: slow enough to be calm, and places that refuse very short videos want three
const SWAY = [0.75, 0.4]; // radii of the camera's disc: as the viewer sways
const VIDEO_RATE = 30; // frames a second
const GIF_DELAY = 80; // ms a frame: a GIF counts hundredths of a second, and every frame is stored whole
const LARGEST_GIF = 360; // pixels: a photo takes 3 MB then, and four times as much at twice the side
const COLOURS = 256; // the most that a GIF has
const VIDEOS = [
  { ending: "mp4", codec: "avc", Format: Mp4OutputFormat, type: "video/mp4" },
  { ending: "webm", codec: "vp9", Format: WebMOutputFormat, type: "video/webm" },
];

/**
 * Film a GLB (Uint8Array). kind: "video" or "gif"; side: pixels of the long side; `progress` is called with 0 to 1.
 * Resolves to {blob, ending: "mp4", "webm" or "gif", width, height, frames}. Throws ViewerError, and the reason of
 * `signal` when that is aborted.
 */
export async function film(glb, { kind, side }, { signal, progress = () => {} } = {}) {
  const viewer = new Viewer(document.createElement("div")); // never seen, so it draws only what it is asked for
  try {
    await viewer.show(glb);
    const large = frame(viewer.photo, side);
    const video = kind === "video" ? await bestVideo(large) : null;
    const canvas = video ? large : frame(viewer.photo, Math.min(side, LARGEST_GIF));
    canvas.getContext("2d", { willReadFrequently: !video }); // its first call decides where the pixels lie
    const take = async function* (frames) {
      for (let i = 0; i < frames; i++) {
        signal?.throwIfAborted();
        viewer.paint(canvas, along(i / frames));
        yield i;
        progress((i + 1) / frames);
        await breath();
      }
    };
    const made = await (video ? encode(canvas, video, take) : encodeGif(canvas, take));
    return { ...made, width: canvas.width, height: canvas.height };
  } finally {
    viewer.dispose();
  }
}

/** Where the camera is after a share of the turn: a flat ellipse, which it goes along without a stop. */
function along(share) {
  const angle = 2 * Math.PI * share;
  return [SWAY[0] * Math.cos(angle), SWAY[1] * Math.sin(angle)];
}

/** A canvas of the photo's shape. Video wants even numbers of pixels. */
function frame({ width, height }, side) {
  const even = (value) => 2 * Math.max(1, Math.round(((value / Math.max(width, height)) * side) / 2));
  return Object.assign(document.createElement("canvas"), { width: even(width), height: even(height) });
}

/** The first of VIDEOS that this browser encodes at the canvas's size, or null. */
async function bestVideo({ width, height }) {
  for (const video of VIDEOS) {
    if (await canEncodeVideo(video.codec, { width, height })) return video;
  }
  return null;
}

async function encode(canvas, { ending, codec, Format, type }, take) {
  const output = new Output({ format: new Format(), target: new BufferTarget() });
  // One key frame: each renews the grain of the picture, which is seen, and least at the seam. Of the 2.8 grey levels
  // there (480 pixels, H.264) the sway itself makes 0.7; the next lower quality has 3.0 at half the size.
  const source = new CanvasSource(canvas, { codec, quality: new Quality("very-high"), keyFrameInterval: SECONDS });
  const frames = SECONDS * VIDEO_RATE;
  output.addVideoTrack(source, { frameRate: VIDEO_RATE });
  try {
    await output.start();
    for await (const i of take(frames)) await source.add(i / VIDEO_RATE, 1 / VIDEO_RATE);
    await output.finalize();
  } catch (error) {
    await output.cancel();
    throw error;
  }
  return { blob: new Blob([output.target.buffer], { type }), ending, frames };
}

async function encodeGif(canvas, take) {
  const gif = GIFEncoder();
  const { width, height } = canvas;
  const frames = (SECONDS * 1000) / GIF_DELAY;
  let palette = null; // one for all: the colours stay the same, and would flicker with one each
  for await (const i of take(frames)) {
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    palette ??= quantize(data, COLOURS);
    gif.writeFrame(applyPalette(data, palette), width, height, { palette: i === 0 ? palette : undefined, delay: GIF_DELAY });
  }
  gif.finish();
  return { blob: new Blob([gif.bytesView()], { type: "image/gif" }), ending: "gif", frames };
}

/** Let the page answer the person between two frames. */
function breath() {
  return new Promise((resolve) => setTimeout(resolve));
}
