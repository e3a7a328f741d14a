// The page: takes a photo, lets the engine make a 3D photo of it, shows that in the viewer and keeps it in the library.
// Three states: idle, working, result; the words for each stand in index.html.

import { Engine, Failure } from "./engine.js";
import { glbFile, size, stem } from "./files.js";
import * as intake from "./intake.js";
import * as library from "./library.js";
import { isolate, keepOffline, persist } from "./offline.js";
import { hold, show3d, showLast3d, showPhoto, thumbnail } from "./picture.js";
import { Progress, seconds } from "./progress.js";

const STARTING = {
  download: "Loading Python",
  python: "Loading the tools",
  loaded: "Loading the depth network",
  network: "Loading the depth network",
};
const UNREADABLE = ["unsupported-format"]; // for Python; the browser may still know it (HEIC, AVIF)
const WELCOME = "static/samples/coffee.glb"; // of the photo that index.html shows first

const $ = (id) => document.getElementById(id);
const engine = new Engine();
const progress = new Progress($("stages"), document.querySelector(".stage"));
let job = null; // what is under way; a new object for each photo
let file3d = null; // object URL of the GLB to save
let last3d = null; // the 3D photo that is shown: what the engine told of it, its name, and once it is kept, its id

// --- The photo's way ---

/** One photo from file to viewer. A new one replaces what is under way. */
async function make(file) {
  if (job) stop();
  const mine = (job = {});
  if ($("engine").dataset.engine === "failed") start();
  enter("working");
  showPhoto(URL.createObjectURL(file));
  try {
    const result = await convert(file, mine);
    if (job === mine) await present({ ...result, name: stem(file.name), photo: file.name, made: new Date() });
  } catch (error) {
    if (job === mine) giveUp(error);
  } finally {
    if (job === mine) job = null;
  }
}

async function convert(file, mine) {
  const bytes = await intake.read(file);
  await engine.ready;
  if (job !== mine) return null;
  try {
    return await engine.convert(bytes);
  } catch (error) {
    const pixels = UNREADABLE.includes(error.code) && job === mine ? await intake.decodeInBrowser(file) : null;
    if (!pixels) throw error;
    return engine.convertPixels(pixels);
  }
}

/** Show a new 3D photo, or one from the library, which has an `id`. */
async function present(photo) {
  const { glb, times, counts, notes, made } = (last3d = photo);
  const total = Object.values(times).reduce((sum, value) => sum + value, 0);
  progress.finish(times);
  offerToSave();
  $("notes").replaceChildren(...notes.map((note) => element("li", note)));
  facts("result", {
    Photo: `${photo.photo}, ${photo.size[0]} × ${photo.size[1]}`,
    Reading: seconds(times.photo),
    "All together": seconds(total),
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [words(name), count.toLocaleString("en")])),
  });
  const touch = matchMedia("(pointer: coarse)").matches;
  const how = touch
    ? "Tilt your phone, or drag the picture."
    : "Move the pointer over the picture, or use the arrow keys.";
  const when = photo.id ? `Made on ${made.toLocaleDateString("en", { dateStyle: "long" })}` : `Made in ${seconds(total)}`;
  $("result-lead").textContent = `${when}. ${how}`;
  $("unkept").textContent = "";
  enter("result");
  speak(photo.id ? `${photo.name} is open.` : "The 3D photo is ready.");
  const seen = await show3d(glb, photo.name).then(() => true, complain); // without WebGL it can still be saved
  if (!photo.id) await keep(photo, seen ? await thumbnail().catch(() => null) : null);
}

function offerToSave() {
  const { glb, name } = last3d;
  const file = glbFile(glb, name);
  URL.revokeObjectURL(file3d);
  file3d = URL.createObjectURL(file);
  $("save").href = file3d;
  $("save").download = file.name;
  $("save").textContent = `Save as GLB (${size(glb.length)})`;
}

async function share() {
  try {
    const { openDialog } = await import("./share.js"); // what few need is loaded late
    await openDialog(last3d.glb, last3d.name);
  } catch (error) {
    console.error(error);
    complain(new Failure({ code: "share", sentence: "The part that shares could not be loaded. Check the connection." }));
  }
}

// --- The library ---

/** Put a new 3D photo into the library. One that cannot be kept stays on the screen, and a sentence says so. */
async function keep(photo, thumbnail) {
  try {
    photo.id = await library.add({ ...photo, thumbnail });
    persist().catch(() => {}); // a browser that refuses keeps it as long as there is room
  } catch (error) {
    if (photo === last3d) $("unkept").textContent = error.message;
  }
  await countKept();
}

/** The ways to the library say how much is in it; without it, or empty, there are none. */
async function countKept() {
  const kept = await library.count().catch(() => 0);
  for (const button of document.querySelectorAll("[data-library]")) {
    button.hidden = !kept;
    button.querySelector("span").textContent = kept;
  }
}

async function openLibrary() {
  try {
    const { openShelf } = await import("./shelf.js");
    await openShelf({ open: openKept, changed: keptChanged });
  } catch (error) {
    if (!error.code) console.error(error);
    complain(error.code ? error : new Failure({ code: "library", sentence: "The library could not be loaded. Check the connection." }));
  }
}

