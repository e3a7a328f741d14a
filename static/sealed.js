// A 3D photo on a share service that cannot look into it: it is encrypted here, and the key stays in the link's
// fragment, which browsers send to nobody.
//
// AES-GCM with a key of 256 bits that is used for one photo alone; the service stores the 12 bytes of the nonce, then
// the ciphertext with its 16 bytes of tag. What the service sees is the size, the time, and whoever asks.

import { fromText, toText } from "./pocket/format.js";

const NONCE = 12; // bytes
const KEY = 32;
const PATIENCE = 60_000; // ms for an upload or a download
const CONTEXT = new TextEncoder().encode("tiefblick sealed 1"); // bound into the tag

/** A sentence for the person, and a stable `code`. */
export class SealError extends Error {
  constructor(code, sentence) {
    super(sentence);
    this.code = code;
  }
}

/** What static/share.json says of the service of this site: {service, days, bytes}, or null where there is none. */
export async function service() {
  try {
    const response = await fetch("static/share.json", { cache: "no-cache" });
    const found = response.ok ? await response.json() : {};
    return found.service ? found : null;
  } catch {
    return null; // offline: then there is nothing to upload to, either
  }
}

/** Encrypt bytes: {key, sealed}, both Uint8Array. */
export async function seal(bytes) {
  const key = crypto.getRandomValues(new Uint8Array(KEY));
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE));
  const secret = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
  const cipher = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: CONTEXT }, secret, bytes);
  const sealed = new Uint8Array(NONCE + cipher.byteLength);
  sealed.set(nonce);
  sealed.set(new Uint8Array(cipher), NONCE);
  return { key, sealed };
}

/** The inverse of `seal`. Throws SealError if the key is wrong or a byte has changed. */
export async function unseal(sealed, key) {
  if (key.length !== KEY) throw new SealError("key", "This link is damaged: its key is incomplete. Ask for it again.");
  const secret = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const algorithm = { name: "AES-GCM", iv: sealed.subarray(0, NONCE), additionalData: CONTEXT };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, secret, sealed.subarray(NONCE)));
  } catch {
    const sentence = "This 3D photo cannot be decrypted: the key is wrong, or what was stored has changed.";
    throw new SealError("tampered", sentence);
  }
}

/** Encrypt and upload: {id, key (text), expires: Date, remove: async function that deletes it again}. */
export async function upload({ service: base, bytes: limit }, glb) {
  const { key, sealed } = await seal(glb);
  if (sealed.length > limit) throw tooLarge(limit);
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await ask(base, { method: "POST", headers, body: sealed });
  if (response.status === 413) throw tooLarge(limit);
  if (response.status === 429) throw new SealError("busy", "Too many uploads from here just now. Try again later.");
  if (response.status !== 201) throw unexpected(response);
  const { id, token, expires } = await response.json();
  const remove = async () => {
    const gone = await ask(base + id, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
    if (gone.status !== 204 && gone.status !== 404) throw unexpected(gone);
  };
  return { id, key: toText(key), expires: new Date(expires * 1000), remove };
}

/** Fetch and decrypt the 3D photo with an id; the GLB (Uint8Array). Throws SealError. */
export async function download(id, key) {
  const found = await service();
  if (!found) throw new SealError("service", "This site has no share service, so it cannot have this 3D photo.");
  let secret;
  try {
    secret = fromText(key);
  } catch {
    throw new SealError("key", "This link is damaged: its key is incomplete. Ask for it again.");
  }
  const response = await ask(found.service + encodeURIComponent(id), { cache: "no-store" });
  if (response.status === 404) throw new SealError("gone", "This 3D photo has expired, or was deleted.");
  if (response.status === 429) throw new SealError("busy", "The share service is busy. Try again in a minute.");
  if (!response.ok) throw unexpected(response);
  return unseal(new Uint8Array(await response.arrayBuffer()), secret);
}

async function ask(address, options) {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    return await fetch(address, { ...options, credentials: "omit", referrerPolicy: "no-referrer", signal });
  } catch {
    throw new SealError("unreachable", "The share service cannot be reached. Check the connection.");
  }
}

function tooLarge(limit) {
  const most = `${Math.floor(limit / 1e6)} MB`;
  return new SealError("too-large", `This 3D photo is larger than the ${most} that the share service takes.`);
}

function unexpected({ status }) {
  return new SealError("service", `The share service does not answer as it should (${status}).`);
}
