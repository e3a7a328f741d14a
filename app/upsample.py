"""Joint bilateral upsampling (Kopf et al. 2007) that keeps depth edges sharp and puts them on colour edges.

Where a window holds two surfaces the vote is taken between them and only the winner is averaged: the plain bilateral
mean would smear again what cleaning made sharp.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class UpsampleOptions:
    """radius: in network pixels, of the window in which two surfaces compete for a lattice pixel; a network's edges are
        up to five pixels off. With 3 (and 5 pixels deciding together) scraps of a cup's rim stayed on the table.
    step: only every so many pixels of the window have a vote; two leave 36 of 121.
    sigma_space: in network pixels.
    sigma_colour: of the guide, in 0..255; small enough that JPEG noise does not vote, edges of low contrast still do.
    together: lattice pixels, side of the square whose pixels decide together: alone, they fray the silhouette.
    """

    radius: int = 5
    step: int = 2
    sigma_space: float = 4.0
    sigma_colour: float = 14.0
    together: int = 9


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear resampling with pixel centres aligned, (h, w[, C]) to (height, width[, C]) float32."""
    for axis, size in ((0, height), (1, width)):
        if image.shape[axis] == size:
            continue
        at = np.clip((np.arange(size) + 0.5) * image.shape[axis] / size - 0.5, 0, image.shape[axis] - 1)
        low = np.minimum(at.astype(np.intp), max(image.shape[axis] - 2, 0))
        high = np.minimum(low + 1, image.shape[axis] - 1)
        shape = [1] * image.ndim
        shape[axis] = size
        share = (at - low).astype(np.float32).reshape(shape)
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return np.asarray(image, np.float32)


def upsample(
    disparity: np.ndarray, guide: np.ndarray, edge: np.ndarray, options: UpsampleOptions = UpsampleOptions()
) -> np.ndarray:
    """(h, w) float32 to the guide's (H, W) float32.

    guide: (H, W, 3) uint8, the photo. edge: (h, w) bool, where surfaces meet; away from it the result is bilinear.
    """
    height, width = guide.shape[:2]
    h, w = disparity.shape
    smooth = resize(disparity, height, width)
    size = 2 * options.radius + 1
    low = ndimage.minimum_filter(disparity, size)
    high = ndimage.maximum_filter(disparity, size)
    two_surfaces = ndimage.maximum_filter(edge, size)
    # Network pixel under each lattice pixel, and where in it (fractions of a network pixel from its centre).
    row = (np.arange(height) + 0.5) * h / height
    column = (np.arange(width) + 0.5) * w / width
    y, x = np.nonzero(two_surfaces[row.astype(np.intp)][:, column.astype(np.intp)])
    if not len(y):
        return smooth
    i, j = row[y].astype(np.intp), column[x].astype(np.intp)
    dy, dx = (row[y] - i - 0.5).astype(np.float32), (column[x] - j - 0.5).astype(np.float32)

    radius = options.radius
    pad = [(radius, radius)] * 2
    row_of = w + 2 * radius  # in the padded network-resolution images, which need no bounds checks
    at = (i + radius) * row_of + j + radius
    value_of = np.pad(disparity, pad, mode="edge").ravel()
    colour_of = [np.pad(channel, pad, mode="edge").ravel() for channel in np.moveaxis(resize(guide, h, w), 2, 0)]
    colour = guide[y, x].T.astype(np.float32)
    boundary = ((low + high) / 2)[i, j]
    reach = range(-radius, radius + 1, options.step)
    weight_y, weight_x = (
        {offset: np.exp((offset - d) ** 2 / np.float32(-2 * options.sigma_space**2)) for offset in reach}
        for d in (dy, dx)
    )
    weight_sum, value_sum = np.zeros((2, 2, len(y)), np.float32)  # [side, pixel]; side 1 = near
    for oi in reach:
        for oj in reach:
            there = at + (oi * row_of + oj)
            difference = sum((np.take(of, there) - own) ** 2 for of, own in zip(colour_of, colour, strict=True))
            # The floor keeps a pixel unlike all its neighbours on the side that is closer in space.
            similar = np.exp(difference * np.float32(-0.5 / options.sigma_colour**2)) + np.float32(1e-3)
            weight = weight_y[oi] * weight_x[oj] * similar
            value = np.take(value_of, there)
            near = value > boundary
            weight_sum[1] += weight * near
            weight_sum[0] += weight * ~near
            weight *= value
            value_sum[1] += weight * near
            value_sum[0] += weight * ~near
    margin = np.zeros((height, width), np.float32)
    margin[y, x] = (weight_sum[1] - weight_sum[0]) / (weight_sum[1] + weight_sum[0])
    margin = ndimage.uniform_filter(margin, options.together)
    # A side without a vote cannot win, whatever the neighbours say.
    winner = (((margin[y, x] > 0) & (weight_sum[1] > 0)) | (weight_sum[0] == 0)).astype(np.intp)
    pick = np.arange(len(y))
    smooth[y, x] = value_sum[winner, pick] / weight_sum[winner, pick]
    return smooth
