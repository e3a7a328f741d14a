// The page: takes a photo, lets the engine make a 3D photo of it, shows that in the viewer. Three states: idle, working,
// result; the words for each stand in index.html.

import { Engine, Failure } from "./engine.js";
import * as intake from "./intake.js";
import { tiltNeedsPermission } from "./motion.js";

const STAGES = ["depth", "layers", "inpainting", "meshing"];
const SHARES = { depth: 0.4, layers: 0.25, inpainting: 0.15, meshing: 0.2 }; // of the work, for the developing picture
const STARTING = {
  download: "Loading Python",
  python: "Loading the tools",
  loaded: "Loading the depth network",
  network: "Loading the depth network",
};
const UNREADABLE = ["unsupported-format"]; // the browser may still know it (HEIC, AVIF)
const ISOLATION_TRIED = "tiefblick-isolation-tried";
const ISOLATION_PATIENCE = 2000; // ms

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const engine = new Engine();
const busy = { job: null };
let viewer = null;
let links = []; // object URLs to free with the next photo
let started = 0;

// ---- The photo's way -------------------------------------------------------------------------------------------------

/** One photo from file to viewer. A new one replaces what is under way. */
async function make(file) {
  if (busy.job) await stop();
  const job = (busy.job = {});
  const current = () => busy.job === job;
  enter("working", file);
  try {
    const result = await convert(file, current);
    if (!current()) return;
    busy.job = null;
    await present(result, file);
  } catch (error) {
    if (!current()) return;
    busy.job = null;
    enter("idle");
    if (error.code !== "cancelled") complain(error);
  }
}

async function convert(file, current) {
  const bytes = await intake.read(file);
  await engine.ready;
  started = performance.now();
  try {
    return await engine.convert(bytes);
  } catch (error) {
    const pixels = UNREADABLE.includes(error.code) && current() ? await intake.decodeInBrowser(file) : null;
    if (!pixels) throw error;
    return engine.convertPixels(pixels);
  }
}

async function stop() {
  busy.job = null;
  engine.cancel();
}

async function present({ glb, times, counts, notes, size, backend }, file) {
  const total = Object.values(times).reduce((sum, value) => sum + value, 0);
  const blob = new Blob([glb], { type: "model/gltf-binary" });
  $("save").href = link(blob);
  $("save").download = `${file.name.replace(/\.[^.]*$/, "") || "photo"}.glb`;
  $("save").textContent = `Save as GLB (${bytesText(glb.length)})`;
  $("notes").replaceChildren(...notes.map((note) => element("li", note)));
  for (const stage of STAGES) mark(stage, 1, times[stage]);
  facts("result", {
    Photo: `${file.name}, ${size[0]} × ${size[1]}`,
    Total: seconds(total),
    Reading: seconds(times.photo),
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [words(name), count.toLocaleString("en")])),
  });
  enter("result", file);
  $("result-title").focus({ preventScroll: true });
  speak(`The 3D photo is ready, made in ${seconds(total)}.`);
  await show(glb, file.name);
}

// ---- The viewer ------------------------------------------------------------------------------------------------------

async function show(glb, name) {
  try {
    const { Viewer } = await import("./viewer.js");
    viewer ??= makeViewer(Viewer);
    $("viewer").hidden = false;
    await viewer.show(glb);
    setRatio(viewer.photo.width / viewer.photo.height);
    $("viewer").ariaLabel = `3D photo: ${name}`;
    $("tools").hidden = false;
  } catch (error) {
    $("viewer").hidden = true;
    complain(error.code ? error : new Failure({ code: "viewer", sentence: `The viewer could not start: ${error.message}` }));
  }
}

function makeViewer(Viewer) {
  const made = new Viewer($("viewer"));
  $("viewer").viewer = made;
  made.onmove = ([x, y]) => {
    document.documentElement.style.setProperty("--look-x", x.toFixed(3));
    document.documentElement.style.setProperty("--look-y", (-y).toFixed(3));
  };
  $("sway").ariaPressed = String(made.motion.swaying);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const tilts = matchMedia("(pointer: coarse)").matches && "DeviceOrientationEvent" in globalThis;
  $("tilt").hidden = !(tilts && (tiltNeedsPermission() || calm));
  return made;
}

function setSway(on) {
  viewer.motion.swaying = on;
  $("sway").ariaPressed = String(on);
}

$("sway").addEventListener("click", () => setSway(!viewer.motion.swaying));
$("viewer").addEventListener("keydown", (event) => {
  if (event.key !== " ") return;
  event.preventDefault();
  setSway(!viewer.motion.swaying);
});
$("tilt").addEventListener("click", async () => {
  const allowed = await viewer.motion.enableTilt().catch(() => false);
  if (allowed) $("tilt").hidden = true;
  else complain(new Failure({ code: "tilt", sentence: "The browser does not let this page feel the tilt. Drag the picture instead." }));
});
$("full").hidden = !document.fullscreenEnabled;
$("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("frame").requestFullscreen();
});

// ---- What is seen ----------------------------------------------------------------------------------------------------

function enter(state, file) {
  document.body.dataset.state = state;
  if (state !== "result") {
    $("viewer").hidden = $("tools").hidden = true;
    viewer?.clear();
  }
  if (state === "working") {
    $("problem").hidden = true;
    for (const url of links.splice(0)) URL.revokeObjectURL(url);
    showStill(link(file));
    for (const stage of STAGES) mark(stage, 0);
    develop(0);
    sayWorking();
    $("working-title").focus({ preventScroll: true });
    scrollTo({ top: 0 });
  } else if (state === "result") {
    const touch = matchMedia("(pointer: coarse)").matches;
    $("result-lead").textContent = touch
      ? "Tilt your phone, or drag the picture."
      : "Move the pointer over the picture, or use the arrow keys.";
  }
}

