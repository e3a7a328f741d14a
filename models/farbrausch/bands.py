"""Shapes of real holes: our own depth and layers of photos, flattened to masks that can be put on other photos.

    python -m models.farbrausch.bands PHOTOS BANDS [--count 400]

Each photo gives BANDS/<name>.npz with `band` (H, W) uint8 on the lattice of the app:
    NOTHING  in front of the surface that continues, or too far from a hole to matter
    KNOWN    a photo pixel of the surface
    COLLAR   a photo pixel with mixed colour, part of the hole
    GROWN    hidden in the photo, part of the hole
A mask has one pixel at a position where the layers may have several: the rearmost, because it is the one that grew. A
photo pixel is in front when it is nearer than the grown pixel closest to it by more than half a discontinuity.
"""

import argparse
import asyncio
import random
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from app import depth
from app.camera import Camera
from app.clean import TAU, clean
from app.grow import grow
from app.ldi import LDI, lift
from app.network import OnnxNetwork
from app.pipeline import LATTICE_LONG_SIDE, Options
from models.farbrausch.pool import COLLAR, CONTEXT, GROWN, KNOWN, NOTHING, held_out

LEAST_HOLE = 400  # grown pixels; a photo with fewer has nothing to learn from


def layers_of(image: Image.Image, network: OnnxNetwork) -> LDI:
    """The layered depth image that the app makes of a photo, without its fill.

    Small photos are enlarged to the usual lattice: the widths of bands are a share of the photo's width.
    """
    scale = LATTICE_LONG_SIDE / max(image.size)
    size = round(image.width * scale), round(image.height * scale)
    guide = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))
    disparity = asyncio.run(depth.estimate(np.asarray(image.convert("RGB")), network))
    camera = Camera(*size, Camera.focal_from_35mm(*size, None), Options().range)
    return grow(lift(clean(disparity, guide), guide), camera.parallax)


def flatten(ldi: LDI, context: int = CONTEXT) -> np.ndarray:
    """(H, W) uint8 mask of the kinds above."""
    shape = ldi.height, ldi.width
    disparity = ldi.disparity[: ldi.photo_pixels].reshape(shape).copy()
    grown = np.arange(ldi.photo_pixels, len(ldi))
    order = grown[np.argsort(ldi.slot[grown], kind="stable")]  # the rearmost is written last
    disparity[ldi.y[order], ldi.x[order]] = ldi.disparity[order]
    hidden = np.zeros(shape, bool)
    hidden[ldi.y[grown], ldi.x[grown]] = True
    if not hidden.any():
        return np.full(shape, NOTHING, np.uint8)
    rows, columns = ndimage.distance_transform_edt(~hidden, return_distances=False, return_indices=True)
    in_front = ~hidden & (disparity > disparity[rows, columns] + TAU / 2)
    collar = ldi.collar.reshape(shape) & ~hidden
    band = np.where(hidden, GROWN, np.where(in_front, NOTHING, np.where(collar, COLLAR, KNOWN)))
    near = ndimage.binary_dilation(band >= COLLAR, iterations=context, mask=band != NOTHING)
    return np.where(near, band, NOTHING).astype(np.uint8)


def main(given: argparse.Namespace) -> None:
    given.bands.mkdir(parents=True, exist_ok=True)
    network = OnnxNetwork(threads=1)
    photos = sorted(given.photos.iterdir())
    random.Random(0).shuffle(photos)
    for photo in [*photos[: given.count], *(photo for photo in photos[given.count :] if held_out(photo.stem))]:
        target = given.bands / f"{photo.stem}.npz"
        if target.exists():
            continue
        with Image.open(photo) as image:
            band = flatten(layers_of(image, network))
        if (band == GROWN).sum() >= LEAST_HOLE:
            np.savez_compressed(target, band=band)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("bands", type=Path)
    parser.add_argument("--count", type=int, default=400, help="photos, besides the held-out ones")
    main(parser.parse_args())
