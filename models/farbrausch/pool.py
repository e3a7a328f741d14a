"""Windows of photos and of holes, from which `data.py` makes training samples.

    python -m models.farbrausch.pool PHOTOS BANDS POOL

Makes POOL/train.npz and POOL/held.npz, each with windows of SIDE x SIDE pixels: `colours` (n, SIDE, SIDE, 3) uint8 of
photos and drawings, and `bands` (m, SIDE, SIDE) uint8 of hole masks, as `bands.py` makes them. A hole has surroundings
on the side from which it grew and nothing at all on the other, as in use. `data.py` puts any of the holes on
any of the colours, so that samples do not repeat.
"""

import argparse
import random
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

NOTHING, KNOWN, COLLAR, GROWN = range(4)  # what a band mask says of a pixel
CONTEXT = 16  # steps from pixel to pixel that lead from a hole to the known surroundings that take part
HOLD_OUT_ONE_IN = 40
SIDE = 64  # of a window: every level of the anchor has whole cells, and the widest band fits in with its surroundings


@dataclass(frozen=True)
class Options:
    """
    crops, windows: of each photo, of each band. held: windows and holes for measuring, of held-out photos and bands.
    drawings: of edges, bars, stripes and discs. Of a photo's hole little can be foreseen, and what can, how lines go
        on, is easier to learn where all of it can.
    band_scale: range of the factor on a mask: holes of small photos are narrower.
    photo_scale: range of the factor on a photo. Enlarged ones would be too smooth.
    least_hole: share of a window's pixels; one with less is drawn again.
    """

    crops: int = 6
    windows: int = 40
    held: int = 512
    drawings: int = 6000
    band_scale: tuple[float, float] = (0.35, 1.0)
    photo_scale: tuple[float, float] = (0.5, 1.3)
    least_hole: float = 0.15


def held_out(name: str) -> bool:
    """Whether a photo is for measuring only: one in forty, by its name."""
    return zlib.crc32(name.encode()) % HOLD_OUT_ONE_IN == 0


def photo_crop(image: Image.Image, scale: float, draw: random.Random) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: a random part of the scaled photo."""
    scale = max(scale, SIDE / min(image.size))
    reach = round(SIDE / scale)  # of the part in the photo's own pixels
    left, top = (draw.randint(0, max(0, length - reach)) for length in image.size)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return np.asarray(image.crop((left, top, left + reach, top + reach)).resize((SIDE, SIDE), method))


def drawing(draw: random.Random) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: edges, bars, stripes and discs over one another."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) - SIDE / 2
    image = np.full((SIDE, SIDE, 3), [draw.random() for _ in range(3)], np.float32)
    for _ in range(draw.randint(2, 7)):
        angle, offset = draw.uniform(0, 2 * np.pi), draw.uniform(-0.5, 0.5) * SIDE
        across = np.cos(angle) * x + np.sin(angle) * y - np.float32(offset)
        width = draw.uniform(2, SIDE / 4)
        outside = draw.choice(
            (
                across,
                across,
                np.abs(across) - width / 2,
                np.abs(across % (2 * width) - width) - width / 2,
                np.hypot(x - draw.uniform(-1, 1) * SIDE / 2, y - offset) - 2 * width,
            )
        )  # distance to the shape's border in pixels, negative inside
        alpha = np.clip(0.5 - outside / draw.uniform(1, 3), 0, 1)[..., None]
        shade = (across * np.float32(draw.gauss(0, 0.3) / SIDE))[..., None]
        image += alpha * (np.float32([draw.random() for _ in range(3)]) + shade - image)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def band_crop(band: np.ndarray, scale: float, draw: random.Random) -> np.ndarray:
    """(SIDE, SIDE): a window of a scaled band mask (H, W) around a random hole pixel, turned at random.

    Outside the mask there is nothing. Sizes change by taking nearest samples, as kinds have no means.
    """
    grown = np.flatnonzero(band == GROWN)
    centres = divmod(int(grown[draw.randrange(len(grown))]), band.shape[1])
    reach = SIDE / 4 / scale  # the hole pixel lies in the window's middle half
    offsets = (np.arange(SIDE) - SIDE / 2) / scale
    window = []
    for centre, length in zip(centres, band.shape, strict=True):
        index = np.floor(centre + draw.uniform(-reach, reach) + offsets).astype(int)
        window.append((np.clip(index, 0, length - 1), (index >= 0) & (index < length)))
    (rows, inside_rows), (columns, inside_columns) = window
    part = np.where(np.outer(inside_rows, inside_columns), band[np.ix_(rows, columns)], NOTHING)
    return np.rot90(part[:, ::-1] if draw.random() < 0.5 else part, draw.randrange(4))


def drop_unknown(band: np.ndarray) -> np.ndarray:
    """The band (H, W) without the surfaces of which nothing is known: a window cuts many off from their colour."""
    surface, count = ndimage.label(band != NOTHING)
    told = np.zeros(count + 1, bool)
    told[surface[band == KNOWN]] = True
    return np.where(told[surface], band, NOTHING)


def hole_window(band: np.ndarray, draw: random.Random, options: Options) -> np.ndarray:
    """(SIDE, SIDE) uint8 of a band mask (H, W), with enough hole if one of a hundred tries finds it."""
    for _ in range(100):
        window = drop_unknown(band_crop(band, draw.uniform(*options.band_scale), draw))
        if (window >= COLLAR).mean() >= options.least_hole:
            break
    return window.astype(np.uint8)


def make(photos: list[Path], bands: list[Path], drawings: int, options: Options) -> dict[str, np.ndarray]:
    """`colours` and `bands` of a pool, the same ones each time."""
    draw = random.Random(0)
    colours = []
    for path in photos:
        with Image.open(path) as file:
            image = file.convert("RGB")
        low, high = options.photo_scale
        scales = [low * (high / low) ** draw.random() for _ in range(options.crops)]
        colours += [photo_crop(image, scale, draw) for scale in scales]
    masks = [np.load(path)["band"] for path in bands]
    windows = [hole_window(mask, draw, options) for mask in masks for _ in range(options.windows)]
    windows = [window for window in windows if (window >= COLLAR).mean() >= options.least_hole]
    return {"colours": np.stack(colours + [drawing(draw) for _ in range(drawings)]), "bands": np.stack(windows)}


def main(given: argparse.Namespace, options: Options) -> None:
    given.pool.mkdir(parents=True, exist_ok=True)
    photos, bands = sorted(given.photos.iterdir()), sorted(given.bands.glob("*.npz"))
    for name, held in (("held", True), ("train", False)):
        chosen = ([path for path in paths if held_out(path.stem) == held] for paths in (photos, bands))
        np.savez(given.pool / f"{name}.npz", **make(*chosen, 0 if held else options.drawings, options))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("bands", type=Path)
    parser.add_argument("pool", type=Path)
    main(parser.parse_args(), Options())
