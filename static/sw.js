// The service worker: keeps the site for use without a network, and isolates it on hosts that cannot.
//
// Kept is what the build has listed, and nothing else, under keys that hold the content's hash: what an update leaves
// unchanged is there already, and a file that is not the one that was built is never kept. The shell comes at once, the
// heavy rest (Python, the runtime, the networks) when the page asks, once it has loaded them itself; extras, as the
// other runtimes, are kept by devices that use them.
//
// WebAssembly threads need a cross-origin isolated page, and a plain static host sets no headers. Once this worker
// controls the page (after one reload), every answer of our own origin carries them.

// Filled in by the build: a hash of the site, and {path: [hash, bytes, kind]} with the kinds "shell", "work", "extra".
const VERSION = "__VERSION__";
const FILES = __FILES__;

const HOME = new URL("./", self.location).href;
const STORE = `tiefblick ${HOME}`; // one host may hold several copies, each in its folder
const AT_ONCE = 4; // downloads side by side: many files are small, and each waits for an answer
const UNTRUE_WHEN_KEPT = ["content-encoding", "content-length", "vary"]; // headers of the transfer

const SHARE = `${HOME}share-photo`; // the manifest's share_target
const PICK_UP = 60_000; // ms in which the page must ask for a shared photo

const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Why something cannot be kept: "changed" (the host sends another file), "network", "quota", "refused". */
class Obstacle extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

// --- Life ---

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => {
  event.waitUntil(prune());
  // Not awaited: in Firefox the claim ends only when every worker of the page has answered, and ONNX Runtime's threads
  // sleep. Until then the page would get nothing from us.
  self.clients.claim();
});
self.addEventListener("message", (event) => {
  if (event.data === "version") event.ports[0]?.postMessage(VERSION);
  if (event.data === "check") event.waitUntil(check());
  if (event.data === "save") event.waitUntil(save());
  if (event.data === "shared photo") handOver(event.ports[0]);
  if (event.data === "take over") self.skipWaiting(); // the person wants the new version now
});

/** The first version serves at once; a later one waits, complete, until all pages are closed or the person wants it. */
async function install() {
  if (!self.registration.active) {
    queue = download(["shell"]); // not awaited: a page that needs isolation waits for this worker
    return;
  }
  const { reason } = await download(["shell", "work"]);
  if (reason === "network") throw new Obstacle(reason); // the browser tries again, and the old version stays whole
}

/** Remove what this version does not list. */
async function prune() {
  try {
    const current = new Set(Object.keys(FILES).map(key));
    const store = await caches.open(STORE);
    const old = (await store.keys()).filter(({ url }) => !current.has(url));
    await Promise.all(old.map((request) => store.delete(request)));
  } catch {
    // Without storage there is nothing to remove.
  }
}

// --- Keeping ---

let queue = Promise.resolve(); // one round at a time

/** Keep all that a conversion needs, and tell the pages how it goes. */
function save() {
  queue = queue.then(() => download(["shell", "work"], tell)).then(tell);
  return queue;
}

/** Tell the pages "ready" if it is. */
async function check() {
  const state = await missing(["shell", "work"]).catch(() => null);
  if (state?.paths.length === 0) await tell({ state: "ready", ...state });
}

/** Fetch what is missing: {state: "ready" or "stopped", reason, done, total}; `report` gets {state: "saving", ...}. */
async function download(kinds, report = () => {}) {
  let done = 0;
  let failure = null;
  const total = size(listed(kinds));
  const lane = async (paths) => {
    for (let path = paths.shift(); path && !failure; path = paths.shift()) {
      await report({ state: "saving", done, total });
      await fetchAndKeep(path).catch((error) => (failure ??= error));
      if (!failure) done += size([path]);
    }
  };
  try {
    const before = await missing(kinds);
    done = before.done;
    await Promise.all(Array.from({ length: AT_ONCE }, () => lane(before.paths)));
  } catch (error) {
    failure = error;
  }
  return failure ? { state: "stopped", reason: failure.reason ?? "refused", done, total } : { state: "ready", done, total };
}

