"""Cleaning: a soft disparity map at network resolution becomes a sharp one on the lattice.

A network smears a depth edge over several pixels, and a smeared edge becomes a rubber sheet. Five steps, of which the
first two are for estimated depth only (`GIVEN` leaves them out):

1. `denoise`: a guided filter with the map as its own guide (He et al. 2010) takes out relief below `noise`.
2. `sharpen`: a shock filter (Kramer and Bruckner 1975; Osher and Rudin 1990) turns long, steep ramps into steps. The
   median of step 3 sees an edge only where neighbours differ by tau; a small network spreads a step over ten pixels and
   more, where no two neighbours do. A slanted plane has no curvature and stays as it is; a map with sharp edges has
   nothing left to sharpen.
3. `choose_side`: a weighted median in which pixels that lie on the smear have no vote, so that every pixel takes the
   value of one side or the other (Kopf et al. 2020, section 4.2).
4. `merge_small`: components too small to be a surface join the neighbour with which they share the longer border.
5. `upsample`: joint bilateral upsampling guided by the photo, in a file of its own.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from app.upsample import UpsampleOptions, upsample

TAU = 0.05  # normalised disparity; neighbours that differ by more lie on different surfaces (section 4.2)


@dataclass(frozen=True)
class CleanOptions:
    """tau: discontinuity threshold, normalised disparity.
    noise: disparity; texture that a network mistakes for relief has about this amplitude. On six photos the filter
        leaves a half to a quarter of the triangles and nine tenths of the length of edges. 0 = no filter.
    noise_radius: of the filter's window, pixels.
    ramp_weak, ramp_strong: disparity per pixel: a ramp is sharpened where it is steeper than `ramp_weak` all along and
        than `ramp_strong` somewhere (hysteresis as in Canny 1986). Ground that rises by 1 over half of a 288-pixel
        picture has 0.007 and is left alone; texture that the network mistakes for relief is mostly below 0.02.
    ramp_scale: sigma of the gradient, pixels: the scale of a smear, above that of noise.
    ramp_steps: of the shock filter: half the width in pixels of the widest smear that becomes a step. 0 = no filter.
    curvature_scale: sigma of the Laplacian that tells the near half of a ramp from the far half, pixels.
    curvature_noise: scale-normalised Laplacian below which a pixel counts as flat or slanted.
    radius: of the median's window; 2 is the 5x5 of section 4.2.
    sigma: of the median's Gaussian of disparity difference (section 4.2).
    passes: of the median; each takes `radius` pixels of smear off either side of an edge.
    min_component: in pixels at network resolution. Section 4.2 has 20; a network that draws edges sharp leaves slivers
        of in-between disparity along them, of which 60 leaves next to none, and a thing of 8x8 pixels still stands.
    upsample: of the last step.
    """

    tau: float = TAU
    noise: float = 0.03
    noise_radius: int = 4
    ramp_weak: float = 0.010
    ramp_strong: float = 0.020
    ramp_scale: float = 2.0
    ramp_steps: int = 8
    curvature_scale: float = 1.5
    curvature_noise: float = 0.001
    radius: int = 2
    sigma: float = 0.2
    passes: int = 3
    min_component: int = 60
    upsample: UpsampleOptions = field(default_factory=UpsampleOptions)


# For depth that was measured or rendered: its relief is real, and its edges are where they belong.
GIVEN = CleanOptions(
    noise=0, ramp_steps=0, min_component=20, upsample=UpsampleOptions(radius=2, step=1, sigma_space=1.2, together=3)
)


def clean(disparity: np.ndarray, guide: np.ndarray, options: CleanOptions = CleanOptions()) -> np.ndarray:
    """Sharpen and upsample a disparity map to the lattice.

    disparity: (h, w) float32 in [0, 1], 1 = near, at network resolution (or any other, up to the lattice's).
    guide: (H, W, 3) uint8, the photo on the lattice.
    Returns (H, W) float32.
    """
    if options.noise:
        disparity = denoise(disparity, options)
    if options.ramp_steps:
        disparity = sharpen(disparity, options)
    for _ in range(options.passes):
        disparity = choose_side(disparity, options)
    disparity = merge_small(disparity, options.min_component, options.tau)
    two_surfaces = discontinuities(disparity, options.tau)
    lattice = upsample(disparity, guide, two_surfaces, options.upsample)
    scale = guide.shape[0] * guide.shape[1] / disparity.size
    return merge_small(lattice, round(options.min_component * max(scale, 1)), options.tau)


def _window(image: np.ndarray, radius: int) -> list[np.ndarray]:
    """Views of the edge-padded image shifted by every offset of a square window, row by row."""
    height, width = image.shape[:2]
    pad = [(radius, radius)] * 2 + [(0, 0)] * (image.ndim - 2)
    padded = np.pad(image, pad, mode="edge")
    offsets = range(2 * radius + 1)
    return [padded[dy : dy + height, dx : dx + width] for dy in offsets for dx in offsets]


def discontinuities(disparity: np.ndarray, tau: float = TAU) -> np.ndarray:
    """(H, W) bool: pixels that differ from one of their four neighbours by more than tau."""
    edge = np.zeros(disparity.shape, bool)
    for axis in (0, 1):
        jump = np.abs(np.diff(disparity, axis=axis)) > tau
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        edge[tuple(before)] |= jump
        edge[tuple(after)] |= jump
    return edge


def denoise(disparity: np.ndarray, options: CleanOptions = CleanOptions()) -> np.ndarray:
    """Self-guided filter, (h, w) to (h, w): windows whose standard deviation is well below `noise` become their mean,
    those well above stay; slopes are kept."""
    size = 2 * options.noise_radius + 1
    mean = ndimage.uniform_filter(disparity, size)
    variance = np.maximum(ndimage.uniform_filter(disparity**2, size) - mean**2, 0)
    share = variance / (variance + options.noise**2)
    return ndimage.uniform_filter(share, size) * disparity + ndimage.uniform_filter(mean * (1 - share), size)


def _steep_ramps(disparity: np.ndarray, options: CleanOptions) -> np.ndarray:
    """(h, w) float32 in [0, 1]: how much the shock filter may act, 1 around long steep ramps, softly 0 elsewhere."""
    steepness = ndimage.gaussian_gradient_magnitude(disparity, options.ramp_scale)
    ramps, count = ndimage.label(steepness > options.ramp_weak, np.ones((3, 3)))
    strong = np.zeros(count + 1, bool)
    strong[ramps[steepness > options.ramp_strong]] = True
    strong[0] = False  # label 0 is what is not steep
    if not strong.any():
        return np.zeros(disparity.shape, np.float32)
    around = ndimage.maximum_filter(strong[ramps], 2 * round(2 * options.ramp_scale) + 1)
    return ndimage.uniform_filter(around.astype(np.float32), 3)


def sharpen(disparity: np.ndarray, options: CleanOptions = CleanOptions()) -> np.ndarray:
    """Shock filter on long steep ramps, (h, w) to (h, w): each pixel moves towards the highest or the lowest of its
    3x3 neighbours, whichever side of the ramp's inflection it is on."""
    allowed = _steep_ramps(disparity, options)
    if not allowed.any():
        return disparity
    for _ in range(options.ramp_steps):
        laplacian = ndimage.gaussian_laplace(disparity, options.curvature_scale) * options.curvature_scale**2
        target = np.where(laplacian < 0, ndimage.maximum_filter(disparity, 3), ndimage.minimum_filter(disparity, 3))
        certainty = np.clip(np.abs(laplacian) / options.curvature_noise / 2 - 0.5, 0, 1) * allowed
        disparity = disparity + (target - disparity) * certainty
    return disparity.astype(np.float32)


def choose_side(disparity: np.ndarray, options: CleanOptions = CleanOptions()) -> np.ndarray:
    """One pass of the edge-choosing weighted median, (h, w) to (h, w).

    Only pixels on a discontinuity change: elsewhere the median of a smooth window is the value itself, and the sort
    that a median needs is the dear part. A pixel whose whole window is smear keeps its value for the next pass.
    """
    edge = discontinuities(disparity, options.tau)
    rows, columns = np.nonzero(edge)
    if not len(rows):
        return disparity
    centre = disparity[rows, columns]
    values = np.stack([view[rows, columns] for view in _window(disparity, options.radius)])  # (25, K)
    smear = np.stack([view[rows, columns] for view in _window(edge, options.radius)])
    weights = np.exp((values - centre) ** 2 / (-2 * options.sigma**2)) * ~smear
    order = np.argsort(values, axis=0)
    cumulative = np.cumsum(np.take_along_axis(weights, order, 0), axis=0)
    middle = np.argmax(cumulative >= cumulative[-1] / 2, axis=0)
    columns_of_window = np.arange(len(rows))
    chosen = values[order[middle, columns_of_window], columns_of_window]
    result = disparity.copy()
    result[rows, columns] = np.where(cumulative[-1] > 1e-6, chosen, centre)
    return result


def _edges(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel indices of the two ends of all horizontal, then all vertical neighbour pairs."""
    index = np.arange(height * width, dtype=np.int32).reshape(height, width)
    first = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    second = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    return first, second


def merge_small(disparity: np.ndarray, min_size: int, tau: float = TAU) -> np.ndarray:
    """Give components of fewer than `min_size` pixels to the neighbour with which they share the longer border.

    disparity: (h, w). A component is a set of pixels joined by steps of at most tau. A merged component takes the mean
    disparity of that neighbour's pixels along the shared border, so it becomes flat: at this size there is no shape
    worth keeping.
    """
    flat = disparity.ravel()
    first, second = _edges(*disparity.shape)
    joined = np.abs(flat[first] - flat[second]) <= tau
    graph = coo_array((np.ones(joined.sum(), np.int8), (first[joined], second[joined])), shape=(flat.size,) * 2)
    count, label = connected_components(graph, directed=False)
    small = np.bincount(label, minlength=count) < min_size
    if not small.any() or small.all():
        return disparity

    # Every border pair, seen from its small side: (component, neighbour, the neighbour's disparity).
    border = ~joined
    ends = np.concatenate([first[border], second[border]]), np.concatenate([second[border], first[border]])
    ours, theirs = label[ends[0]], label[ends[1]]
    seen = small[ours] & ~small[theirs]
    key = ours[seen].astype(np.int64) * count + theirs[seen]
    pairs, inverse, length = np.unique(key, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, weights=flat[ends[1]][seen]) / length
    # Written in order of border length, so the longest border has the last word.
    order = np.argsort(length, kind="stable")
    value = np.full(count, np.nan)
    value[pairs[order] // count] = mean[order]
    # A small component enclosed by small ones alone has no large neighbour and stays.
    merged = value[label]
    return np.where(np.isnan(merged), flat, merged).astype(np.float32).reshape(disparity.shape)
