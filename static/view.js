// The viewer page: shows the 3D photo that its own address holds or names. No Python, no networks.
//
//   view.html#VGIB...            a pocket link: the photo itself
//   view.html?src=<address>      a GLB on any https host, or on ours
//   view.html?s=<name>#<key>     one that lies encrypted on this site's share service

import { show3d, onTiltRefused } from "./picture.js";
import { expand, fromText, unpack } from "./pocket/format.js";
import { writeGlb } from "./pocket/glb.js";
import { download } from "./sealed.js";

const LARGEST = 64 * 2 ** 20; // bytes of a GLB; ours have one or two per cent of that
const PATIENCE = 30_000; // ms for a GLB to arrive

const $ = (id) => document.getElementById(id);

/** A sentence for the person who opened the link. */
class LinkError extends Error {
  code = "link";
}

let saved = null; // object URL of the GLB to save

async function open() {
  $("problem").hidden = true;
  try {
    const { glb, lead } = await find();
    await show3d(glb, "shared with a link");
    const touch = matchMedia("(pointer: coarse)").matches;
    const hand = "Move the pointer over the picture, or use the arrow keys.";
    const how = touch ? "Tilt your phone, or drag the picture." : hand;
    $("lead").textContent = `${how} ${lead}`;
    offerToSave(glb);
    document.body.dataset.state = "shown";
  } catch (error) {
    fail(error);
  }
}

/** The GLB (Uint8Array) that the address stands for, and what to say of it. */
async function find() {
  const query = new URLSearchParams(location.search);
  if (query.has("src")) return { glb: await fetchGlb(query.get("src")), lead: "" };
  const text = location.hash.slice(1);
  if (query.has("s")) return { glb: await download(query.get("s"), text), lead: "It was decrypted on this device." };
  if (!text) throw new LinkError("This link is empty: the part after the # is missing. Ask for it again.");
  const glb = writeGlb(expand(unpack(fromText(text))));
  return { glb, lead: "The whole 3D photo is in the link itself; no server keeps it." };
}

/** Fetch a GLB, from https or from our own origin. Throws LinkError. */
async function fetchGlb(address) {
  const url = URL.canParse(address, location.href) ? new URL(address, location.href) : null;
  if (!url || (url.protocol !== "https:" && url.origin !== location.origin)) {
    throw new LinkError("This link does not name a 3D photo at an https address.");
  }
  const options = { credentials: "omit", referrerPolicy: "no-referrer", signal: AbortSignal.timeout(PATIENCE) };
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    const why = "it may be gone, or that host does not let other pages read it";
    throw new LinkError(`The 3D photo cannot be fetched from ${url.host}: ${why}.`);
  }
  const answer = `${url.host} answers ${response.status}`;
  if (!response.ok) throw new LinkError(`There is no 3D photo at this address any more (${answer}).`);
  return readLimited(response);
}

async function readLimited(response) {
  const parts = [];
  let size = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new LinkError("The connection broke while the 3D photo was loading. Load the page again.");
    });
    if (done) break;
    size += value.length;
    if (size > LARGEST) {
      reader.cancel();
      throw new LinkError("What lies at this address is too large to be a 3D photo.");
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function offerToSave(glb) {
  URL.revokeObjectURL(saved);
  saved = URL.createObjectURL(new Blob([glb], { type: "model/gltf-binary" }));
  $("save").href = saved;
  $("save").hidden = false;
}

function fail(error) {
  if (!error.code) console.error(error);
  document.body.dataset.state = "failed";
  $("viewer").hidden = $("tools").hidden = $("save").hidden = true;
  $("title").textContent = "No picture here";
  $("lead").textContent = "";
  $("problem").textContent = error.code ? error.message : "This link cannot be opened, which is a fault of ours.";
  $("problem").hidden = false;
}

onTiltRefused((error) => {
  $("problem").textContent = error.message;
  $("problem").hidden = false;
});
addEventListener("hashchange", open);
open();
