"""The site's engine in Chromium, without the page around it, and the WebAssembly memory that its worker takes."""

import base64
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from app.pipeline import Options
from builder.common import DIST
from builder.parts import chromium
from builder.server import Server
from tests.conftest import CHROMIUM_FLAGS

TIME_LIMIT = 240_000  # ms
PAGE = "bench.html"  # beside index.html: only the engine, so that no drawing competes with it

# Put in front of pyodide.mjs, which is the first script in the worker that makes WebAssembly memory: remembers every
# memory that is made or exported. Memories only grow, so that their size at the end is their peak.
REMEMBER = """
if (!globalThis.memories) {
  const memories = globalThis.memories = new Set();
  const { Memory, instantiate, instantiateStreaming } = WebAssembly;
  WebAssembly.Memory = class extends Memory { constructor(...a) { super(...a); memories.add(this); } };
  const seen = (made) => {
    const { exports } = made.instance ?? made;
    for (const value of Object.values(exports)) if (value instanceof Memory) memories.add(value);
    return made;
  };
  WebAssembly.instantiate = (...a) => instantiate(...a).then(seen);
  WebAssembly.instantiateStreaming = (...a) => instantiateStreaming(...a).then(seen);
}
"""
START = """async ([backend, fill]) => {
  const { Engine } = await import("./static/engine.js");
  globalThis.engine = new Engine();
  return await engine.start(backend, fill);
}"""
CONVERT = """async (photo) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
  return (await engine.convert(bytes)).times;
}"""
MEMORY = "[...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0)"


class Browser:
    """`with Browser(backend) as browser:` a fresh Chromium with a warm HTTP cache of nothing. backend: "wasm" or
    "wasm-threads"; fill: of app/inpaint.py; name: what the engine says it took; start_ms: until it was ready."""

    def __init__(self, backend: str, fill: str = Options().fill):
        self.backend, self.fill = backend, fill

    def __enter__(self) -> "Browser":
        self.folder = Path(tempfile.mkdtemp())
        site = self.folder / "site"
        shutil.copytree(DIST, site)
        (site / PAGE).write_text("<!doctype html><title>Bench</title>")
        script = site / "vendor" / "pyodide" / "pyodide.mjs"
        script.write_text(REMEMBER + script.read_text())
        self.server = Server(site).__enter__()
        self.playwright = sync_playwright().start()
        self.chromium = self.playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        self.page = self.chromium.new_page()
        self.page.set_default_timeout(TIME_LIMIT)
        self.page.goto(self.server.address + PAGE)
        ready = self.page.evaluate(START, [self.backend, self.fill])
        if ready["backend"] != self.backend:
            raise SystemExit(f"The browser took {ready['backend']} in place of {self.backend}: {ready['notes']}")
        self.name = ready["name"].rpartition("ONNX Runtime Web, ")[2]
        self.start_ms = ready["startMs"]
        return self

    def __exit__(self, *_) -> None:
        self.chromium.close()
        self.playwright.stop()
        self.server.__exit__()
        shutil.rmtree(self.folder)

    def convert(self, data: bytes) -> dict[str, float]:
        """ms by stage."""
        return self.page.evaluate(CONVERT, base64.b64encode(data).decode())

    def memory(self) -> int:
        """Bytes of WebAssembly memory, at their peak so far. ONNX Runtime's threads share that of the first worker,
        Python's, and sleep so deeply that asking them would never return."""
        return self.page.workers[0].evaluate(MEMORY)
