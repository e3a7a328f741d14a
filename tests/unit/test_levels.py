import numpy as np
import pytest

from app.grow import grow
from app.ldi import DOWN, RIGHT, lift, opposite
from app.levels import Level, cells, coarsen, part
from tests import scenes
from tests.layers import camera_of


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_coarse_levels_keep_surfaces_apart(scene):
    scene = scene()
    ldi = grow(lift(scene.disparity, scene.colour), camera_of(scene).parallax)
    level, chosen = part(ldi, np.ones(len(ldi), bool))
    colour = ldi.disparity[chosen]
    for _ in range(3):
        coarse, parent = coarsen(level)
        _symmetric(coarse)
        low, high = np.full(len(coarse), np.inf), np.full(len(coarse), -np.inf)
        np.minimum.at(low, parent, colour)
        np.maximum.at(high, parent, colour)
        assert (level.x // 2 == coarse.x[parent]).all()
        assert (level.y // 2 == coarse.y[parent]).all()
        assert (high - low).max() < 0.15  # two links of less than tau, and never a step between surfaces
        level, colour = coarse, (low + high) / 2


def _symmetric(level):
    for k in range(4):
        here = np.nonzero(level.neighbours[:, k] >= 0)[0]
        assert (level.neighbours[level.neighbours[here, k], (k + 2) % 4] == here).all()


def test_part_keeps_links_among_its_own():
    scene = scenes.square()
    ldi = lift(scene.disparity, scene.colour)
    level, chosen = part(ldi, ldi.x < 10)
    assert len(level) == 10 * ldi.height
    _symmetric(level)
    assert (level.neighbours[level.x == 9, RIGHT] == -1).all()
    assert (ldi.x[chosen] == level.x).all()


def _sheet(height, width) -> Level:
    flat = lift(np.full((height, width), 0.5, np.float32), np.zeros((height, width, 3), np.uint8))
    return part(flat, np.ones(height * width, bool))[0]


def test_kernels_of_a_sheet_are_those_of_an_image():
    height, width = 7, 9
    level, _ = part(
        lift(np.full((height, width), 0.5, np.float32), np.zeros((height, width, 3), np.uint8)), np.ones(63, bool)
    )
    index = np.pad(np.arange(height * width).reshape(height, width), 1, constant_values=-1)
    expected = [index[dy : dy + height, dx : dx + width].ravel() for dy in range(3) for dx in range(3)]
    assert np.array_equal(cells(level), np.stack(expected, 1))


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_kernels_do_not_cross_cuts(scene):
    """Each cell lies where the kernel says, and two links away at most: less than twice tau in disparity."""
    scene = scene()
    ldi = grow(lift(scene.disparity, scene.colour), camera_of(scene).parallax)
    kernel = cells(part(ldi, np.ones(len(ldi), bool))[0])
    own, cell = np.nonzero(kernel >= 0)
    there = kernel[own, cell]
    assert (ldi.x[there] - ldi.x[own] == cell % 3 - 1).all()
    assert (ldi.y[there] - ldi.y[own] == cell // 3 - 1).all()
    assert np.abs(ldi.disparity[there] - ldi.disparity[own]).max() < 0.15


def test_a_corner_is_reached_around_either_side():
    """One of the two paths to a corner is cut; and where both are, there is no corner."""
    level, _ = part(lift(np.full((2, 2), 0.5, np.float32), np.zeros((2, 2, 3), np.uint8)), np.ones(4, bool))
    for cut, reached in (
        ([(0, DOWN)], 3),
        ([(0, RIGHT)], 3),
        ([(0, DOWN), (0, RIGHT)], -1),
        ([(0, DOWN), (1, DOWN)], -1),
    ):
        links = level.neighbours.copy()
        for pixel, direction in cut:
            links[links[pixel, direction], opposite(direction)] = -1
            links[pixel, direction] = -1
        assert cells(Level(level.x, level.y, links))[0, 8] == reached
