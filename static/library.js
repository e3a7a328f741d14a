// The person's own 3D photos, kept on this device, in the browser's database (IndexedDB).
//
// The origin private file system would be the other place: Safari before 26 writes to it from workers alone, and
// browsers refuse it in private windows, where the database works until the window is closed. It takes bytes, not
// Blobs, because private windows of Safari keep none. Entries and GLBs lie apart, so that the list reads no GLB; one
// transaction writes both.

const NAME = `tiefblick ${new URL("./", location.href).href}`; // one host may hold several copies, each in its folder
const VERSION = 1;
const STORES = ["entries", "glbs"];
const REASONS = {
  quota: "there is no room for more until you delete some.",
  refused: "this browser keeps nothing for this page, as in a private window.",
};

/** What the browser did not do, in a sentence; `code` is "quota", "refused" or "gone". */
export class LibraryError extends Error {
  constructor(code, sentence) {
    super(sentence);
    this.code = code;
  }
}

/** Keep a 3D photo: {glb: Uint8Array, name, made: Date, thumbnail: JPEG as Uint8Array or null, ...}, whatever else can
 * be cloned. One that was removed brings its `id` and takes its old place. Resolves to the id. Throws LibraryError. */
export function add({ glb, ...entry }) {
  return within("readwrite", "This 3D photo is not kept, so save it as a file", async (entries, glbs) => {
    const id = await answer(entries.put({ ...entry, bytes: glb.length }));
    glbs.put(glb, id);
    return id;
  });
}

/** All entries without their GLBs but with `bytes`, their sizes; the newest first. Throws LibraryError. */
export async function list() {
  const found = await within("readonly", "Your 3D photos cannot be read", (entries) => answer(entries.getAll()));
  return found.sort((a, b) => b.made - a.made);
}

/** How many there are. Throws LibraryError. */
export function count() {
  return within("readonly", "Your 3D photos cannot be read", (entries) => answer(entries.count()));
}

/** One entry with its `glb`. Throws LibraryError. */
export function read(id) {
  return within("readonly", "This 3D photo cannot be read", async (entries, glbs) => {
    const [entry, glb] = await Promise.all([answer(entries.get(id)), answer(glbs.get(id))]);
    if (!entry || !glb) throw new LibraryError("gone", "This 3D photo is gone: it was deleted in another window.");
    return { ...entry, glb };
  });
}

/** Give one another name. Throws LibraryError. */
export function rename(id, name) {
  return within("readwrite", "The new name is not kept", async (entries) => {
    const entry = await answer(entries.get(id));
    if (entry) entries.put({ ...entry, name });
  });
}

/** Take one out. Throws LibraryError. */
export function remove(id) {
  return within("readwrite", "This 3D photo cannot be deleted", (entries, glbs) => {
    entries.delete(id);
    glbs.delete(id);
  });
}

/** Run `action(entries, glbs)` in a transaction; it counts once that is complete. `failed` begins the sentence. */
async function within(mode, failed, action) {
  let database;
  try {
    database = await open();
    const transaction = database.transaction(STORES, mode);
    const stores = STORES.map((name) => transaction.objectStore(name));
    const [result] = await Promise.all([action(...stores), end(transaction)]);
    return result;
  } catch (error) {
    if (error instanceof LibraryError) throw error;
    console.info("The library:", error);
    const code = error?.name === "QuotaExceededError" ? "quota" : "refused";
    throw new LibraryError(code, `${failed}: ${REASONS[code]}`);
  } finally {
    database?.close(); // iOS breaks connections of pages in the background: each action has its own
  }
}

function open() {
  const request = indexedDB.open(NAME, VERSION);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("entries", { keyPath: "id", autoIncrement: true });
    request.result.createObjectStore("glbs");
  };
  return answer(request);
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function end(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
