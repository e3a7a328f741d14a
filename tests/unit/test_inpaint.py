import numpy as np
import pytest

from app.inpaint import FILLS, push_pull
from tests import scenes
from tests.layers import build

WITH_LAYERS = (scenes.square, scenes.t_junction, scenes.staircase, scenes.pole, scenes.ring, scenes.slit, scenes.sky)


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS.keys())
@pytest.mark.parametrize("scene", WITH_LAYERS, ids=lambda scene: scene.__name__)
def test_hidden_colour_is_right_where_it_is_known(scene, fill):
    """The far surface is a smooth gradient: what is filled in on it must be it, with nothing of what stands before."""
    built = build(scene())
    ldi = built.ldi
    colour = fill(ldi)
    far = ldi.hole & (ldi.disparity < built.scene.disparity.min() + 0.04)
    assert far.sum() > 100
    truth = built.scene.background[ldi.y[far], ldi.x[far]].astype(float)
    error = np.abs(colour[far] - truth)
    assert error.mean() < 4
    assert scene.__name__ == "slit" or error.max() < 25  # at its root the flap is one with the wall, colours and all


def test_known_colours_stay():
    ldi = build(scenes.square()).ldi
    known = ~ldi.hole
    assert np.array_equal(push_pull(ldi)[known], ldi.colour[known])


def test_no_colour_crosses_a_cut():
    """A red square before a plane of one colour: the fill is that colour exactly, whatever the distance."""
    scene = scenes.square()
    colour = np.where((scene.disparity > 0.5)[..., None], (255, 0, 0), (40, 90, 160)).astype(np.uint8)
    ldi = build(scenes.Scene(scene.disparity, colour)).ldi
    assert np.abs(push_pull(ldi)[ldi.hole] - (40, 90, 160)).max() < 0.5


def test_a_gap_narrower_than_the_collar_keeps_its_own_colour():
    scene = scenes.square()
    disparity = scene.disparity.copy()
    colour = scene.colour.copy()
    slot = np.s_[52:68, 79:82]  # farther from the square's edge than two bands reach
    disparity[slot], colour[slot] = 0.1, (10, 200, 10)
    ldi = build(scenes.Scene(disparity, colour)).ldi
    slot = (ldi.y == 60) & (ldi.x >= 79) & (ldi.x < 82) & (ldi.slot == 0)
    assert np.abs(push_pull(ldi)[slot] - (10, 200, 10)).max() < 1
