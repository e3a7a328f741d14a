// The part of the share dialog that makes moving pictures. The encoders are loaded when the first one is made.

import { save, size } from "./files.js";

const $ = (id) => document.getElementById(id);
let subject = null; // {glb, name}
let filming = null; // AbortController of what is being made
let made = null; // {blob, ending, url}

/** Make them of this 3D photo from now on: the bytes of its GLB and a file name without an ending. */
export function setSubject(glb, name) {
  if (subject?.glb !== glb) forget();
  subject = { glb, name };
}

async function make() {
  forget();
  const [kind, side] = $("movie-kind").value.split(" ");
  const mine = (filming = new AbortController());
  begin();
  try {
    const { film } = await load();
    const progress = (share) => ($("movie-progress").value = share);
    const result = await film(subject.glb, { kind, side: Number(side) }, { signal: mine.signal, progress });
    if (mine === filming) show(result, kind);
  } catch (error) {
    if (mine === filming) say(mine.signal.aborted ? "Cancelled." : sentence(error));
  } finally {
    if (mine === filming) end();
  }
}

async function load() {
  try {
    return await import("./movie.js");
  } catch {
    throw Object.assign(new Error("The part that films could not be loaded. Check the connection."), { code: "load" });
  }
}

function sentence(error) {
  if (error.code) return error.message;
  console.error(error);
  return "This browser could not make the moving picture. A smaller one, or a GIF, may work.";
}

function begin() {
  $("movie-progress").value = 0;
  $("movie-progress").hidden = $("stop-movie").hidden = false;
  $("stop-movie").focus(); // the button that had it goes
  $("make-movie").hidden = true;
  say("Making the moving picture …");
}

function end() {
  filming = null;
  const focused = document.activeElement === $("stop-movie");
  $("movie-progress").hidden = $("stop-movie").hidden = true;
  $("make-movie").hidden = false;
  if (focused) (made ? $("save-movie") : $("make-movie")).focus();
}

function show({ blob, ending, width, height, frames }, wanted) {
  made = { blob, ending, url: URL.createObjectURL(blob) };
  const moves = ending !== "gif";
  $("movie-shown").hidden = !moves;
  if (moves) {
    $("movie-shown").src = made.url;
    // Who asked for less motion starts it by hand.
    $("movie-shown").autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  }
  $("share-movie").hidden = !navigator.canShare?.({ files: [file()] });
  $("movie-result").hidden = false;
  const instead = wanted === "video" && !moves ? "This browser makes no videos, so it is a GIF. " : "";
  say(`${instead}${ending.toUpperCase()}, ${width} × ${height}, ${frames} frames, ${size(blob.size)}.`);
}

/** Stop what is being made, and drop what was made. */
function forget() {
  filming?.abort();
  if (filming) end();
  if (made) URL.revokeObjectURL(made.url);
  made = null;
  $("movie-shown").removeAttribute("src");
  $("movie-result").hidden = true;
  say("");
}

function file() {
  return new File([made.blob], `${subject.name}.${made.ending}`, { type: made.blob.type });
}

async function handOver() {
  try {
    await navigator.share({ files: [file()] });
  } catch (error) {
    if (error.name !== "AbortError") say("The browser could not share this. Save the file instead.");
  }
}

function say(text) {
  $("movie-status").textContent = text;
}

const on = (id, type, handler) => $(id)?.addEventListener(type, handler);
on("make-movie", "click", make);
on("stop-movie", "click", () => filming?.abort());
on("save-movie", "click", () => save(made.blob, file().name));
on("share-movie", "click", handOver);
on("sharing", "close", () => filming?.abort());
