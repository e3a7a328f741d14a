"""Labels better than the teacher's: sharp edges on colour edges, and figures that stand before their background.

    python models/tiefenrausch/refine.py LABELS MASKS TARGETS

The teacher smears an edge over ten pixels and gives people, pets and close-ups next to no relief, or an inverted one. A
network that imitates it does the same. Two corrections, both of what is known without measuring depth:
- `sharpen`: a pixel of a smeared edge belongs to the near or to the far side; its colour tells to which.
- `stand_out`: a foreground mask (`masks.py`) that is certain of itself is one surface before what surrounds it; where
  it meets the ground below, it is as near as the ground is there.
TARGETS/<name>.npz: image (H, W, 3) uint8, target (H, W) float16 log-disparity, weight (H, W) float16 in 0..1, figure
(H, W) bool, the mask that was used (all false where there was none).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage


@dataclass(frozen=True)
class Options:
    """Lengths in pixels at a long side of 384, steps in log-disparity.

    radius: of the window in which an edge has two sides; the teacher's edges are about as wide.
    least_step: in that window, below which nothing is called an edge.
    steepness: share of the window's step within 5 pixels; a plane that recedes has 0.3, a smeared edge 0.5 and more.
    certain, core_share, doubt: a mask's pixels above `certain` are its core; it is used when they are this share of
        all its pixels, and the pixels in doubt no more than that share.
    areas: of the picture, least and largest, that a figure may take.
    band: around a figure's outline where the teacher's values are smeared; they are replaced from beyond it.
    figure_step: least step from a figure to what is behind it.
    kept_relief, relief_limit: share and bound of the teacher's own relief within a figure: it is often wrong there.
    roundness: how much nearer a figure's middle is than its outline, reached at `round_width` of its size.
    unsure: disagreement of the teacher with itself at which a pixel's weight is a third.
    """

    radius: int = 7
    least_step: float = 0.12
    steepness: float = 0.45
    certain: float = 0.85
    core_share: float = 0.8
    doubt: float = 0.3
    areas: tuple[float, float] = (0.03, 0.8)
    band: int = 7
    figure_step: float = 0.3
    kept_relief: float = 0.4
    relief_limit: float = 0.12
    roundness: float = 0.08
    round_width: float = 0.25
    unsure: float = 0.25


def sharpen(label: np.ndarray, image: np.ndarray, options: Options = Options()) -> np.ndarray:
    """(H, W) log-disparity and its (H, W, 3) uint8 photo to the same with pixels of smeared edges put on one side."""
    size = 2 * options.radius + 1
    high, low = ndimage.maximum_filter(label, size), ndimage.minimum_filter(label, size)
    step = high - low
    within = ndimage.maximum_filter(label, 5) - ndimage.minimum_filter(label, 5)
    edge = (step > options.least_step) & (within > options.steepness * step)
    position = (label - low) / np.maximum(step, 1e-6)  # 0 = far side, 1 = near side
    near, near_colour = _side(np.clip(position * 4 - 3, 0, 1), label, image, size)
    far, far_colour = _side(np.clip(1 - position * 4, 0, 1), label, image, size)
    to_near, to_far = (np.square(image / 255 - colour).sum(axis=-1) for colour in (near_colour, far_colour))
    vote = 2 * position - 1 + (to_far - to_near) / (to_far + to_near + 0.01)
    chosen = np.where(ndimage.median_filter(vote, 5) > 0, np.maximum(near, label), np.minimum(far, label))
    sharp = np.where(edge, chosen, label)
    return np.where(ndimage.binary_dilation(edge, iterations=2), ndimage.median_filter(sharp, 5), sharp)


def _side(weight: np.ndarray, label: np.ndarray, image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means of label (H, W) and colour (H, W, 3) in 0..1 around each pixel."""
    total = ndimage.uniform_filter(weight, size) + 1e-4
    colours = [ndimage.uniform_filter(weight * image[..., c] / 255, size) / total for c in range(3)]
    return ndimage.uniform_filter(weight * label, size) / total, np.stack(colours, axis=-1)


