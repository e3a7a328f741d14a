"""Depth labels for photos, from the teacher (`published.py`): its answer and that to the mirror image, averaged.

    python models/tiefenrausch/label.py TEACHER.onnx PHOTOS LABELS [--masks MASKS] [--once]

PHOTOS is a folder of images; each gives LABELS/<name>.npz with
    image     (H, W, 3) uint8, long side 384, sides multiples of 32
    label     (H, W) float16 log-disparity
    unsure    (H, W) float16, |difference| of the two answers after aligning their medians: where it is large, the
              teacher guesses
Names that are there already are left alone, so that it can be stopped and started; order is random but fixed, so that
training may begin on the first few hundred. With `--masks` (`masks.py`) photos that show a figure come first. With
`--once` the mirror image is not asked and `unsure` is 0: in the same time twice the photos, each a little worse.
"""

import argparse
import random
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from refine import figure_of

LONG_SIDE, MULTIPLE = 384, 32  # what the teacher was made for


def reduce(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 at the network's size, area-averaged as in the app."""
    scale = LONG_SIDE / max(image.size)
    width, height = (max(MULTIPLE, int(side * scale) // MULTIPLE * MULTIPLE) for side in image.size)
    return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BOX))


def label(
    session: onnxruntime.InferenceSession, image: np.ndarray, once: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(log-disparity, |difference| between image and mirror image, or 0 when asked `once`), each (H, W)."""
    answers = []
    for flip in (1,) if once else (1, -1):
        batch = np.ascontiguousarray(image[:, ::flip].transpose(2, 0, 1)[None], np.float32) / 255
        answers.append(session.run(None, {"image": batch})[0][0, 0, :, ::flip])
    difference = answers[0] - answers[-1]
    difference -= np.median(difference)
    return (answers[0] + answers[-1]) / 2, np.abs(difference)


def shows_figure(mask: Path) -> bool:
    """Whether the stored mask is there and certain of a figure."""
    return mask.exists() and figure_of(np.asarray(Image.open(mask), np.float32) / 255).any()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("teacher", "photos", "labels"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--masks", type=Path, help="folder of foreground masks: photos with a figure come first")
    parser.add_argument("--once", action="store_true", help="do without the mirror image: half the time")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = given.threads
    session = onnxruntime.InferenceSession(str(given.teacher), options, providers=["CPUExecutionProvider"])
    given.labels.mkdir(parents=True, exist_ok=True)
    photos = sorted(given.photos.iterdir())
    random.Random(0).shuffle(photos)
    if given.masks:
        photos.sort(key=lambda photo: not shows_figure(given.masks / f"{photo.stem}.png"))  # stable: random within each
    for photo in photos:
        target = given.labels / f"{photo.stem}.npz"
        if target.exists():
            continue
        with Image.open(photo) as image:
            pixels = reduce(image)
        answer, unsure = label(session, pixels, given.once)
        partial = target.with_suffix(".part")
        with open(partial, "wb") as file:
            np.savez(file, image=pixels, label=answer.astype(np.float16), unsure=unsure.astype(np.float16))
        partial.rename(target)  # whole or not at all: training reads while this runs
