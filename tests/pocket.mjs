// Pocket links in Node, for tests: one JSON object a line in, one a line out. Bytes cross as base64.
//
// {pack: scene} -> {bytes}    {open: bytes, backdrop} -> {scene, glb} or {error: code}    {text} -> {bytes} or {error}
// {make: glb, budget, image, size} -> {bytes, ...} or {error: sentence}; the picture is `image`, whatever the budget
// {look: glb, pixels, size, offset} -> {width, height, data}; pixels are the atlas's, RGBA

import { createInterface } from "node:readline";
import { expand, fromText, pack, toText, unpack } from "../static/pocket/format.js";
import { readGlb, writeGlb } from "../static/pocket/glb.js";
import { toLattice } from "../static/pocket/lattice.js";
import { look } from "../static/pocket/look.js";
import { makePocket, quantise } from "../static/pocket/make.js";

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (data) => Buffer.from(data).toString("base64");

async function answer(call) {
  if (call.pack) {
    const packed = pack({ ...call.pack, image: bytes(call.pack.image) });
    return { bytes: text(packed), text: toText(packed) };
  }
  if (call.open !== undefined) {
    const scene = unpack(bytes(call.open));
    return { scene: { ...scene, image: text(scene.image) }, glb: text(writeGlb(expand(scene, call.backdrop))) };
  }
  if (call.text !== undefined) return { bytes: text(fromText(call.text)) };
  const [width, height] = call.size;
  if (call.look) {
    const scene = toLattice(readGlb(bytes(call.look)), { width, height });
    const image = { width, height, data: bytes(call.pixels) };
    const seen = look(scene, quantise(scene, scene.corners), image, call.offset);
    return { ...seen, data: text(seen.data) };
  }
  const fit = async (most) => ({ bytes: bytes(call.image).subarray(0, most) });
  const picture = { open: async () => ({ width, height, fit }) };
  const made = await makePocket(bytes(call.make), call.budget, picture);
  return { ...made, bytes: text(made.bytes) };
}

for await (const line of createInterface({ input: process.stdin })) {
  let result;
  try {
    result = await answer(JSON.parse(line));
  } catch (error) {
    result = { error: error.code ?? error.message };
  }
  console.log(JSON.stringify(result));
}
