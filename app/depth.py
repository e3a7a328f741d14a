"""Depth of a photo: estimated by a network, or given in a file, as normalised disparity.

Everything after this stage works on disparity in [0, 1] with 1 = near, because parallax is proportional to it.
"""

from io import BytesIO
from pathlib import PurePath

import numpy as np
from PIL import Image
from scipy import ndimage

from app.errors import UserError
from app.network import Network, log_disparity

LONG_SIDE = 384  # pixels, of the network's input (section 3 of the paper)
MULTIPLE = 32  # the network halves its input five times
LATTICE_LONG_SIDE = 768  # a given depth map finer than the geometry is reduced to it
PERCENTILES = (1, 99)  # a few wild pixels must not take the range from the rest
FAR_KNEE = 0.16  # disparity below which the far field is compressed
FAR_SLOPE = 0.25  # then all of the far field spans 0.045, less than the 0.05 at which layers tear: sky holds to hills
FLAT = 1e-6  # relative range below which a map says nothing about depth
BORDER = 2  # pixels at the edge of a network's output that its zero padding spoils
# Of near to far disparity that fills [0, 1]: less relief than that gets less parallax, because what a network sees in a
# flat scene is mostly its own noise (a cup on a table spans 1.2, a face 1.3, a street 10).
LEAST_RATIO = 1.6
LOG_LIMIT = 20.0  # exp stays finite in float32
LEAST_SIDE = 8  # pixels of a given depth map; a smaller one says less than none
ASPECT_TOLERANCE = 0.05  # rounding of sides, and the small crops that phones make
GREY_TOLERANCE = 8  # JPEG shifts the channels of a grey picture apart by a few levels
MAX_PIXELS = 100_000_000  # of a given depth map


async def estimate(texture: np.ndarray, network: Network) -> np.ndarray:
    """(H, W, 3) uint8 sRGB to (h, w) float32 disparity in [0, 1], 1 = near, at the network's resolution."""
    height, width = network_size(*texture.shape[:2])
    shrinks = height * width < texture.shape[0] * texture.shape[1]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR  # area averaging, as in training
    image = np.asarray(Image.fromarray(texture).resize((width, height), method))
    answer = await log_disparity(network, image)
    inner = answer[BORDER:-BORDER, BORDER:-BORDER]
    answer = np.pad(inner, BORDER, mode="edge")
    return normalise(np.exp(np.clip(answer, -LOG_LIMIT, LOG_LIMIT)), least_ratio=LEAST_RATIO)


