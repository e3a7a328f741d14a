// The page's side of the service worker: registers it, says how far the site is kept for use without a network, offers
// updates.

const ISOLATION_TRIED = "tiefblick-isolation-tried";
const ISOLATION_PATIENCE = 2000; // ms
const ASK_AGAIN = 30_000; // ms: a browser may end the worker in the middle of a slow download
const WORKER = "sw.js";
const REFUSED = "Not available offline: this browser keeps nothing for this page, as in a private window.";

const worker = navigator.serviceWorker; // undefined without https
const $ = (id) => document.getElementById(id);

/** Where the host sends no isolation headers the service worker adds them, after one reload before anything begins. */
export async function isolate(isBusy) {
  if (crossOriginIsolated || !worker || sessionStorage.getItem(ISOLATION_TRIED)) return;
  sessionStorage.setItem(ISOLATION_TRIED, "yes");
  try {
    const controlled = new Promise((resolve) => {
      worker.addEventListener("controllerchange", () => resolve(true), { once: true });
      setTimeout(resolve, ISOLATION_PATIENCE);
    });
    await worker.register(WORKER);
    if ((worker.controller || (await controlled)) && !isBusy()) {
      location.reload();
      await new Promise(() => {}); // nothing else before the page is gone
    }
  } catch (error) {
    console.info("Not isolated:", error.message);
  }
}

/** Keep the site for use without a network, as soon as `loaded` (a promise) has what the page itself needs. */
export async function keepOffline(loaded) {
  if (!worker) return say("stopped", REFUSED);
  let settled = false;
  worker.addEventListener("message", ({ data }) => {
    if (!data.offline) return;
    const { state, reason } = data.offline;
    say(state, words(data.offline));
    settled = state === "ready" || (state === "stopped" && reason !== "network");
  });
  worker.controller?.postMessage("check"); // on a later visit all is there
  await loaded.catch(() => {});
  try {
    const registration = await worker.register(WORKER);
    offerUpdates(registration);
    await worker.ready;
    const save = () => settled || registration.active?.postMessage("save");
    save();
    setInterval(save, ASK_AGAIN);
    addEventListener("online", save);
  } catch (error) {
    console.info("Not kept:", error.message);
    // Without a network the registration is still there, but cannot be renewed.
    if (!worker.controller) say("stopped", REFUSED);
  }
}

let asked = false;
/** Ask the browser not to clear what is kept when room gets short; once, and when it is clear what for. */
export async function persist() {
  if (asked || !navigator.storage?.persist) return;
  asked = true;
  if (!(await navigator.storage.persisted())) await navigator.storage.persist();
}

/** How far the keeping is, in a sentence. */
function words({ state, reason, done, total }) {
  const [now, all] = [done, total].map((bytes) => Math.round(bytes / 1e6));
  if (state === "ready") return "Ready offline";
  if (state === "saving") return `Saving for offline use … ${now} of ${all} MB`;
  return {
    quota: `Not available offline: this device has no room for the ${all} MB that it takes.`,
    network: `Not available offline yet: the connection broke after ${now} of ${all} MB.`,
    changed: "Not available offline: this host changes the files that it sends.",
    refused: REFUSED,
  }[reason];
}

function say(state, text) {
  $("offline").dataset.offline = state;
  $("offline").textContent = text;
}

/** A new version waits until the person wants it, or until all pages of the old one are closed. */
function offerUpdates(registration) {
  // The first visit's worker is none: Firefox still calls it waiting when it has taken over.
  const first = worker.controller ? null : (registration.installing ?? registration.waiting ?? registration.active);
  const offer = () => {
    if (registration.waiting && registration.waiting !== first && worker.controller) $("update").hidden = false;
  };
  const watch = () => registration.installing?.addEventListener("statechange", offer);
  registration.addEventListener("updatefound", watch);
  watch();
  offer();
  const controlled = Boolean(worker.controller);
  let wanted = false;
  worker.addEventListener("controllerchange", () => {
    if (wanted) location.reload();
    else if (controlled) $("update").hidden = false; // it was wanted in another tab, and this one may be at work
  });
  $("reload").addEventListener("click", () => {
    wanted = true;
    if (registration.waiting) registration.waiting.postMessage("take over");
    else location.reload();
  });
  $("later").addEventListener("click", () => ($("update").hidden = true));
  // An installed app may stay open for weeks.
  document.addEventListener("visibilitychange", () => document.hidden || registration.update().catch(() => {}));
}
