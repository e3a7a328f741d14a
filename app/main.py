"""The page's worker: PyScript runs this file, and the page calls the functions that `__export__` names.

The one file of this package that knows of JavaScript. The page gets plain objects: progress as messages of the worker,
results and failures as what the calls return, so that no Python object and no traceback crosses over.
"""

import time
import traceback

import js
from pyodide.ffi import JsException, create_proxy, to_js
from pyscript.js_modules import network as ort


def tell(event: str, **values):
    """Post a message to the page."""
    js.postMessage(to_js({"event": event, **values}, dict_converter=js.Object.fromEntries))


tell("starting", step="python")

import numpy as np  # noqa: E402  the interpreter runs already, and this takes seconds: say so first

from app import network, photo  # noqa: E402
from app.errors import Cancelled, UserError  # noqa: E402
from app.pipeline import Pipeline  # noqa: E402

AUTO = "auto"
WASM = ("wasm-threads", "wasm")  # the runtime is here anyway; one of them works everywhere
ACCELERATORS = ("webgpu", "webgl")  # another download and slow first runs: they must pay
FAST_ENOUGH = 0.4  # seconds a run: below it no accelerator can win back the time that its download takes
PROGRESS_STEP = 0.02  # of a stage: finer is not seen, and each message costs
LABELS = {"wasm-threads": "WASM with threads", "wasm": "WASM", "webgpu": "WebGPU", "webgl": "WebGL"}


class WebNetwork:
    """`network.Network` on a session of static/network.js."""

    def __init__(self, session, backend: str):
        self._session = session
        self.backend = backend
        self.name = f"ONNX Runtime Web, {session.label}"

    async def run(self, image: np.ndarray) -> np.ndarray:
        """See `network.Network.run`. ONNX Runtime reads the input out of Python's memory: one copy less."""
        proxy = create_proxy(image)
        buffer = proxy.getBuffer("f32")
        try:
            answer = await self._session.run(buffer.data, to_js(list(image.shape)))
        finally:
            buffer.release()
            proxy.destroy()
        result = np.empty(image.shape[2:], np.float32)
        answer.assign_to(result)
        return result

    async def close(self):
        await self._session.close()


class Worker:
    """What the page talks to: one network, one conversion at a time."""

    def __init__(self):
        self.network: WebNetwork | None = None
        self.notes: list[str] = []
        self.deviation = 0.0
        self.cancelled = False

    async def prepare(self, forced: str, ios: bool) -> dict:
        """Choose a backend and load the depth network; what the details show of it."""
        tell("starting", step="network")
        stored = network.Stored.load()
        order = (*WASM, *ACCELERATORS) if forced == AUTO else (forced, *WASM)
        best = float("inf")
        for backend in dict.fromkeys(order):
            if self.network and (forced != AUTO or backend in WASM or best <= FAST_ENOUGH):
                continue
            try:
                candidate = await self._open(backend, ios, said=backend == forced)
            except JsException as error:
                self.notes.append(f"{LABELS[backend]} was not used: it could not start ({_first_line(error)}).")
                continue
            seconds = await self._try(candidate, stored, again=best < float("inf")) if candidate else None
            if seconds is not None and seconds < best:
                self.network, best = candidate, seconds
        if not self.network:
            raise UserError("no-network", "The depth network does not run in this browser. " + " ".join(self.notes))
        return {"backend": self.network.backend, "name": self.network.name, "deviation": self.deviation}

    async def _open(self, backend: str, ios: bool, said: bool) -> WebNetwork | None:
        """A network on a backend, or None where the device has none; that is worth a note when it was asked for."""
        obstacle = await ort.obstacle(backend, ios)
        if not obstacle:
            path = network.DEPTH_MODEL.relative_to(network.MODELS.parent).as_posix()
            return WebNetwork(await ort.open(path, backend), backend)
        if said:
            self.notes.append(f"{LABELS[backend]} was not used: {obstacle}.")
        return None

    async def _try(self, candidate: WebNetwork, stored: network.Stored, again: bool) -> float | None:
        """Seconds a run takes, or None when its answer is wrong. `again`: the first run does not count."""
        try:
            for _ in range(1 + again):
                start = time.perf_counter()
                deviation = await network.check(candidate, stored)
                seconds = time.perf_counter() - start
        except JsException as error:
            self.notes.append(f"{LABELS[candidate.backend]} was not used: it failed ({_first_line(error)}).")
            return None
        if deviation > network.CHECK_TOLERANCE:
            self.notes.append(f"{LABELS[candidate.backend]} was not used: its answers are off by {deviation:.2g}.")
            return None
        self.deviation = deviation
        return seconds

    async def convert(self, picture: photo.Photo) -> dict:
        """Run the pipeline; what the page needs of the 3D photo."""
        result = await Pipeline(self.network).run(picture, progress=Progress(self))
        return {
            "glb": result.glb,
            "times": result.times,
            "counts": result.counts,
            "notes": list(picture.notes),
            "size": list(picture.source_size),
        }


class Progress:
    """The pipeline's progress callback: tells the page, not too often, and stops the work when it was cancelled."""

    def __init__(self, worker: Worker):
        self.worker = worker
        self.told = ("", 0.0)

    def __call__(self, stage: str, fraction: float):
        if self.worker.cancelled:
            raise Cancelled
        last_stage, last_fraction = self.told
        if stage != last_stage or fraction >= 1 or fraction - last_fraction >= PROGRESS_STEP:
            self.told = (stage, fraction)
            tell("progress", stage=stage, fraction=float(fraction))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")[:200] if str(error).strip() else type(error).__name__


async def _answer(work) -> object:
    """Await the work; a plain object for the page, {"result": ...} or {"error": {"code", "sentence"}}."""
    try:
        answer = {"result": await work}
    except UserError as error:
        answer = {"error": {"code": error.code, "sentence": error.sentence}}
    except Cancelled:
        answer = {"error": {"code": "cancelled", "sentence": "Cancelled."}}
    except MemoryError:
        answer = {"error": {"code": "memory", "sentence": "This device has too little memory for this photo."}}
    except Exception as error:
        js.console.error(traceback.format_exc())
        sentence = f"Tiefblick stumbled over this photo, which is a fault of ours ({type(error).__name__})."
        answer = {"error": {"code": "internal", "sentence": sentence}}
    return to_js(answer, dict_converter=js.Object.fromEntries)


_worker = Worker()


async def prepare(forced, ios):
    """Load the network. forced: a backend of static/network.js or "auto"; ios: the page runs on an iPhone or iPad."""
    return await _answer(_worker.prepare(forced, ios))


async def convert(data):
    """A photo file (Uint8Array) to a 3D photo."""
    return await _answer(_convert(lambda: photo.decode(data.to_bytes())))


async def convert_pixels(data, width, height):
    """A photo that the browser decoded, width x height RGBA bytes, to a 3D photo."""
    pixels = np.asarray(data.to_memoryview()).reshape(height, width, 4)
    return await _answer(_convert(lambda: photo.from_pixels(pixels)))


async def _convert(decode) -> dict:
    _worker.cancelled = False
    start = time.perf_counter()
    picture = decode()
    milliseconds = (time.perf_counter() - start) * 1000
    result = await _worker.convert(picture)
    return {**result, "times": {"photo": milliseconds, **result["times"]}, "backend": _worker.network.name}


def notes():
    """Why backends were not used, in plain sentences."""
    return to_js(_worker.notes)


def cancel():
    """Stop the conversion at its next step."""
    _worker.cancelled = True


__export__ = ["prepare", "convert", "convert_pixels", "notes", "cancel"]
tell("starting", step="loaded")
