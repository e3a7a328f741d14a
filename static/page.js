// The page: takes a photo, lets the engine make a 3D photo of it, shows that in the viewer. Three states: idle,
// working, result; the words for each stand in index.html.

import { Engine, Failure } from "./engine.js";
import * as intake from "./intake.js";
import { isolate, keepOffline, persist } from "./offline.js";
import { hold, onTiltRefused, show3d, showLast3d, showPhoto } from "./picture.js";
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
let last3d = null; // {glb, name} of the 3D photo that can be shared

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
    if (job === mine) await present(result, file);
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

async function present({ glb, times, counts, notes, size }, file) {
  const total = Object.values(times).reduce((sum, value) => sum + value, 0);
  progress.finish(times);
  offerToSave(glb, file.name);
  last3d = { glb, name: stem(file.name) };
  $("notes").replaceChildren(...notes.map((note) => element("li", note)));
  facts("result", {
    Photo: `${file.name}, ${size[0]} × ${size[1]}`,
    Reading: seconds(times.photo),
    "All together": seconds(total),
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [words(name), count.toLocaleString("en")])),
  });
  const touch = matchMedia("(pointer: coarse)").matches;
  const how = touch
    ? "Tilt your phone, or drag the picture."
    : "Move the pointer over the picture, or use the arrow keys.";
  $("result-lead").textContent = `Made in ${seconds(total)}. ${how}`;
  enter("result");
  speak("The 3D photo is ready.");
  persist().catch(() => {}); // a browser that refuses keeps it as long as there is room
  await show3d(glb, file.name).catch(complain); // without WebGL it can still be saved
}

function offerToSave(glb, name) {
  URL.revokeObjectURL(file3d);
  file3d = URL.createObjectURL(new Blob([glb], { type: "model/gltf-binary" }));
  $("save").href = file3d;
  $("save").download = `${stem(name)}.glb`;
  $("save").textContent = `Save as GLB (${Math.round(glb.length / 1e3)} kB)`;
}

/** A file name without its ending. */
function stem(name) {
  return name.replace(/\.[^.]*$/, "") || "photo";
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

const start = () => engine.start($("backend").value);

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
onTiltRefused(complain);
$("share").addEventListener("click", share);
$("again").addEventListener("click", () => enter("idle")); // the 3D photo stays until there is another
$("cancel").addEventListener("click", () => {
  stop();
  enter("idle");
  showLast3d();
  speak("Cancelled.");
});

const wish = new URLSearchParams(location.search).get("backend");
if ([...$("backend").options].some((option) => option.value === wish)) $("backend").value = wish;
$("backend").addEventListener("change", start);

async function welcome() {
  const response = await fetch(WELCOME);
  const glb = await response.arrayBuffer();
  if (!job && response.ok) await show3d(glb, "a cup of coffee");
}

await isolate(() => job);
start();
keepOffline(engine.ready);
intake.fromApps(make).catch(complain);
welcome().catch((error) => console.info("No welcome:", error.message)); // the flat photo is there