function sayWorking() {
  const waiting = $("engine").dataset.engine === "loading";
  $("working-lead").textContent = waiting
    ? "Getting ready first; on the first visit that is a download of some 30 MB."
    : "All of it happens on this device.";
}

function showStill(url) {
  $("still").src = url;
  $("glow").style.backgroundImage = `url("${url}")`;
}

$("still").addEventListener("load", () => {
  $("still").style.visibility = "";
  const { naturalWidth, naturalHeight } = $("still");
  if (document.body.dataset.state !== "result" && naturalWidth) setRatio(naturalWidth / naturalHeight);
});
// Some photos only Python can read (TIFF): then there is a plain frame until the 3D photo comes.
$("still").addEventListener("error", () => ($("still").style.visibility = "hidden"));

function setRatio(ratio) {
  document.querySelector(".stage").style.setProperty("--ratio", ratio.toFixed(4));
}

/** How far a stage is, 0 to 1; `ms` when it is known how long it took. */
function mark(stage, fraction, ms) {
  const item = document.querySelector(`[data-stage="${stage}"]`);
  item.style.setProperty("--share", fraction);
  if (fraction >= 1) item.dataset.is = "done";
  else if (fraction > 0) item.dataset.is = "now";
  else delete item.dataset.is;
  item.querySelector("time").textContent = ms === undefined ? "" : seconds(ms);
}

function develop(share) {
  document.querySelector(".stage").style.setProperty("--done", share.toFixed(3));
}

const clock = { stage: null, since: 0, times: {} };
engine.addEventListener("progress", ({ detail: { stage, fraction } }) => {
  if (!busy.job || !STAGES.includes(stage)) return;
  const now = performance.now();
  if (clock.stage !== stage) {
    const before = STAGES.slice(0, STAGES.indexOf(stage));
    for (const done of before) if (done === clock.stage) mark(done, 1, now - clock.since);
    Object.assign(clock, { stage, since: now });
    speak(document.querySelector(`[data-stage="${stage}"]`).firstChild.textContent);
  }
  mark(stage, Math.max(fraction, 0.02), fraction >= 1 ? now - clock.since : undefined);
  const index = STAGES.indexOf(stage);
  develop(STAGES.slice(0, index).reduce((sum, name) => sum + SHARES[name], SHARES[stage] * fraction));
});

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

function link(blob) {
  const url = URL.createObjectURL(blob);
  links.push(url);
  return url;
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const bytesText = (count) => (count < 1e6 ? `${Math.round(count / 1e3)} kB` : `${(count / 1e6).toFixed(1)} MB`);
const words = (name) => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ").replace("Ldi", "LDI").replace("Glb", "GLB");

// ---- The engine ------------------------------------------------------------------------------------------------------

function tellEngine(state, text) {
  $("engine").dataset.engine = state;
  $("engine").firstElementChild.textContent = text;
  sayWorking();
}

engine.addEventListener("starting", ({ detail }) => tellEngine("loading", `${STARTING[detail.step]} …`));
engine.addEventListener("ready", ({ detail }) => {
  tellEngine("ready", "Ready");
  facts("start", {
    "Depth network": detail.name,
    "Checked": `deviates by ${detail.deviation.toPrecision(2)} from the stored answer`,
    ...(detail.notes.length ? { Backends: detail.notes.join(" ") } : {}),
    "Start-up": seconds(detail.startMs),
    Isolated: crossOriginIsolated ? "yes" : "no, so the network runs on one thread",
  });
});

function start(backend) {
  engine.start(backend).catch((error) => {
    if (error.code === "cancelled") return;
    tellEngine("failed", "Could not start");
    complain(error);
  });
}

/** On a host that sends no isolation headers the service worker adds them, after one reload before anything is begun. */
async function isolate() {
  if (crossOriginIsolated || !navigator.serviceWorker || sessionStorage.getItem(ISOLATION_TRIED)) return;
  sessionStorage.setItem(ISOLATION_TRIED, "yes");
  try {
    await navigator.serviceWorker.register("sw.js");
    const patience = new Promise((resolve) => setTimeout(resolve, ISOLATION_PATIENCE));
    const controlled = new Promise((resolve) => {
      if (navigator.serviceWorker.controller) resolve(true);
      navigator.serviceWorker.addEventListener("controllerchange", () => resolve(true), { once: true });
    });
    if ((await Promise.race([controlled, patience])) && !busy.job) {
      location.reload();
      await new Promise(() => {}); // nothing else before the page is gone
    }
  } catch (error) {
    console.warn("No service worker:", error.message);
  }
}

// ---- Ways in ---------------------------------------------------------------------------------------------------------

for (const [button, input] of [["choose", "file"], ["take", "camera"], ["again", "file"]]) {
  $(button).addEventListener("click", () => $(input).click());
}
for (const input of ["file", "camera"]) {
  $(input).addEventListener("change", (event) => {
    const file = intake.firstImage(event.target.files);
    event.target.value = ""; // so that the same photo can be chosen again
    if (file) make(file);
  });
}
for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () => intake.sample(button.dataset.sample).then(make, complain));
}
intake.listen(make, (over) => document.body.classList.toggle("dragging", over));
$("cancel").addEventListener("click", () => {
  stop();
  enter("idle");
  speak("Cancelled.");
  $("choose").focus();
});
$("backend").value = query.get("backend") ?? "auto";
if (!$("backend").value) $("backend").value = "auto";
$("backend").addEventListener("change", (event) => start(event.target.value));

await isolate();
start($("backend").value);
