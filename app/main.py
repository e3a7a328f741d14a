"""The page's worker: PyScript runs this file, and the page calls the functions that `__export__` names.

The one file of this package that knows of JavaScript. The page gets plain objects: progress as messages of the worker,
results and failures as what the calls return, so that no Python object and no traceback crosses over.
"""

import time
import traceback
from contextlib import ExitStack
from pathlib import Path

import js
from pyodide.ffi import JsException, create_proxy, to_js
from pyscript.js_modules import network as ort


def tell(event: str, **values):
    """Post a message to the page."""
    js.postMessage(to_js({"event": event, **values}, dict_converter=js.Object.fromEntries))


tell("starting", step="python")

import numpy as np  # noqa: E402  the interpreter runs already, and this takes seconds: say so first

from app import backends, network, photo  # noqa: E402
from app.errors import Cancelled, UserError  # noqa: E402
from app.pipeline import Options, Pipeline  # noqa: E402

NOT_LOADED = "The network could not be loaded, or not the whole of it. Check the connection and try again."
PROGRESS_STEP = 0.02  # of a stage: finer is not seen, and each message costs


class WebNetwork:
    """`network.Network` on a session of static/network.js."""

    def __init__(self, session):
        self._session = session
        self.name = f"ONNX Runtime Web, {session.label}"

    async def run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """See `network.Network.run`. ONNX Runtime reads the inputs out of Python's memory: one copy less."""
        with ExitStack() as views:
            given = to_js([[name, _view(array, views), list(array.shape)] for name, array in inputs.items()])
            try:
                answer = await self._session.run(given)
            except JsException as error:
                raise _unsound("it failed on this device", error) from error
        result = np.empty(answer.dims.to_py(), np.float32)
        answer.data.assign_to(result)
        return result


def _view(array: np.ndarray, views: ExitStack):
    """A typed array on Python's memory, for as long as `views` is open."""
    proxy = create_proxy(array)
    views.callback(proxy.destroy)
    buffer = proxy.getBuffer("f32" if array.dtype == np.float32 else "i32")
    views.callback(buffer.release)
    return buffer.data


class Progress:
    """The pipeline's progress callback: tells the page, not too often, and ends the work when it was cancelled."""

    def __init__(self):
        self.cancelled = False
        self.told = ("", 0.0)

    def __call__(self, stage: str, fraction: float):
        if self.cancelled:
            raise Cancelled
        last_stage, last_fraction = self.told
        if stage != last_stage or fraction >= 1 or fraction - last_fraction >= PROGRESS_STEP:
            self.told = (stage, fraction)
            tell("progress", stage=stage, fraction=float(fraction))


class Worker:
    """What the page talks to: the networks, one conversion at a time."""

    def __init__(self):
        self.pipeline: Pipeline | None = None
        self.progress = Progress()

    async def prepare(self, forced: str, ios: bool, fill: str) -> dict:
        """Load the depth network on the best backend and the fill network; what the details show of the first."""
        tell("starting", step="network")

        async def open_on(backend: str) -> WebNetwork:
            obstacle = await ort.obstacle(backend, ios, backend == forced)
            if obstacle:
                raise backends.Unsound(obstacle)
            return await _open(network.DEPTH_MODEL, backend)

        stored = network.Stored.load()
        trial, notes = await backends.choose(open_on, stored, forced)
        fill_network = None
        if fill == "farbrausch":
            try:
                fill_network = await _open_fill(trial.backend, ios)
            except backends.Unsound as error:
                fill, notes = "push-pull", [*notes, f"The fill network was not used: {error}."]
        self.pipeline = Pipeline(trial.network, Options(fill=fill), fill_network)
        name = f"{stored.name}, on {trial.network.name}"
        return {"backend": trial.backend, "name": name, "deviation": trial.deviation, "notes": notes}

    async def convert(self, decode) -> dict:
        """Run the pipeline on the Photo that `decode` returns; what the page needs of the 3D photo."""
        self.progress = Progress()
        start = time.perf_counter()
        picture = decode()
        milliseconds = (time.perf_counter() - start) * 1000
        result = await self.pipeline.run(picture, progress=self.progress)
        return {
            "glb": result.glb,
            "times": {"photo": milliseconds, **result.times},
            "counts": result.counts,
            "notes": list(picture.notes),
            "size": list(picture.source_size),
        }


async def _open(model: Path, backend: str) -> WebNetwork:
    """A network of this site on a backend. Raises backends.Unsound, and UserError("start") if it cannot be loaded."""
    path = model.relative_to(network.MODELS.parent).as_posix()
    try:
        return WebNetwork(await ort.open(path, backend))
    except JsException as error:
        if not await ort.isWhole(path, backend):
            raise UserError("start", NOT_LOADED) from error
        raise _unsound("it could not start on this device", error) from error


async def _open_fill(depth_backend: str, ios: bool) -> WebNetwork:
    """The fill's network, always on WASM: gathering rows is no work for an accelerator. Raises backends.Unsound."""
    threads = depth_backend != "wasm" and not await ort.obstacle("wasm-threads", ios, False)
    return await _open(network.FILL_MODEL, "wasm-threads" if threads else "wasm")


def _unsound(reason: str, error: JsException) -> backends.Unsound:
    """The plain reason for people; what ONNX Runtime says goes to the console."""
    js.console.warn(str(error))
    return backends.Unsound(reason)


async def _answer(work) -> object:
    """Await the work; a plain object for the page, {"result": ...} or {"error": {"code", "sentence"}}."""
    try:
        answer = {"result": await work}
    except UserError as error:
        answer = _error(error.code, error.sentence)
    except Cancelled:
        answer = _error("cancelled", "Cancelled.")
    except backends.Unsound:
        answer = _error("network-failed", "A network failed; choose another way to run it in the details.")
    except MemoryError:
        answer = _error("memory", "This device has too little memory for this photo.")
    except Exception as error:
        js.console.error(traceback.format_exc())
        kind = type(error).__name__
        answer = _error("internal", f"Tiefblick stumbled over this photo, which is a fault of ours ({kind}).")
    return to_js(answer, dict_converter=js.Object.fromEntries)


def _error(code: str, sentence: str) -> dict:
    return {"error": {"code": code, "sentence": sentence}}


_worker = Worker()


async def prepare(forced, ios, fill):
    """Load the networks. forced: a backend of app/backends.py or "auto"; ios: the page runs on an iPhone or iPad; fill:
    one of app/inpaint.py."""
    return await _answer(_worker.prepare(forced, ios, fill))


async def convert(data):
    """A photo file (Uint8Array) to a 3D photo."""
    return await _answer(_worker.convert(lambda: photo.decode(data.to_bytes())))


async def convert_pixels(data, width, height):
    """A photo that the browser decoded, width x height RGBA bytes (Uint8Array), to a 3D photo."""

    def decode() -> photo.Photo:
        return photo.from_pixels(np.frombuffer(data.to_bytes(), np.uint8).reshape(height, width, 4))

    return await _answer(_worker.convert(decode))


def cancel():
    """End the conversion at its next step."""
    _worker.progress.cancelled = True


__export__ = ["prepare", "convert", "convert_pixels", "cancel"]
tell("starting", step="loaded")
