import numpy as np
import pytest

from app.grow import grow
from app.ldi import DOWN, LEFT, RIGHT, UP, LiftOptions, coarsen, lift, part
from tests import scenes
from tests.layers import camera_of

PLAIN = LiftOptions(smoothing=0)


def _colour(disparity):
    return np.zeros((*disparity.shape, 3), np.uint8)


def test_links_join_what_is_near_in_disparity_and_nothing_else():
    scene = scenes.square()
    ldi = lift(scene.disparity, scene.colour, PLAIN)
    ldi.validate()
    links = ldi.neighbours.reshape(*scene.disparity.shape, 4)
    assert (links[:, :-1, RIGHT] >= 0).sum() == (np.abs(np.diff(scene.disparity, axis=1)) < 0.05).sum()
    assert (links[:-1, :, DOWN] >= 0).sum() == (np.abs(np.diff(scene.disparity, axis=0)) < 0.05).sum()
    assert (links[:, 0, LEFT] == -1).all()
    assert (links[0, :, UP] == -1).all()


def test_short_cuts_are_closed():
    disparity = np.full((40, 40), 0.2, np.float32)
    disparity[10:13, 10:13] = 0.6  # a curve of 12 pixel edges
    disparity[20:36, 20:36] = 0.6  # one of 64
    links = lift(disparity, _colour(disparity)).neighbours.reshape(40, 40, 4)
    assert links[11, 9, RIGHT] >= 0
    assert links[25, 19, RIGHT] < 0


def test_a_thicket_keeps_its_strongest_cuts():
    disparity = np.random.default_rng(2).uniform(0, 1, (60, 80)).astype(np.float32)
    ldi = lift(disparity, _colour(disparity), LiftOptions(max_cuts=500, min_curve=0, smoothing=0))
    right = ldi.neighbours.reshape(60, 80, 4)[:, :-1, RIGHT] < 0
    down = ldi.neighbours.reshape(60, 80, 4)[:-1, :, DOWN] < 0
    steps = np.abs(np.diff(disparity, axis=1)), np.abs(np.diff(disparity, axis=0))
    assert 490 < right.sum() + down.sum() <= 500
    weakest_cut = min(steps[0][right].min(), steps[1][down].min())
    assert weakest_cut > max(steps[0][~right].max(), steps[1][~down].max())


def test_smoothing_does_not_cross_cuts():
    scene = scenes.square()
    noisy = scene.disparity + np.random.default_rng(3).normal(0, 0.005, scene.disparity.shape).astype(np.float32)
    ldi = lift(noisy, scene.colour, LiftOptions(smoothing=6))
    error = np.abs(ldi.disparity.reshape(noisy.shape) - scene.disparity)
    assert error.max() < 0.015
    assert error.std() < 0.002


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
