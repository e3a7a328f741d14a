"""Synthetic scenes with known layers: small, noiseless, each with one thing that layer generation must get right."""

from dataclasses import dataclass

import numpy as np

HEIGHT, WIDTH = 120, 160


@dataclass(frozen=True)
class Scene:
    """disparity: (H, W) float32 of what is visible; colour: (H, W, 3) uint8 of it; background: (H, W, 3) uint8, what
    the farthest surface looks like where it is hidden, or None where nobody can know."""

    disparity: np.ndarray
    colour: np.ndarray
    background: np.ndarray | None = None


def _grid() -> tuple[np.ndarray, np.ndarray]:
    return np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)


def _gradient() -> np.ndarray:
    """A smooth backdrop, so that a fill can be right about what it cannot see."""
    y, x = _grid()
    return np.stack([60 + x / 2, 90 + y / 2, 200 - x / 4], 2).astype(np.uint8)


def _over(masks: list[tuple[np.ndarray, float, tuple[int, int, int]]], far: float = 0.1) -> Scene:
    """Flat coloured shapes over the backdrop, farthest first."""
    background = _gradient()
    disparity = np.full((HEIGHT, WIDTH), far, np.float32)
    colour = background.copy()
    for mask, value, paint in masks:
        disparity[mask], colour[mask] = value, paint
    return Scene(disparity, colour, background)


def square() -> Scene:
    y, x = _grid()
    return _over([((abs(y - 60) < 30) & (abs(x - 80) < 35), 0.9, (220, 30, 20))])


def t_junction() -> Scene:
    """A near column hides the edge of a table before a wall: three surfaces meet at two corners."""
    y, x = _grid()
    return _over([(y >= 70, 0.5, (40, 160, 60)), (abs(x - 80) < 25, 0.9, (220, 30, 20))])


def staircase() -> Scene:
    _, x = _grid()
    return _over([(x >= start, 0.1 + 0.2 * k, (50 * k, 40, 250 - 50 * k)) for k, start in enumerate((35, 70, 105), 1)])


def pole() -> Scene:
    y, x = _grid()
    return _over([((abs(x - 80) < 2) & (y > 20), 0.9, (20, 20, 20))], far=0.2)


def one_pixel_pole() -> Scene:
    y, x = _grid()
    return _over([((x == 80) & (y > 20), 0.9, (20, 20, 20))], far=0.2)


def ring() -> Scene:
    """The far surface is in two pieces, and the hole is smaller than what is grown into."""
    y, x = _grid()
    radius = np.hypot(y - 60, x - 80)
    return _over([((radius < 40) & (radius > 12), 0.8, (220, 200, 20))])


def slit() -> Scene:
    """A flap that stands off a wall at its tip and joins it at its root: cuts that end in the middle of the picture."""
    y, x = _grid()
    on_flap = (abs(y - 60) < 20) & (x > 40) & (x < 120)
    scene = _over([(on_flap, 0.1, (200, 60, 160))])
    scene.disparity[on_flap] = 0.1 + 0.6 * (x[on_flap] - 40) / 80
    return scene


def slanted_plane() -> Scene:
    y, _ = _grid()
    return Scene((y / (HEIGHT - 1)).astype(np.float32), _gradient())


def sky() -> Scene:
    """A wavy ridge of ground that comes nearer, against a sky."""
    y, x = _grid()
    ridge = 50 + 12 * np.sin(x / 11) + 5 * np.sin(x / 3)
    ground = y > ridge
    scene = _over([(ground, 0.3, (60, 120, 50))], far=0.0)
    scene.disparity[ground] = 0.3 + 0.5 * (y[ground] - 40) / 80
    return scene


def flat() -> Scene:
    return Scene(np.full((HEIGHT, WIDTH), 0.5, np.float32), _gradient())


ALL = (square, t_junction, staircase, pole, one_pixel_pole, ring, slit, slanted_plane, sky, flat)
