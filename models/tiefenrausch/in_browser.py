"""Networks in ONNX Runtime Web, in a headless Chromium: how long they take, and what they answer.

    python models/tiefenrausch/in_browser.py NETWORK.onnx... [--backend webgl] [--size 384 288]

Prints ms a run, the median of ten, with one thread and with two. The networks take turns, so that what else the machine
does falls on all of them alike and their ratio means something where the figures themselves swing. As in the app, the
runtime is in a worker. Needs `playwright`, a Chromium and `npm ci`; `python3 build.py test` sets up all three.
"""

import argparse
import base64
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the builder's server and its way to find a browser

from builder.common import NODE_MODULES
from builder.parts import chromium
from builder.server import Server

RUNS, WARM_UP = 10, 2  # a first run allocates, a second may still
BUNDLES = {"wasm": "ort.wasm.min.mjs", "webgl": "ort.webgl.min.mjs"}
FLAGS = ("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")

WORKER = """
import * as ort from "./ort/BUNDLE";
const sessions = [];
const tensor = (data, shape) => new ort.Tensor("float32", data, shape);
const run = (session, input) => session.run({ [session.inputNames[0]]: input });
const ask = {
  async open({ names, backend, threads }) {
    ort.env.wasm.wasmPaths = new URL("./ort/", location.href).href;
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    for (const name of names) {
      const model = new Uint8Array(await (await fetch(name)).arrayBuffer());
      sessions.push(await ort.InferenceSession.create(model, { executionProviders: [backend] }));
    }
  },
  async time({ runs, warmUp, shape }) {
    const data = new Float32Array(shape.reduce((a, b) => a * b)).map((_, i) => 0.5 + 0.5 * Math.sin(i * i));
    const times = sessions.map(() => []);
    for (let round = 0; round < runs + warmUp; round++) {
      for (const [k, session] of sessions.entries()) {
        const start = performance.now();
        const outputs = await run(session, tensor(data, shape));
        for (const name of session.outputNames) void outputs[name].data; // a GPU's answer is not there before
        if (round >= warmUp) times[k].push(performance.now() - start);
      }
    }
    return times;
  },
  async answer({ shape, data }) {
    const values = new Float32Array(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)).buffer);
    const answers = [];
    for (const session of sessions) {
      const output = (await run(session, tensor(values, shape)))[session.outputNames[0]];
      answers.push([[...output.dims], [...output.data]]);
    }
    return answers;
  },
};
onmessage = async ({ data: [name, options] }) => {
  try {
    postMessage({ result: await ask[name](options) });
  } catch (error) {
    postMessage({ failure: String(error?.message ?? error) });
  }
};
postMessage({ result: "ready" });
"""
ASK = """async ([name, options]) => {
  const reply = () => new Promise((done, fail) => {
    worker.onmessage = ({ data }) => ("failure" in data ? fail(new Error(data.failure)) : done(data.result));
  });
  if (!globalThis.worker) {
    globalThis.worker = new Worker("./worker.mjs", { type: "module" });
    await reply();
  }
  worker.postMessage([name, options]);
  return await reply();
}"""


class Networks:
    """Sessions of some networks in one worker. Made by `opened`."""

    def __init__(self, page):
        self._page = page

    def ask(self, name: str, **options):
        return self._page.evaluate(ASK, [name, options])

    def times(self, shape: tuple[int, ...], runs: int = RUNS, warm_up: int = WARM_UP) -> np.ndarray:
        """(networks, runs) ms, for an input of that shape."""
        return np.array(self.ask("time", runs=runs, warmUp=warm_up, shape=list(shape)))

    def answers(self, image: np.ndarray) -> list[np.ndarray]:
        """What each answers to a float32 input, in its own shape."""
        data = base64.b64encode(np.ascontiguousarray(image, np.float32).tobytes()).decode()
        replies = self.ask("answer", shape=list(image.shape), data=data)
        return [np.array(values, np.float32).reshape(dims) for dims, values in replies]


@contextmanager
def opened(models: list[bytes], backend: str = "wasm", threads: int = 1):
    """`Networks` of the models, in a fresh Chromium. Raises playwright's Error where a backend cannot run one."""
    from playwright.sync_api import sync_playwright  # here, so that what evaluates without a browser needs none

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch)
        (folder / "ort").symlink_to(NODE_MODULES / "onnxruntime-web" / "dist")
        (folder / "index.html").write_text("<!doctype html><title>Networks</title>")
        (folder / "worker.mjs").write_text(WORKER.replace("BUNDLE", BUNDLES[backend]))
        for index, model in enumerate(models):
            (folder / f"{index}.onnx").write_bytes(model)
        with Server(folder) as server:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
            page = browser.new_page()
            page.goto(server.address)
            networks = Networks(page)
            try:
                names = [f"{index}.onnx" for index in range(len(models))]
                networks.ask("open", names=names, backend=backend, threads=threads)
                yield networks
            finally:
                browser.close()


def medians(models: list[bytes], shape: tuple[int, ...], threads: int = 1, backend: str = "wasm") -> list[float]:
    """Median ms of a run of each network, measured in turns."""
    with opened(models, backend, threads) as networks:
        return np.median(networks.times(shape), axis=1).tolist()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("--backend", choices=BUNDLES, default="wasm")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), default=(384, 288))
    given = parser.parse_args()
    models, shape = [path.read_bytes() for path in given.networks], (1, 3, *given.size)
    for threads in (1, 2) if given.backend == "wasm" else (1,):
        found = medians(models, shape, threads, given.backend)
        for path, value in zip(given.networks, found, strict=True):
            print(
                f"{path}: {value:.0f} ms on {given.backend}, {threads} thread{'s' if threads > 1 else ''}", flush=True
            )
