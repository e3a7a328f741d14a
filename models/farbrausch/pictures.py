"""Fills side by side, as the extreme views show them.

    python -m models.farbrausch.pictures OUT.jpg PHOTO...

A row for each photo, a part of the view that uncovers most: with the hole in green, push-pull, Farbrausch.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from app.camera import Camera
from app.inpaint import farbrausch, push_pull
from app.network import FILL_MODEL, OnnxNetwork
from app.pipeline import LATTICE_LONG_SIDE
from models.farbrausch.bands import layers_of
from models.farbrausch.stage import SEEN, Stage

PART = (180, 240)  # (height, width) of the view, pixels
ENLARGED = 2
MARK = (60, 220, 60)


def row(photo: Path, depth: OnnxNetwork, fill: OnnxNetwork) -> np.ndarray:
    """(H, W, 3) uint8."""
    with Image.open(photo) as file:
        image = file.convert("RGB")
    scale = LATTICE_LONG_SIDE / max(image.size)
    size = round(image.width * scale), round(image.height * scale)
    ldi = layers_of(image, depth)
    camera = Camera(*size, Camera.focal_from_35mm(*size, None))
    stage = Stage.of(ldi, np.asarray(image.resize(size, Image.Resampling.BICUBIC)), camera)
    uncovered = [view > SEEN for view in stage.uncovered()]
    number = int(np.argmax([view.sum() for view in uncovered]))
    window = densest(uncovered[number])
    fills = push_pull(ldi), asyncio.run(farbrausch(ldi, fill))
    classical, ours = (stage.views(colour)[number][window] for colour in fills)
    marked = np.where(uncovered[number][window][..., None], np.uint8(MARK), classical)
    return np.concatenate([marked, classical, ours], 1).repeat(ENLARGED, 0).repeat(ENLARGED, 1)


def densest(mask: np.ndarray) -> tuple[slice, slice]:
    """The window of PART with the most of the mask (h, w)."""
    density = ndimage.uniform_filter(mask.astype(np.float32), PART, mode="constant")
    half = [side // 2 for side in PART]
    inner = density[half[0] : mask.shape[0] - half[0], half[1] : mask.shape[1] - half[1]]
    top, left = np.unravel_index(inner.argmax(), inner.shape)
    return slice(top, top + PART[0]), slice(left, left + PART[1])


if __name__ == "__main__":
    out, *photos = map(Path, sys.argv[1:])
    depth, fill = OnnxNetwork(threads=1), OnnxNetwork(FILL_MODEL, threads=1)
    Image.fromarray(np.concatenate([row(photo, depth, fill) for photo in photos])).save(out, quality=88)