/** Show a 3D photo of the library; its thumbnail is the flat photo behind it. */
async function openKept(photo) {
  if (photo.thumbnail) showPhoto(URL.createObjectURL(new Blob([photo.thumbnail], { type: "image/jpeg" })));
  scrollTo({ top: 0 });
  await present(photo);
}

/** One of the library has another name, or there are more or fewer. */
function keptChanged(id, name) {
  if (id && id === last3d?.id) {
    last3d.name = name;
    offerToSave();
  }
  countKept();
}

function stop() {
  job = null;
  engine.cancel();
}

function giveUp(error) {
  enter("idle");
  showLast3d();
  complain(error);
}

// --- What is seen ---

function enter(state) {
  document.body.dataset.state = state;
  $("problem").hidden = true;
  if (state === "working") {
    progress.reset();
    sayWhatWeWaitFor();
    scrollTo({ top: 0 });
  }
  document.querySelector(`.${state} h1`).focus({ preventScroll: true });
}

function sayWhatWeWaitFor() {
  const waiting = $("engine").dataset.engine === "loading";
  $("working-lead").textContent = waiting
    ? "Getting ready first; on the first visit that takes a download of some 20 MB."
    : "All of it happens on this device.";
}

function complain(error) {
  if (!error.code) console.error(error);
  $("problem").textContent = error.message;
  $("problem").hidden = false;
  $("problem").scrollIntoView({ block: "nearest" });
}

function speak(text) {
  $("spoken").textContent = text;
}

const known = { start: {}, result: {} };
function facts(group, values) {
  known[group] = values;
  const entries = Object.entries({ ...known.start, ...known.result });
  $("facts").replaceChildren(...entries.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

function element(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

/** "ldi_pixels" as people write it. */
function words(name) {
  const text = name.replaceAll("_", " ").replace(/\b(ldi|glb)\b/g, (word) => word.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// --- The engine ---

function tellEngine(state, text) {
  $("retry").hidden = state !== "failed";
  $("engine").dataset.engine = state;
  $("engine").firstElementChild.textContent = text;
  hold(state === "loading");
  sayWhatWeWaitFor();
}

engine.addEventListener("progress", ({ detail }) => {
  const begun = job && progress.tell(detail.stage, detail.fraction);
  if (begun) speak(begun);
});
engine.addEventListener("starting", ({ detail }) => tellEngine("loading", `${STARTING[detail.step]} …`));
engine.addEventListener("ready", ({ detail }) => {
  tellEngine("ready", "Ready");
  facts("start", {
    "Depth network": detail.name,
    Checked: `deviates by ${detail.deviation.toPrecision(2)} from the stored answer`,
    ...(detail.notes.length ? { Fallback: detail.notes.join(" ") } : {}),
    "Start-up": seconds(detail.startMs),
    Isolated: crossOriginIsolated ? "yes" : "no, so the network runs on one thread",
  });
});

engine.addEventListener("failed", ({ detail }) => {
  tellEngine("failed", "Could not start");
  if (!job) complain(detail); // a photo that waits says it itself
});

const start = () => engine.start($("backend").value, $("fill").value);
$("retry").addEventListener("click", () => {
  $("problem").hidden = true;
  $(document.body.dataset.state === "idle" ? "choose" : "again").focus(); // the button that had it goes
  start();
});

// --- Ways in ---

for (const [button, input] of [
  ["choose", "file"],
  ["take", "camera"],
]) {
  $(button).addEventListener("click", () => $(input).click());
  $(input).addEventListener("change", () => {
    const file = intake.firstImage($(input).files);
    $(input).value = ""; // so that the same photo can be chosen again
    if (file) make(file);
  });
}
for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () => intake.sample(button.dataset.sample).then(make, complain));
}
intake.listen(make, (over) => document.body.classList.toggle("dragging", over));
$("share").addEventListener("click", share);
for (const button of document.querySelectorAll("[data-library]")) button.addEventListener("click", openLibrary);
$("again").addEventListener("click", () => enter("idle")); // the 3D photo stays until there is another
$("cancel").addEventListener("click", () => {
  stop();
  enter("idle");
  showLast3d();
  speak("Cancelled.");
});

for (const id of ["backend", "fill"]) {
  const wish = new URLSearchParams(location.search).get(id);
  if ([...$(id).options].some((option) => option.value === wish)) $(id).value = wish;
  $(id).addEventListener("change", start);
}

/** Which of the manifest's shortcuts opened the page, or null. */
function shortcut() {
  const wanted = new URLSearchParams(location.search).get("go");
  if (wanted) history.replaceState(null, "", location.pathname); // loading the page again is no second wish
  return wanted;
}

function follow(wanted) {
  if (wanted === "library") openLibrary();
  if (wanted === "make") $("choose").focus(); // a browser opens its file dialog only after a tap
}

async function welcome() {
  const response = await fetch(WELCOME);
  const glb = await response.arrayBuffer();
  if (!job && response.ok) await show3d(glb, "a cup of coffee");
}

await isolate(() => job);
start();
keepOffline(engine.ready);
countKept();
follow(shortcut());
intake.fromApps(make).catch(complain);
welcome().catch((error) => console.info("No welcome:", error.message)); // the flat photo is there
