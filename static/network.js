// ONNX Runtime Web in the Python worker: which backends this device offers, and a session on one of them.
//
// What is sound differs by device, so that nothing here is trusted before Python has compared its first answer with a
// stored one (app/network.py). Known trouble with 1.30, the reason for the rules below:
//   iOS: only the plain WASM bundle works there (WebKit refuses the WebGPU one), and threads run out of memory.
//   WebGPU: a bundle of 27 MB, twice the WASM one; loaded only when it is asked for.

const HOME = new URL("../vendor/ort/", import.meta.url).href; // absolute: ONNX Runtime's own workers have another base
const THREADS_AT_MOST = 4; // more cores than a phone has fast ones make it slower

const WASM = { bundle: "ort.wasm.min.mjs", runtime: "ort-wasm-simd-threaded", provider: "wasm" };
const BACKENDS = {
  "wasm-threads": {
    ...WASM,
    label: "WASM",
    threads: () => Math.min(navigator.hardwareConcurrency ?? 1, THREADS_AT_MOST),
  },
  wasm: { ...WASM, label: "WASM", threads: () => 1 },
  webgpu: {
    bundle: "ort.webgpu.min.mjs",
    runtime: "ort-wasm-simd-threaded.asyncify",
    provider: "webgpu",
    label: "WebGPU",
    threads: () => 1,
  },
};

/**
 * Why this device cannot use a backend, as the end of the sentence "… was not used: …"; an empty string if it can.
 * `ios` comes from the page: a worker's navigator does not tell an iPad from a Mac. `forced`: slowness is no obstacle.
 */
export async function obstacle(name, ios, forced) {
  if (name === "wasm") return "";
  if (ios) return "on iPhone and iPad only WASM with one thread is sound";
  if (name === "wasm-threads") {
    if (!globalThis.crossOriginIsolated) return "the page is not cross-origin isolated";
    return BACKENDS[name].threads() > 1 ? "" : "this device has one processor core";
  }
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (!adapter) return "this browser offers no WebGPU adapter";
  return adapter.info?.isFallbackAdapter && !forced ? "its adapter is a software one" : "";
}

/** A session of the model at `path` (relative to the page) on one backend. Throws what ONNX Runtime throws. */
export async function open(path, name) {
  const { bundle, provider, label, threads } = BACKENDS[name];
  // The fragment makes each backend a module of its own: a runtime keeps the number of threads it started with.
  const ort = await import(`${HOME}${bundle}#${name}`);
  const count = threads();
  ort.env.wasm.wasmPaths = HOME;
  ort.env.wasm.numThreads = count;
  ort.env.logLevel = "error";
  const model = new Uint8Array(await (await fetchModel(path)).arrayBuffer());
  const session = await ort.InferenceSession.create(model, { executionProviders: [provider] });
  return new Session(
    ort,
    session,
    label + (count > 1 ? `, ${count} threads` : provider === "wasm" ? ", 1 thread" : ""),
  );
}

/** Whether all that `open` needs can be had, to the last byte: what tells a poor connection from a poor device. */
export async function isWhole(path, name) {
  const { bundle, runtime } = BACKENDS[name];
  const parts = [bundle, `${runtime}.mjs`, `${runtime}.wasm`].map((part) => HOME + part);
  try {
    for (const part of parts) {
      const response = await fetch(part);
      if (!response.ok) return false;
      await response.arrayBuffer();
    }
    await (await fetchModel(path)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function fetchModel(path) {
  const response = await fetch(new URL(`../${path}`, import.meta.url));
  if (!response.ok) throw new Error(`${path} cannot be loaded (${response.status})`);
  return response;
}

class Session {
  constructor(ort, session, label) {
    this.ort = ort;
    this.session = session;
    this.label = label;
  }

  /** `inputs`: [name, Float32Array or Int32Array, dimensions] each. The first output as { data: Float32Array, dims }. */
  async run(inputs) {
    const tensor = (data, dims) => new this.ort.Tensor(data instanceof Int32Array ? "int32" : "float32", data, dims);
    const feeds = Object.fromEntries(inputs.map(([name, data, dims]) => [name, tensor(data, dims)]));
    const { data, dims } = (await this.session.run(feeds))[this.session.outputNames[0]];
    return { data, dims: [...dims] };
  }

  close() {
    return this.session.release();
  }
}
