"""Training samples: the hole of one photo put on another, whose colours there are the truth.

A sample is truth (3, H, W), given (3, H, W), weight (1, H, W) and exists (1, H, W), all float32, as `network.Network`
takes them; given is truth with foreign colour in the collar. The hole has surroundings on the side from which it grew
and nothing at all on the other, as in use: `bands.py` says how such masks are made.
"""

import random
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

NOTHING, KNOWN, COLLAR, GROWN = range(4)  # what a band mask says of a pixel
CONTEXT = 16  # steps from pixel to pixel that lead from a hole to the known surroundings that take part
COLLAR_WEIGHT = 1e-4  # as in app.inpaint: enough to decide where a surface has no other colour
HOLD_OUT_ONE_IN = 40


@dataclass(frozen=True)
class Options:
    """
    side: of a sample, pixels: a multiple of 64, so that every level of the anchor has whole cells. One cell is enough
        for the widest band with its surroundings, and many small samples tell more than a few large ones.
    band_scale: range of the factor on a mask: holes of small photos are narrower.
    photo_scale: range of the factor on a photo, as a multiple of that on the mask. Our photos have half as many pixels
        as the lattice on which the masks were made, so that 2 gives holes as wide as in use against what they show.
    drawings: share of samples that show drawn edges, bars and discs and no photo. Of a photo's hole little can be
        foreseen, and what can, how lines go on, is easier to learn where all of it can.
    repeated, pool: share of samples that come from a pool of so many. From ever new ones the network learned nothing in
        600 steps but to be silent; what comes again wakes units up (Charton and Kempe 2024).
    least_hole: share of a sample's pixels; a crop with less is drawn again.
    """

    side: int = 64
    band_scale: tuple[float, float] = (0.3, 1.0)
    photo_scale: tuple[float, float] = (1.2, 2.0)
    drawings: float = 0.5
    repeated: float = 0.25
    pool: int = 2048
    least_hole: float = 0.1


def held_out(name: str) -> bool:
    """Whether a photo is for measuring only: one in forty, by its name."""
    return zlib.crc32(name.encode()) % HOLD_OUT_ONE_IN == 0


class Samples(torch.utils.data.IterableDataset):
    """Endless batches (truth, given, weight, exists) of the photos and bands that are held out, or of all others."""

    def __init__(
        self, photos: Path, bands: Path, batch: int, seed: int, held: bool = False, options: Options = Options()
    ):
        self.photos = [path for path in sorted(photos.iterdir()) if held_out(path.stem) == held]
        self.bands = [path for path in sorted(bands.glob("*.npz")) if held_out(path.stem) == held]
        self.batch, self.seed, self.options = batch, seed, options

    def __iter__(self):
        draw = random.Random(self.seed)
        bands = [np.load(path)["band"] for path in self.bands]
        while True:
            samples = [self._sample(draw, bands) for _ in range(self.batch)]
            yield tuple(torch.stack(parts) for parts in zip(*samples, strict=True))

    def _sample(self, draw: random.Random, bands: list[np.ndarray]) -> tuple[torch.Tensor, ...]:
        if draw.random() < self.options.repeated:
            draw = random.Random(draw.randrange(self.options.pool))
        scale = draw.uniform(*self.options.band_scale)
        if draw.random() < self.options.drawings:
            colour, mean = drawing(draw, self.options.side)
        else:
            factor = scale * draw.uniform(*self.options.photo_scale)
            colour, mean = photo_crop(draw.choice(self.photos), factor, draw, self.options.side)
        while True:
            band = drop_unknown(band_crop(draw.choice(bands), scale, draw, self.options.side))
            if (band >= COLLAR).mean() >= self.options.least_hole:
                return assemble(colour, mean, band, draw)


def photo_crop(path: Path, scale: float, draw: random.Random, side: int) -> tuple[np.ndarray, np.ndarray]:
    """(side, side, 3) float32 in 0..1: a random part of the scaled photo, flipped or not; (3,) the photo's mean."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    scale = max(scale, side / min(image.size))
    reach = round(side / scale)  # of the part in the photo's own pixels
    left, top = (draw.randint(0, max(0, length - reach)) for length in image.size)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    part = image.crop((left, top, left + reach, top + reach)).resize((side, side), method)
    pixels = np.asarray(part, np.float32) / 255
    mean = np.asarray(image)[::4, ::4].mean((0, 1), dtype=np.float32) / 255  # of every fourth: as good, and quicker
    return pixels[:, ::-1] if draw.random() < 0.5 else pixels, mean


def drawing(draw: random.Random, side: int) -> tuple[np.ndarray, np.ndarray]:
    """(side, side, 3) float32 in 0..1: edges, bars, stripes and discs over one another; (3,) its mean."""
    y, x = np.mgrid[:side, :side].astype(np.float32) - side / 2
    image = np.full((side, side, 3), [draw.random() for _ in range(3)], np.float32)
    for _ in range(draw.randint(2, 7)):
        angle, offset = draw.uniform(0, 2 * np.pi), draw.uniform(-0.5, 0.5) * side
        across = np.cos(angle) * x + np.sin(angle) * y - np.float32(offset)
        width = draw.uniform(2, side / 4)
        outside = draw.choice(
            (
                across,
                across,
                np.abs(across) - width / 2,
                np.abs(across % (2 * width) - width) - width / 2,
                np.hypot(x - draw.uniform(-1, 1) * side / 2, y - offset) - 2 * width,
            )
        )  # distance to the shape's border in pixels, negative inside
        alpha = np.clip(0.5 - outside / draw.uniform(1, 3), 0, 1)[..., None]
        shade = (across * np.float32(draw.gauss(0, 0.3) / side))[..., None]
        image += alpha * (np.float32([draw.random() for _ in range(3)]) + shade - image)
    return np.clip(image, 0, 1), image.mean((0, 1))


def band_crop(band: np.ndarray, scale: float, draw: random.Random, side: int) -> np.ndarray:
    """(side, side): a window of a scaled band mask (H, W) around a random hole pixel, turned at random.

    Outside the mask there is nothing. Sizes change by taking nearest samples, as kinds have no means.
    """
    grown = np.flatnonzero(band == GROWN)
    centres = divmod(int(grown[draw.randrange(len(grown))]), band.shape[1])
    reach = side / 4 / scale  # the hole pixel lies in the window's middle half
    offsets = (np.arange(side) - side / 2) / scale
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


def assemble(colour: np.ndarray, mean: np.ndarray, band: np.ndarray, draw: random.Random) -> tuple[torch.Tensor, ...]:
    """Truth, given, weight and exists of colours (H, W, 3) in 0..1 under a band mask (H, W) with known pixels.

    mean: (3,) of the whole photo. In use the mean of all that a surface's hole is surrounded by is taken off, of which
    a sample sees a part, so here it is something between that part's mean and the photo's.
    """
    own = colour[band == KNOWN].mean(0)
    colour = colour - (own + np.float32(draw.random()) * (mean - own))
    foreign = np.array([draw.uniform(-0.5, 0.5) for _ in range(3)], np.float32)
    share = np.random.default_rng(draw.getrandbits(32)).random(band.shape, np.float32)[..., None]
    given = np.where((band == COLLAR)[..., None], colour + share * (foreign - colour), colour)
    weight = np.select([band == KNOWN, band == COLLAR], [1, COLLAR_WEIGHT], 0)[None]
    arrays = (colour.transpose(2, 0, 1), given.transpose(2, 0, 1), weight, (band != NOTHING)[None])
    return tuple(torch.from_numpy(np.ascontiguousarray(array, np.float32)) for array in arrays)
