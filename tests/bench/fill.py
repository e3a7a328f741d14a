"""The two fills in the browser, one thread: ms of the stage, their ratio, and what each adds to WebAssembly memory.

    python -m tests.bench.fill [PHOTO...]

Medians of RUNS photos after one that warms up, on the sample with the most layers unless photos are given; each is
scaled to MEGAPIXELS.
"""

import sys
from pathlib import Path
from statistics import median

from app.inpaint import FILLS
from tests.bench.__main__ import SAMPLE, enlarge
from tests.bench.browser import Browser

RUNS = 5
MEGAPIXELS = 3


def measure(data: bytes, fill: str) -> tuple[float, int]:
    """(median ms of the inpainting stage, bytes of WebAssembly memory at their peak)."""
    with Browser("wasm", fill) as browser:
        browser.convert(data)
        return median(browser.convert(data)["inpainting"] for _ in range(RUNS)), browser.memory()


def main(arguments: list[str]) -> None:
    for photo in [Path(path) for path in arguments] or [SAMPLE]:
        data = enlarge(photo, MEGAPIXELS)
        found = {fill: measure(data, fill) for fill in FILLS}
        for fill, (milliseconds, memory) in found.items():
            print(f"{photo.name}: {fill:12} {milliseconds:5.0f} ms, {memory / 2**20:.0f} MiB")
        (network, more), (classical, less) = found.values()
        print(f"{photo.name}: ratio {network / classical:.1f}, {(more - less) / 2**20:+.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
