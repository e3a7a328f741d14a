// The viewer page: shows the 3D photo that its own address holds or names. No Python, no networks.
//
//   view.html#VGIB...            a pocket link: the photo itself
//   view.html?src=<address>      a GLB on any https host, or on ours
//   view.html?s=<name>#<key>     one that lies encrypted on this site's share service

import { fetchGlb } from "./photo/fetch.js";
import { expand, fromText, unpack } from "./pocket/format.js";
import { writeGlb } from "./pocket/glb.js";
import { download } from "./sealed.js";

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
    await customElements.whenDefined("tief-photo");
    await show(glb);
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
  if (query.has("src")) return { glb: await fetchFrom(query.get("src")), lead: "" };
  const text = location.hash.slice(1);
  if (query.has("s")) return { glb: await download(query.get("s"), text), lead: "It was decrypted on this device." };
  if (!text) throw new LinkError("This link is empty: the part after the # is missing. Ask for it again.");
  const glb = writeGlb(expand(unpack(fromText(text))));
  return { glb, lead: "The whole 3D photo is in the link itself; no server keeps it." };
}

/** A GLB at an address that somebody put into a link: https, or our own origin. Throws LinkError, FetchError. */
function fetchFrom(address) {
  const url = URL.canParse(address, location.href) ? new URL(address, location.href) : null;
  if (!url || (url.protocol !== "https:" && url.origin !== location.origin)) {
    throw new LinkError("This link does not name a 3D photo at an https address.");
  }
  return fetchGlb(url);
}

async function show(glb) {
  const viewer = $("viewer");
  viewer.hidden = false; // first, because it measures its place
  await viewer.show(glb);
  viewer.alt = "shared with a link";
  const { width, height } = viewer.photo;
  document.querySelector(".stage").style.setProperty("--ratio", (width / height).toFixed(4));
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
  $("viewer").hidden = $("save").hidden = true;
  $("title").textContent = "No picture here";
  $("lead").textContent = "";
  $("problem").textContent = error.code ? error.message : "This link cannot be opened, which is a fault of ours.";
  $("problem").hidden = false;
}

if (window.top !== window) document.body.dataset.framed = ""; // another page shows it: then the picture alone
addEventListener("hashchange", open);
open();
