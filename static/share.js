// The share dialog: a link that holds the 3D photo, a file, and where the site has a service, a short link.

import { generate } from "lean-qr";
import { toSvg } from "lean-qr/extras/svg";
import { glbFile, save, size } from "./files.js";
import { setSubject } from "./filming.js";
import { wrap } from "./onefile.js";
import { expand, toText, unpack } from "./pocket/format.js";
import { writeGlb } from "./pocket/glb.js";
import { makePocket } from "./pocket/make.js";
import { browserPicture } from "./pocket/picture.js";
import { service, upload } from "./sealed.js";

const LONGEST_QR = 400; // characters of a link that phones still read from a screen
const QUIET_ZONE = 4; // modules around a QR code, as its standard asks

const $ = (id) => document.getElementById(id);
let shared = null; // {glb, name, links: Map of length to {url, ...}}
let stored = null; // what the share service keeps of it

/** Open the dialog for a 3D photo: the bytes of its GLB and a file name without an ending. */
export async function openDialog(glb, name) {
  if (shared?.glb !== glb) {
    shared = { glb, name, links: new Map() };
    stored = null;
    $("service-result").hidden = $("full-link").hidden = true;
    $("full-source").value = "";
  }
  shared.name = name; // it may have another one by now
  setSubject(glb, name);
  say("");
  $("sharing").showModal();
  const files = [file()];
  $("share-file").hidden = !navigator.canShare?.({ files });
  $("share-link").hidden = !navigator.share;
  showPocket();
  const found = await service();
  $("service").hidden = !found;
  if (found) $("service-days").textContent = `${found.days} days`;
}

/** A pocket link of at most `length` characters: {url, length, triangles, bytes}. */
export async function pocketLink(glb, length, page = viewerPage()) {
  const budget = Math.floor(((length - page.length - 1) * 3) / 4);
  const made = await makePocket(glb, budget, browserPicture);
  const url = `${page}#${toText(made.bytes)}`;
  return { ...made, url, length: url.length };
}

/** The GLB that the viewer shows for the bytes of a pocket link. */
export function pocketGlb(bytes, backdrop = true) {
  return writeGlb(expand(unpack(bytes), backdrop));
}

/** The address of the viewer page beside this one. */
function viewerPage() {
  return new URL("view.html", location.href.replace(/[?#].*/, "")).href;
}

// --- The pocket link ---

/** Make the link of the chosen length and say how long it is. */
async function showPocket() {
  const mine = shared;
  const chosen = Number(document.querySelector("[name=length]:checked").value);
  for (const id of ["copy-link", "share-link", "try-link"]) $(id).setAttribute("aria-disabled", "true");
  $("try-link").removeAttribute("href");
  $("pocket-size").textContent = "Making the link …";
  try {
    if (!mine.links.has(chosen)) mine.links.set(chosen, await pocketLink(mine.glb, chosen));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    $("pocket-size").textContent = error.message;
    return;
  }
  if (mine !== shared || chosen !== Number(document.querySelector("[name=length]:checked").value)) return;
  const { url, length, triangles, imageBytes } = mine.links.get(chosen);
  const parts = `picture ${size(imageBytes)}, surface ${triangles.toLocaleString("en")} triangles`;
  $("pocket-size").textContent = `${length.toLocaleString("en")} characters: ${parts}.`;
  $("try-link").href = url;
  for (const id of ["copy-link", "share-link", "try-link"]) $(id).removeAttribute("aria-disabled");
}

function currentLink() {
  return $("try-link").hasAttribute("href") ? $("try-link").href : null;
}

async function copy(url) {
  if (!url) return;
  try {
    await navigator.clipboard.writeText(url);
    say("The link is copied.");
  } catch {
    say("The browser does not let this page copy. Open the link and copy its address.");
  }
}

/** Hand over to the system's share sheet; who closes it again is told nothing. */
async function handOver(data) {
  try {
    await navigator.share(data);
  } catch (error) {
    if (error.name !== "AbortError") say("The browser could not share this. Copy the link, or save the file.");
  }
}

// --- The file ---

function file() {
  return glbFile(shared.glb, shared.name);
}

async function saveOneFile() {
  try {
    const response = await fetch("static/tief-photo.js");
    if (!response.ok) throw new Error(String(response.status));
    const text = await wrap(shared.glb, shared.name, await response.text());
    save(new Blob([text], { type: "text/html" }), `${shared.name}.html`);
    say(`Saved as ${shared.name}.html (${size(text.length)}).`);
  } catch (error) {
    console.error(error);
    say("The viewer for the file could not be loaded. Check the connection.");
  }
}

// --- Short links ---

/** A link to a GLB that lies on the person's own host. */
function showFullLink() {
  const address = $("full-source").value.trim();
  const valid = URL.canParse(address) && new URL(address).protocol === "https:";
  $("full-link").hidden = !valid;
  if (!valid) return say(address ? "This is no https address." : "");
  say("");
  const url = `${viewerPage()}?src=${encodeURIComponent(address)}`;
  Object.assign($("full-address"), { href: url, textContent: url });
  drawQr($("full-qr"), url);
}

async function store() {
  $("store").disabled = true;
  say("Encrypting and uploading …");
  try {
    const found = await service();
    stored = await upload(found, shared.glb);
    const url = `${viewerPage()}?s=${stored.id}#${stored.key}`;
    Object.assign($("service-address"), { href: url, textContent: url });
    const day = stored.expires.toLocaleDateString("en", { dateStyle: "long" });
    $("service-expires").textContent = `It is deleted on ${day}.`;
    drawQr($("service-qr"), url);
    $("service-result").hidden = false;
    say("The short link is ready.");
  } catch (error) {
    say(error.code ? error.message : "The upload failed, which is a fault of ours.");
  } finally {
    $("store").disabled = false;
  }
}

async function forget() {
  try {
    await stored.remove();
    $("service-result").hidden = true;
    say("The photo is deleted from the share service.");
  } catch (error) {
    say(error.message);
  }
}

/** A QR code, for links short enough to be read from a screen. */
function drawQr(place, url) {
  place.replaceChildren();
  if (url.length > LONGEST_QR) return;
  const svg = toSvg(generate(url), document, { on: "#000", off: "#fff", padX: QUIET_ZONE, padY: QUIET_ZONE });
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "QR code of the link");
  place.append(svg);
}

// --- The dialog ---

function say(text) {
  $("share-status").textContent = text;
}

const on = (id, type, handler) => $(id)?.addEventListener(type, handler);
for (const choice of document.querySelectorAll("[name=length]")) choice.addEventListener("change", showPocket);
on("copy-link", "click", () => copy(currentLink()));
on("share-link", "click", () => currentLink() && handOver({ title: "A 3D photo", url: currentLink() }));
on("share-file", "click", () => handOver({ files: [file()] }));
on("save-glb", "click", () => save(file(), file().name));
on("save-html", "click", saveOneFile);
on("full-source", "input", showFullLink);
on("copy-full", "click", () => copy($("full-address").href));
on("store", "click", store);
on("copy-service", "click", () => copy($("service-address").href));
on("forget", "click", forget);
on("close-sharing", "click", () => $("sharing").close());
