// A GLB from an address, with limits and a sentence for each way in which it can fail.

const LARGEST = 64 * 2 ** 20; // bytes of a GLB; ours have one or two per cent of that
const PATIENCE = 30_000; // ms for a GLB to arrive

/** A sentence for the person who wants to see the photo. */
export class FetchError extends Error {
  code = "fetch";
}

/** Fetch the GLB (Uint8Array) at a URL object; nobody is told where it is shown. Throws FetchError. */
export async function fetchGlb(url) {
  const options = { credentials: "omit", referrerPolicy: "no-referrer", signal: AbortSignal.timeout(PATIENCE) };
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    const why = "it may be gone, or that host does not let other pages read it";
    throw new FetchError(`The 3D photo cannot be fetched from ${url.host}: ${why}.`);
  }
  const answer = `${url.host} answers ${response.status}`;
  if (!response.ok) throw new FetchError(`There is no 3D photo at this address any more (${answer}).`);
  return readLimited(response);
}

async function readLimited(response) {
  const parts = [];
  let size = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new FetchError("The connection broke while the 3D photo was loading. Load the page again.");
    });
    if (done) break;
    size += value.length;
    if (size > LARGEST) {
      reader.cancel();
      throw new FetchError("What lies at this address is too large to be a 3D photo.");
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
