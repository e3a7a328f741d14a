import numpy as np

from app.ldi import DOWN, LEFT, RIGHT, UP, LiftOptions, lift
from tests import scenes

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
