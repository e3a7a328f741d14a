"""How much a network's answer changes where the scene does not.

    python models/tiefenrausch/stability.py PHOTOS NETWORK.onnx... [--count 40]

For each network a row, means over the photos: the mean |difference| to the answer to the photo itself, in units of that
answer's standard deviation, in disparity after the best scale and shift, because neither of them is seen in the end.

    mirror  the mirror image
    crop    without the 32 pixels at the left and at the top
    resize  enlarged by 10 %, and what then lies beyond the borders cut off
    jpeg    saved as JPEG with quality 50
"""

import argparse
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime
from evaluate import align, table
from label import MULTIPLE, reduce
from PIL import Image

ENLARGED, QUALITY = 1.1, 50


@dataclass(frozen=True)
class Change:
    """image: (h, w, 3) uint8, what the network sees. rows, columns: where in the photo its pixels' centres lie, in
    pixels; (h,) and (w,)."""

    image: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def changes(photo: np.ndarray) -> dict[str, Change]:
    """Of a (H, W, 3) uint8 photo."""
    height, width = photo.shape[:2]
    rows, columns = np.arange(height, dtype=float), np.arange(width, dtype=float)
    top, left = ((side - side / ENLARGED) / 2 for side in (height, width))
    box = (left, top, width - left, height - top)
    enlarged = Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC, box)
    inner = (start + (places + 0.5) / ENLARGED - 0.5 for start, places in ((top, rows), (left, columns)))
    buffer = BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=QUALITY)
    return {
        "mirror": Change(photo[:, ::-1], rows, columns[::-1]),
        "crop": Change(photo[MULTIPLE:, MULTIPLE:], rows[MULTIPLE:], columns[MULTIPLE:]),
        "resize": Change(np.asarray(enlarged), *inner),
        "jpeg": Change(np.asarray(Image.open(buffer)), rows, columns),
    }


def deviation(answer: np.ndarray, changed: np.ndarray, change: Change) -> float:
    """Of two log-disparities, that of the photo (H, W) and that of the change (h, w)."""
    rows, columns = (np.rint(places).astype(int) for places in (change.rows, change.columns))
    wanted = np.exp(answer.astype(np.float64))[np.ix_(rows, columns)].ravel()
    found = align(np.exp(changed.astype(np.float64)).ravel(), wanted)
    return float(np.abs(found - wanted).mean() / max(wanted.std(), 1e-9))


def report(session: onnxruntime.InferenceSession, photos: list[np.ndarray]) -> dict[str, float]:
    """Mean deviation by kind of change; photos: (H, W, 3) uint8, sides multiples of 32 and at least 64."""

    def ask(image: np.ndarray) -> np.ndarray:
        batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255
        return session.run(None, {"image": batch})[0][0, 0]

    totals: dict[str, list[float]] = {}
    for photo in photos:
        answer = ask(photo)
        for name, change in changes(photo).items():
            totals.setdefault(name, []).append(deviation(answer, ask(change.image), change))
    return {name: float(np.mean(values)) for name, values in totals.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=40, help="photos, evenly chosen by name (default: %(default)s)")
    given = parser.parse_args()
    paths = sorted(path for path in given.photos.iterdir() if path.is_file())
    photos = [reduce(Image.open(path)) for path in paths[:: max(1, len(paths) // given.count)][: given.count]]
    columns = {}
    for path in given.networks:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        columns[path.stem] = report(session, photos)
    print(table(columns))