def network_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of the network's input: long side 384, both sides rounded down to multiples of 32."""
    scale = LONG_SIDE / max(height, width)
    return tuple(max(MULTIPLE, int(side * scale) // MULTIPLE * MULTIPLE) for side in (height, width))


def given(disparity: np.ndarray, photo_size: tuple[int, int]) -> np.ndarray:
    """A depth map from a file, (h, w) with larger = nearer, to disparity in [0, 1] at the lattice's resolution or less.

    The far field is not compressed: who gives depth means it. Raises UserError("depth-shape") when the map's aspect
    ratio is not that of the photo, whose size is (width, height).
    """
    height, width = disparity.shape
    if abs(width * photo_size[1] / (height * photo_size[0]) - 1) > ASPECT_TOLERANCE:
        raise UserError(
            "depth-shape",
            f"The depth map ({width} x {height}) has another shape than the photo ({photo_size[0]} x {photo_size[1]}).",
        )
    scale = min(1, LATTICE_LONG_SIDE / max(height, width))
    # Nearest samples, no averages: between two surfaces there is none in the middle.
    rows, columns = (((np.arange(max(1, round(n * scale))) + 0.5) / scale).astype(int) for n in (height, width))
    return normalise(disparity[np.minimum(rows, height - 1)[:, None], np.minimum(columns, width - 1)], knee=0)


def normalise(disparity: np.ndarray, knee: float = FAR_KNEE, least_ratio: float = 1.0) -> np.ndarray:
    """(h, w) disparity of any scale and offset to float32 in [0, 1], 1 = near.

    NaN takes the value of the nearest pixel that has one. A map without relief (or without any value) becomes 0.5: a
    flat 3D photo. Below `knee` disparity is compressed; 0 leaves it as it is. A map whose near end is less than
    `least_ratio` times its far end fills only a part of [0, 1], in the middle.
    """
    disparity = np.asarray(disparity, np.float64)  # whatever scale a file has, nothing overflows
    known = disparity[np.isfinite(disparity)]
    low, high = np.percentile(known, PERCENTILES) if known.size else (0, 0)
    if high - low <= FLAT * max(abs(low), abs(high)):
        return np.full(disparity.shape, 0.5, np.float32)
    unit = np.clip((_fill(disparity) - low) / (high - low), 0, 1).astype(np.float32)
    relief = (high - low) / max(high - low, low * (least_ratio - 1))
    if relief < 1:
        return np.float32(0.5) + np.float32(relief) * (unit - np.float32(0.5))  # too little range for a far field
    return _compress_far(unit, knee) if knee else unit


def _fill(disparity: np.ndarray) -> np.ndarray:
    missing = np.isnan(disparity)
    if not missing.any():
        return disparity
    indices = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return disparity[tuple(indices)]


def _compress_far(unit: np.ndarray, knee: float) -> np.ndarray:
    """Slope `FAR_SLOPE` below the knee, then stretched back to [0, 1]."""
    lowest = knee * (1 - FAR_SLOPE)
    bent = np.maximum(unit, np.float32(lowest) + unit * np.float32(FAR_SLOPE))
    return (bent - np.float32(lowest)) / np.float32(1 - lowest)


def read(data: bytes, filename: str, far_is_large: bool = False) -> np.ndarray:
    """A depth file to (h, w) float32, larger = nearer, NaN where it has no value.

    data: an 8 or 16-bit greyscale image (float TIFF, too), or .npy with (h, w) numbers.
    far_is_large: the file holds depth, not disparity. Values of more than 8 bits that are nowhere negative are taken as
    lengths, so that disparity is 1 / value and zero means not measured; 8-bit or negative ones are only turned over,
    because a grey level is no length. Raises UserError("bad-depth").
    """
    values = _read_npy(data) if PurePath(filename).suffix.lower() == ".npy" else _read_image(data)
    if values.ndim != 2 or min(values.shape) < LEAST_SIDE:
        raise UserError(
            "bad-depth", f"The depth file must hold one map of at least {LEAST_SIDE} x {LEAST_SIDE} values."
        )
    lengths = values.dtype != np.uint8
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: as near or far as can be
        values = values.astype(np.float32)
    known = values[np.isfinite(values)]
    if not known.size:
        raise UserError("bad-depth", "The depth file holds no numbers.")
    if not far_is_large:
        return values
    if lengths and known.min() >= 0:
        return np.divide(1, values, out=np.full_like(values, np.nan), where=values > 0)
    return known.max() - values


def _read_npy(data: bytes) -> np.ndarray:
    try:
        values = np.load(BytesIO(data), allow_pickle=False)
    except Exception as error:  # numpy parses the header with ast and raises what it likes
        raise UserError("bad-depth", "The depth file is not a readable .npy array.") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "uif" or values.size > MAX_PIXELS:
        raise UserError("bad-depth", "The depth file must be a .npy array of real numbers.")
    return values.squeeze()


def _read_image(data: bytes) -> np.ndarray:
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "TIFF", "WEBP", "BMP")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError("bad-depth", "The depth file has too many pixels.")
            return _grey(image)
    except UserError:
        raise
    except Exception as error:  # decoders raise what they like on damaged files
        raise UserError("bad-depth", "The depth file is not an image that can be read, or it is damaged.") from error


def _grey(image: Image.Image) -> np.ndarray:
    """(h, w) of the image's own type. Raises UserError for colour: a palette of hues has no order of near and far."""
    if image.mode.startswith("I") or image.mode in ("L", "F"):
        return np.asarray(image)
    channels = np.asarray(image.convert("RGB"))
    if np.ptp(channels, axis=2).max() > GREY_TOLERANCE:
        raise UserError("bad-depth", "The depth file is in colour; depth must be shades of grey.")
    return channels[..., 1]