/** {paths, done, total}: what is not kept of these kinds, and the bytes that are. */
async function missing(kinds) {
  const store = await caches.open(STORE);
  const kept = new Set((await store.keys()).map(({ url }) => url));
  const all = listed(kinds);
  const paths = all.filter((path) => !kept.has(key(path)));
  return { paths, done: size(all) - size(paths), total: size(all) };
}

async function fetchAndKeep(path) {
  // An old copy in the browser's own cache is the likeliest reason for a wrong hash.
  const ask = async (cache) => {
    const response = await fetch(HOME + path, { cache }).catch(() => null);
    if (response?.status !== 200) throw new Obstacle("network");
    await keep(path, response);
  };
  await ask("default").catch((error) => (error.reason === "changed" ? ask("reload") : Promise.reject(error)));
}

async function keep(path, response) {
  const body = await response.arrayBuffer().catch(() => Promise.reject(new Obstacle("network")));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const [expected] = FILES[path];
  if (!hash.startsWith(expected)) throw new Obstacle("changed");
  const headers = new Headers(response.headers);
  UNTRUE_WHEN_KEPT.forEach((name) => headers.delete(name));
  try {
    await (await caches.open(STORE)).put(key(path), new Response(body, { headers }));
  } catch (error) {
    throw new Obstacle(error.name === "QuotaExceededError" ? "quota" : "refused");
  }
}

const key = (path) => `${HOME}${path}?${FILES[path][0]}`;
const listed = (kinds) => Object.keys(FILES).filter((path) => kinds.includes(FILES[path][2]));
const size = (paths) => paths.reduce((sum, path) => sum + FILES[path][1], 0);

async function tell(offline) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) if (page.url.startsWith(HOME)) page.postMessage({ offline });
}

// --- Answers ---

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (new URL(request.url).origin !== self.location.origin) return;
  // The browser's own tools ask so, and fetch() refuses to repeat it.
  if (request.cache === "only-if-cached" && request.mode !== "same-origin") return;
  if (request.method === "POST" && request.url === SHARE) return receive(event);
  event.respondWith(answer(event).then(isolate));
});

/** A listed file as it was kept; everything else, and what is not kept yet, from the network. */
async function answer(event) {
  const { request } = event;
  const path = pathOf(request);
  const kept = path && (await find(path));
  if (kept) return request.method === "HEAD" ? new Response(null, { headers: kept.headers }) : kept;
  const response = await fetch(request);
  if (path && request.method === "GET" && response.status === 200) {
    event.waitUntil(keep(path, response.clone()).catch((error) => console.info(`${path} is not kept: ${error.message}`)));
  }
  return response;
}

/** The path in FILES that a request asks for, or null. */
function pathOf({ url, method }) {
  const address = url.replace(/[?#].*/, "");
  if (!address.startsWith(HOME) || !["GET", "HEAD"].includes(method)) return null;
  const path = decodeURI(address.slice(HOME.length)) || "index.html";
  return Object.hasOwn(FILES, path) ? path : null;
}

/** The kept answer, or undefined. */
async function find(path) {
  try {
    return await (await caches.open(STORE)).match(key(path));
  } catch {
    return undefined; // a browser that refuses storage still has the network
  }
}

let shared = null; // {photo: promise of a File or null, taken: function}

/** A photo that another app shares: the page is opened, and asks for it. It never leaves this device. */
function receive(event) {
  const photo = event.request.formData().then((form) => form.getAll("photo").find((file) => file instanceof File) ?? null);
  const picked = new Promise((taken) => (shared = { photo, taken }));
  event.respondWith(photo.catch(() => null).then(() => Response.redirect(`${HOME}?shared`, 303)));
  // Otherwise the browser could end this worker, and with it the photo, before the page asks.
  event.waitUntil(Promise.race([picked, new Promise((resolve) => setTimeout(resolve, PICK_UP))]));
}

async function handOver(port) {
  const { photo, taken } = shared ?? {};
  shared = null;
  port.postMessage((await photo?.catch(() => null)) ?? null);
  taken?.();
}

/** The same answer with the isolation headers, untouched where the host sends them or the headers cannot be read. */
function isolate(response) {
  if (!["basic", "default"].includes(response.type)) return response;
  if (response.headers.get("Cross-Origin-Embedder-Policy")) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