def figure_of(mask: np.ndarray, options: Options = Options()) -> np.ndarray:
    """(H, W) foreground probability to (H, W) bool: its larger parts, or nothing where the mask is in doubt."""
    figure = ndimage.median_filter(mask, 5) > 0.5
    parts, count = ndimage.label(figure)
    areas = np.bincount(parts.ravel(), minlength=count + 1) / mask.size
    areas[0] = 0
    figure = (areas > options.areas[0] / 2)[parts]
    area = figure.mean()
    core = (mask[figure] > options.certain).mean() if area else 0
    doubt = ((mask > 1 - options.certain) & (mask < options.certain)).mean() / max(area, 1e-6)
    used = options.areas[0] < area < options.areas[1] and core > options.core_share and doubt < options.doubt
    return figure if used else np.zeros_like(figure)


def stand_out(label: np.ndarray, figure: np.ndarray, options: Options = Options()) -> np.ndarray:
    """(H, W) log-disparity and (H, W) bool figure to the same with the figure one surface before its background."""
    ground = _cleared(label, ~figure, options.band)
    inside = _cleared(label, figure, options.band)
    level = _level(ground, inside, figure, options)
    relief = (inside - np.median(label[figure])) * options.kept_relief
    relief = np.clip(relief, -options.relief_limit, options.relief_limit)
    depth = ndimage.distance_transform_edt(figure) / (options.round_width * np.sqrt(figure.sum()))
    bulge = options.roundness * (np.sqrt(1 - np.square(1 - np.minimum(depth, 1))) - 1)
    return np.where(figure, level + relief + bulge, ground)


def _cleared(label: np.ndarray, region: np.ndarray, band: int) -> np.ndarray:
    """`label` with what is outside of `region`, or within `band` of its border, from the nearest that is not."""
    trusted = ndimage.distance_transform_edt(region) > band
    if not trusted.any():
        trusted = region
    _, nearest = ndimage.distance_transform_edt(~trusted, return_indices=True)
    return label[tuple(nearest)]


def _level(ground: np.ndarray, inside: np.ndarray, figure: np.ndarray, options: Options) -> float:
    """Log-disparity of the figure: that of the ground it meets, and at least a step before what is behind."""
    rows = np.nonzero(figure.any(axis=1))[0]
    ring = ndimage.binary_dilation(figure, iterations=options.band) & ~figure
    upper = ring & (np.arange(len(figure)) < rows[0] + 0.7 * np.ptp(rows))[:, None]
    behind = np.median(ground[upper if upper.any() else ring])
    own = np.median(inside[figure])
    if rows[-1] < len(figure) - 3:  # it ends within the picture: it stands on something there
        foot = ring & (np.arange(len(figure)) > rows[-1] - options.band)[:, None]
        contact = np.median(ground[foot])
        own = np.clip(own, contact, contact + options.figure_step)
    return max(own, behind + options.figure_step)


def refine(image: np.ndarray, label: np.ndarray, unsure: np.ndarray, mask: np.ndarray, options: Options = Options()):
    """(target, weight, figure), each (H, W), from a teacher's label and a foreground probability in 0..1."""
    target = sharpen(label, image, options)
    weight = 1 / (1 + np.square(unsure / options.unsure) * 2)
    figure = figure_of(mask, options)
    if figure.any():
        target = stand_out(target, figure, options)
        weight = np.where(ndimage.binary_dilation(figure, iterations=options.band), 1, weight)
    return target, weight, figure


if __name__ == "__main__":
    labels, masks, targets = map(Path, sys.argv[1:4])
    targets.mkdir(parents=True, exist_ok=True)
    for path in sorted(labels.glob("*.npz")):
        if (targets / path.name).exists():
            continue
        stored = np.load(path)
        mask = np.asarray(Image.open(masks / f"{path.stem}.png"), np.float32) / 255
        label, unsure = (stored[name].astype(np.float32) for name in ("label", "unsure"))
        target, weight, figure = refine(stored["image"], label, unsure, mask)
        partial = targets / f"{path.stem}.part"
        with open(partial, "wb") as file:
            np.savez(
                file,
                image=stored["image"],
                target=target.astype(np.float16),
                weight=weight.astype(np.float16),
                figure=figure,
            )
        partial.rename(partial.with_suffix(".npz"))
