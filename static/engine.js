// The page's side of the Python worker: starts it through PyScript, hands photos over, tells of progress, cancels.

const PATIENCE = 1500; // ms in which a cancelled conversion must stop by itself; then its worker is ended
// What PyScript waits for in vain, for ever, when it cannot be had.
const FIRST_PARTS = ["pyscript.toml", "app/main.py", "static/interpreter.js"];
const GONE = { code: "interpreter", sentence: "The Python worker stopped: this device may have run out of memory." };
const NOT_LOADED = {
  code: "start",
  sentence: "Python could not be loaded, or not the whole of it. Check the connection and try again.",
};

/** A failure with one plain sentence for people and a stable code for programs. */
export class Failure extends Error {
  constructor({ code, sentence }) {
    super(sentence);
    this.code = code;
  }
}

// An iPad says that it is a Mac, but no Mac has a touch screen.
const isIos = () => /iP(hone|ad|od)|Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1;

/**
 * Events: "starting" (detail {step}: "download", "python", "loaded", "network"), then "ready" (detail {name, backend,
 * deviation, notes, startMs}) or "failed" (detail a Failure); "progress" (detail {stage, fraction}).
 * `ready` is a promise of what "ready" tells; it rejects with the Failure.
 */
export class Engine extends EventTarget {
  #script = null;
  #worker = null;
  #backend = "auto";
  #fill = "farbrausch"; // of app/inpaint.py
  #conversion = null; // the promise of the one that runs
  #broken = null; // rejects what is waiting for a worker that will not answer any more

  /** Start, or start anew with another backend or fill. */
  start(backend = this.#backend, fill = this.#fill) {
    this.stop();
    this.#backend = backend;
    this.#fill = fill;
    this.ready = this.#start();
    this.ready.catch((error) => error.code !== "cancelled" && this.#tell("failed", error));
    return this.ready;
  }

  /** End the worker; what it was doing fails with the code "cancelled". */
  stop(failure = { code: "cancelled", sentence: "Cancelled." }) {
    this.#broken?.reject(new Failure(failure));
    this.#worker?.terminate();
    this.#script?.remove();
    this.#worker = this.#script = this.#broken = null;
  }

  /** A photo file's bytes (Uint8Array) to {glb, times, counts, notes, size, backend}. Throws Failure. */
  async convert(bytes) {
    return this.#convert("convert", bytes);
  }

  /** ImageData of a photo that only the browser could decode; the same result. */
  async convertPixels({ data, width, height }) {
    return this.#convert("convert_pixels", new Uint8Array(data.buffer), width, height);
  }

  /** Stop the conversion. A worker that does not listen in time is replaced by a new one. */
  cancel() {
    const conversion = this.#conversion;
    if (!conversion) return;
    this.#worker.sync.cancel();
    setTimeout(() => conversion === this.#conversion && this.start(), PATIENCE);
  }

  /** One conversion at a time: a cancelled one ends before the next begins. */
  async #convert(name, ...values) {
    await this.#conversion?.catch(() => {});
    await this.ready;
    const conversion = (this.#conversion = this.#ask(name, ...values));
    try {
      return await conversion;
    } finally {
      if (this.#conversion === conversion) this.#conversion = null;
    }
  }

  async #ask(name, ...values) {
    try {
      const answer = await Promise.race([this.#worker.sync[name](...values), this.#broken.promise]);
      if (answer.error) throw new Failure(answer.error);
      return answer.result;
    } catch (error) {
      if (error instanceof Failure) throw error;
      // Not one of our answers: the interpreter itself broke, and no later call would work.
      console.error(error);
      this.start();
      throw new Failure(GONE);
    }
  }

  async #start() {
    const begin = performance.now();
    this.#broken = withResolvers();
    this.#broken.promise.catch(() => {});
    this.#tell("starting", { step: "download" });
    let loaded = false;
    try {
      this.#worker = await Promise.race([this.#launch(), this.#broken.promise]);
      const listen = ({ data }) => {
        if (data?.step === "loaded") loaded = true;
        if (data?.event === "broken") {
          console.info("Python:", data.reason);
          this.#broken.reject(new Failure(NOT_LOADED));
        }
        if (data?.event) this.#tell(data.event, data);
      };
      this.#worker.addEventListener("message", listen);
      await Promise.race([this.#worker.ready, this.#broken.promise]);
    } catch (error) {
      if (error instanceof Failure) throw error;
      console.error(error);
    }
    if (!loaded) throw new Failure(NOT_LOADED);
    const network = await this.#ask("prepare", this.#backend, isIos(), this.#fill);
    const details = { ...network, startMs: performance.now() - begin };
    this.#tell("ready", details);
    return details;
  }

  /** PyScript makes the worker from a script element. */
  async #launch() {
    const [{ hooks }] = await Promise.all([import("../vendor/pyscript/core.js"), ...FIRST_PARTS.map(ensure)]);
    // This one hook is made with eval, which our content security policy forbids; it only serves code that runs async.
    hooks.worker.onBeforeRunAsync.clear();
    const script = document.createElement("script");
    script.type = "py";
    script.src = "app/main.py";
    for (const [name, value] of Object.entries({ worker: "", async: "false", config: "pyscript.toml" })) {
      script.setAttribute(name, value);
    }
    this.#script = script;
    document.head.append(script);
    while (!script.xworker && script.isConnected) await new Promise((resolve) => setTimeout(resolve, 10));
    return script.xworker;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Throw the Failure unless a file can be had to its last byte. */
async function ensure(path) {
  const whole = async (response) => response.ok && (await response.arrayBuffer());
  if (!(await fetch(path).then(whole).catch(() => null))) throw new Failure(NOT_LOADED);
}

function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}
