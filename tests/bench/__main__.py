"""Per stage: native ms, browser ms with one and two threads, their ratio; and the peak of WebAssembly memory.

Without arguments the sample photo is enlarged to 1, 3 and 12 megapixels, with grain so that it decodes as a photo does.
Each figure is the best of REPEATS runs after one that warms up: other programs can only make a run slower.
"""

import asyncio
import io
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from app import photo
from app.network import OnnxNetwork
from app.pipeline import STAGES, Pipeline
from builder.common import ROOT
from tests.bench.browser import Browser

MEGAPIXELS = (1, 3, 12)
SAMPLE = ROOT / "static" / "samples" / "astronaut.jpg"  # the sample with the most layers
GRAIN = 4.0  # standard deviation in grey levels: about ISO 400 on a phone
QUALITY = 92  # of the JPEG, as cameras write it
REPEATS = 3
AFTER_DEPTH = STAGES[1:]


@dataclass(frozen=True)
class Column:
    """One way of running: its name, the best ms of each stage, bytes of WebAssembly memory (0 = none)."""

    name: str
    times: dict[str, float]
    memory: int = 0


def enlarge(path: Path, megapixels: float) -> bytes:
    """A JPEG of that many megapixels, made of a smaller one."""
    image = Image.open(path).convert("RGB")
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, GRAIN, (image.height, image.width, 1)).astype(np.float32)
    noisy = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noisy).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def best(runs: list[dict[str, float]]) -> dict[str, float]:
    return {stage: min(run[stage] for run in runs) for stage in runs[0]}


def native(data: bytes, pipeline: Pipeline) -> Column:
    def run() -> dict[str, float]:
        start = perf_counter()
        picture = photo.decode(data)
        decoded = (perf_counter() - start) * 1000
        return {"photo": decoded} | asyncio.run(pipeline.run(picture)).times

    run()
    return Column("native", best([run() for _ in range(REPEATS)]))


def in_browser(data: bytes, browser: Browser) -> Column:
    browser.convert(data)
    runs = [browser.convert(data) for _ in range(REPEATS)]
    return Column(browser.name, best(runs), browser.memory())


def table(title: str, columns: list[Column]) -> str:
    """The times as text; the ratio is that of the last column to the first."""
    stages = ("photo", *STAGES)
    sums = {"after depth": AFTER_DEPTH, "all": stages}
    rows = [(stage, [column.times[stage] for column in columns]) for stage in stages]
    rows += [(name, [sum(column.times[part] for part in of) for column in columns]) for name, of in sums.items()]
    lines = [title, f"{'':14}" + "".join(f"{column.name:>18}" for column in columns) + f"{'ratio':>8}"]
    for name, values in rows:
        ratio = values[-1] / max(values[0], 1e-3)
        lines.append(f"{name + ' ms':14}" + "".join(f"{value:18.0f}" for value in values) + f"{ratio:8.1f}")
    memory = "".join(f"{column.memory / 2**20:18.0f}" if column.memory else f"{'':18}" for column in columns)
    return "\n".join([*lines, f"{'wasm MiB':14}{memory}"])


def photos(arguments: list[str]) -> dict[str, bytes]:
    if arguments:
        return {path: Path(path).read_bytes() for path in arguments}
    return {f"{size} megapixels": enlarge(SAMPLE, size) for size in MEGAPIXELS}


def main(arguments: list[str]) -> None:
    pipeline = Pipeline(OnnxNetwork())
    print(
        f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}, {pipeline.network.name}"
    )
    given = photos(arguments)
    columns = {title: [native(data, pipeline)] for title, data in given.items()}
    for backend in ("wasm", "wasm-threads"):
        for title, data in given.items():
            # A new page for each photo: WebAssembly memory never shrinks, and this is how its peak becomes visible.
            with Browser(backend) as browser:
                columns[title].append(in_browser(data, browser))
                start = browser.start_ms
        print(f"{browser.name}: ready {start:.0f} ms after the last page began to load", flush=True)
    for title in given:
        print("\n" + table(title, columns[title]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
