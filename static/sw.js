// The service worker: isolates the page on hosts that cannot send COOP and COEP themselves.
//
// WebAssembly threads need a cross-origin isolated page, and a plain static host sets no headers. Once this worker
// controls the page (after one reload), every answer of our own origin carries them. `answer` is the one place that
// decides where an answer comes from: a cache for offline use, named after VERSION, belongs there.

// Filled in by the build with a hash of the site's content: any change makes browsers install the new worker.
const VERSION = "__VERSION__";

const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("message", (event) => {
  if (event.data === "version") event.ports[0]?.postMessage(VERSION);
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (new URL(request.url).origin !== self.location.origin) return;
  // The browser's own tools ask so, and fetch() refuses to repeat it.
  if (request.cache === "only-if-cached" && request.mode !== "same-origin") return;
  event.respondWith(answer(request).then(isolate));
});

/** Where an answer comes from: the network. */
function answer(request) {
  return fetch(request);
}

/** The same answer with the isolation headers, untouched where the host sends them or the headers cannot be read. */
function isolate(response) {
  if (response.type !== "basic") return response;
  if (response.headers.get("Cross-Origin-Embedder-Policy")) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
