"""Which backend runs the network in a browser.

A backend that a browser offers may fail, answer wrongly or be slow, and its name tells none of this. So each is tried
on the stored image, and takes part only with the right answer. WASM comes first: its runtime is small and sound
everywhere. An accelerator is another download of up to 27 MB with seconds of compiling; it is fetched only where WASM
is slow, and kept only where it is quicker.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app import network
from app.errors import UserError

AUTO = "auto"
LABELS = {"wasm-threads": "WASM with threads", "wasm": "WASM", "webgpu": "WebGPU"}
WASM = ("wasm-threads", "wasm")  # in order of preference, as the next
ACCELERATORS = ("webgpu",)  # ONNX Runtime's WebGL is deprecated and takes no dynamic shapes
FAST_ENOUGH = 0.4  # seconds for the stored image: below it nothing is worth a download


class Unsound(Exception):
    """A backend cannot be used; the message ends the sentence "… was not used: …"."""


@dataclass(frozen=True)
class Trial:
    """A backend that gave the right answer. deviation: log-disparity off the stored one; seconds: of a run."""

    backend: str
    network: network.Network
    deviation: float
    seconds: float


async def choose(
    open_on: Callable[[str], Awaitable[network.Network]], stored: network.Stored, forced: str = AUTO
) -> tuple[Trial, list[str]]:
    """The best sound backend, and a sentence for each that was tried in vain.

    open_on: loads the network on a backend, a key of LABELS; raises Unsound. forced: the one backend to take if it is
    sound; else WASM does it. Raises UserError("no-network") when nothing runs.
    """
    best, notes = None, []
    for backend in dict.fromkeys((*WASM, *ACCELERATORS) if forced == AUTO else (forced, *WASM)):
        if best and (forced != AUTO or backend in WASM or best.seconds <= FAST_ENOUGH):
            continue
        try:
            trial = await _try(backend, await open_on(backend), stored)
        except Unsound as reason:
            notes.append(f"{LABELS[backend]} was not used: {reason}.")
            continue
        if best is None or trial.seconds < best.seconds:
            best = trial
    if best is None:
        raise UserError("no-network", "The depth network does not run in this browser. " + " ".join(notes))
    return best, notes


async def _try(backend: str, candidate: network.Network, stored: network.Stored) -> Trial:
    seconds = float("inf")
    for _ in range(2):  # a slow first run may only have been warming up
        start = time.perf_counter()
        deviation = await network.check(candidate, stored)
        seconds = min(seconds, time.perf_counter() - start)
        if seconds <= FAST_ENOUGH:
            break
    if deviation > network.CHECK_TOLERANCE:
        raise Unsound(f"its answer is off by {deviation:.2g}")
    return Trial(backend, candidate, deviation, seconds)
