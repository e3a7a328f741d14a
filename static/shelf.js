// The dialog with the person's own 3D photos: open, rename, save, delete and take that back.

import { glbFile, save, size } from "./files.js";
import * as library from "./library.js";

const $ = (id) => document.getElementById(id);
let tell = null; // {open, changed} of the page
let removed = null; // the entry that was deleted last, until the dialog closes
let thumbnails = []; // object URLs

/** Open the dialog. `open(id)` is called when one is chosen, `changed(id, name)` when it has another name, and
 * `changed()` when there are more or fewer. Throws LibraryError. */
export async function openShelf(calls) {
  tell = calls;
  await show();
  say("");
  $("library").showModal();
  sayHowLong();
}

/** The list as it is now. */
async function show() {
  const entries = await library.list();
  thumbnails.forEach((url) => URL.revokeObjectURL(url));
  thumbnails = [];
  $("kept").replaceChildren(...entries.map(row));
  $("nothing-kept").hidden = entries.length > 0;
  $("save-all").hidden = entries.length < 2;
}

function row({ id, name, made, bytes, thumbnail }) {
  const item = $("kept-item").content.cloneNode(true).firstElementChild;
  const part = (selector) => item.querySelector(selector);
  item.dataset.id = id;
  if (thumbnail) thumbnails.push((part("img").src = URL.createObjectURL(new Blob([thumbnail], { type: "image/jpeg" }))));
  part("b").textContent = name;
  part("small").textContent = `${day(made)}, ${size(bytes)}`;
  part("input").value = name;
  for (const [task, run] of Object.entries({ open, ask: askName, export: exportOne, remove })) {
    const button = part(`[data-do=${task}]`);
    button.addEventListener("click", () => attempt(run, item, id));
    if (task !== "open") button.ariaLabel = `${button.textContent}: ${name}`;
  }
  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(rename, item, id);
  });
  part("input").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault(); // which would close the dialog
    stopAsking(item);
  });
  return item;
}

/** Run what a button does; what goes wrong is said. */
async function attempt(run, ...values) {
  try {
    await run(...values);
  } catch (error) {
    if (!error.code) console.error(error);
    say(error.code ? error.message : "That did not work, which is a fault of ours.");
  }
}

// --- What can be done with one ---

async function open(_, id) {
  const entry = await library.read(id);
  $("library").close();
  tell.open(entry);
}

function askName(item) {
  item.dataset.asks = "";
  item.querySelector("input").select();
}

function stopAsking(item) {
  delete item.dataset.asks;
  item.querySelector("[data-do=ask]").focus();
}

async function rename(item, id) {
  const name = item.querySelector("input").value.trim();
  if (name) {
    await library.rename(id, name);
    tell.changed(id, name);
    await show();
    say(`It is called ${name} now.`);
  }
  stopAsking(find(id) ?? item);
}

async function exportOne(_, id) {
  const { glb, name } = await library.read(id);
  const file = glbFile(glb, name);
  save(file, file.name);
}

async function remove(_, id) {
  const entry = await library.read(id);
  await library.remove(id);
  removed = entry;
  tell.changed();
  await show();
  say(`${entry.name} is deleted.`);
  $("undo").hidden = false;
  $("undo").focus(); // the button that had it is gone
}

async function undo() {
  const { id, name } = removed;
  await library.add(removed);
  tell.changed();
  await show();
  say(`${name} is back.`);
  find(id).querySelector("[data-do=open]").focus();
}

/** All in one zip archive, which compresses nothing: GLBs are compact already. */
async function saveAll() {
  const { downloadZip } = await import("client-zip");
  const taken = new Set();
  const files = async function* () {
    for (const { id } of await library.list()) {
      const { glb, name, made } = await library.read(id);
      yield { name: free(glbFile(glb, name).name, taken), input: glb, lastModified: made };
    }
  };
  say("Packing …");
  save(await downloadZip(files()).blob(), "3d-photos.zip");
  say("All 3D photos are saved in 3d-photos.zip.");
}

/** The name, or with a number if it is taken. */
function free(name, taken) {
  let found = name;
  for (let i = 2; taken.has(found); i++) found = name.replace(/\.glb$/, ` (${i}).glb`);
  taken.add(found);
  return found;
}

// --- The dialog ---

const find = (id) => document.querySelector(`#kept [data-id="${id}"]`);
const day = (date) => date.toLocaleDateString("en", { dateStyle: "medium" });

function say(text) {
  $("library-status").textContent = text;
  $("undo").hidden = true;
}

/** Whether the browser has promised to keep them. */
async function sayHowLong() {
  const kept = await navigator.storage?.persisted?.().catch(() => false);
  $("how-long").textContent = kept
    ? "They are on this device alone. The browser keeps them until you delete them, or the data of this site."
    : "They are on this device alone, and the browser may clear them when room gets short. Save what matters as a file.";
}

$("undo").addEventListener("click", () => attempt(undo));
$("save-all").addEventListener("click", () => attempt(saveAll));
$("close-library").addEventListener("click", () => $("library").close());
$("library").addEventListener("close", () => (removed = null));
