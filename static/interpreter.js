// Pyodide, as PyScript's worker loads it. When a part of it cannot be had, or comes cut short, Pyodide writes that to the
// console and waits for ever; here the page is told.

export const version = "pinned"; // PyScript asks for one, to tell apart what it keeps; it keeps nothing here

const HOME = new URL("../vendor/pyodide/", import.meta.url).href;

/** Pyodide's `loadPyodide`. */
export async function loadPyodide(options) {
  let undo = () => {};
  try {
    const pyodide = await import("../vendor/pyodide/pyodide.mjs");
    undo = watch();
    return await pyodide.loadPyodide({ ...options, indexURL: HOME });
  } catch (error) {
    throw tell(error);
  } finally {
    undo();
  }
}

/** Notice what Pyodide's requests come to; a function that stops it. Every one of them is needed. */
function watch() {
  const { fetch } = globalThis;
  const { instantiateStreaming } = WebAssembly;
  const noting = (promise) => {
    const noted = promise.catch((error) => Promise.reject(tell(error)));
    noted.catch(() => {}); // the page knows; Pyodide may not look before the browser calls it unhandled
    return noted;
  };
  const ask = async (...request) => {
    const response = await fetch(...request);
    if (!response.ok) throw new Error(`${response.url} answers ${response.status}`);
    response.arrayBuffer = () => noting(Response.prototype.arrayBuffer.call(response));
    return response;
  };
  globalThis.fetch = (...request) => noting(ask(...request));
  WebAssembly.instantiateStreaming = (...given) => noting(instantiateStreaming.apply(WebAssembly, given));
  return () => {
    globalThis.fetch = fetch;
    WebAssembly.instantiateStreaming = instantiateStreaming;
  };
}

function tell(error) {
  globalThis.postMessage({ event: "broken", reason: error.message });
  return error;
}
