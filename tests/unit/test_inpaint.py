import asyncio
import sys

import numpy as np
import pytest

from app.inpaint import farbrausch, network_inputs, push_pull
from app.ldi import LDI, lift
from app.levels import part
from app.network import FILL_MODEL, OnnxNetwork
from tests import scenes
from tests.layers import build

WITH_LAYERS = (scenes.square, scenes.t_junction, scenes.staircase, scenes.pole, scenes.ring, scenes.slit, scenes.sky)
LEVELS = 6


def by_network(ldi: LDI) -> np.ndarray:
    return asyncio.run(farbrausch(ldi, OnnxNetwork(FILL_MODEL)))


in_browser = pytest.mark.skipif(sys.platform == "emscripten", reason="the browser has its own ONNX Runtime")
FILLS = [pytest.param(push_pull, id="push-pull"), pytest.param(by_network, id="farbrausch", marks=in_browser)]
each_fill = pytest.mark.parametrize("fill", FILLS)


@each_fill
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


@each_fill
def test_known_colours_stay(fill):
    ldi = build(scenes.square()).ldi
    known = ~ldi.hole
    assert np.array_equal(fill(ldi)[known], ldi.colour[known])


@each_fill
def test_no_colour_crosses_a_cut(fill):
    """What stands before a hole may have any colour: the fill behind it is the same to the last bit."""
    fills = []
    for paint in ((255, 0, 0), (0, 255, 40)):
        scene = scenes.square()
        colour = np.where((scene.disparity > 0.5)[..., None], paint, scene.background).astype(np.uint8)
        ldi = build(scenes.Scene(scene.disparity, colour)).ldi
        fills.append(fill(ldi)[ldi.hole & (ldi.disparity < 0.5)])
    assert len(fills[0]) > 1000
    assert np.array_equal(*fills)


def test_one_colour_goes_on_as_it_is():
    scene = scenes.square()
    colour = np.where((scene.disparity > 0.5)[..., None], (255, 0, 0), (40, 90, 160)).astype(np.uint8)
    ldi = build(scenes.Scene(scene.disparity, colour)).ldi
    assert np.abs(push_pull(ldi)[ldi.hole] - (40, 90, 160)).max() < 0.5


@each_fill
def test_nothing_to_fill(fill):
    ldi = lift(np.full((40, 50), 0.5, np.float32), np.full((40, 50, 3), 90, np.uint8))
    assert np.array_equal(fill(ldi), ldi.colour)


@each_fill
def test_a_gap_narrower_than_the_collar_keeps_its_own_colour(fill):
    scene = scenes.square()
    disparity = scene.disparity.copy()
    colour = scene.colour.copy()
    slot = np.s_[52:68, 79:82]  # farther from the square's edge than two bands reach
    disparity[slot], colour[slot] = 0.1, (10, 200, 10)
    ldi = build(scenes.Scene(disparity, colour)).ldi
    slot = (ldi.y == 60) & (ldi.x >= 79) & (ldi.x < 82) & (ldi.slot == 0)
    assert np.abs(fill(ldi)[slot] - (10, 200, 10)).max() < (1 if fill is push_pull else 40)


@in_browser
def test_what_grown_pixels_hold_does_not_matter():
    ldi = build(scenes.square()).ldi
    grown = np.arange(len(ldi)) >= ldi.photo_pixels
    expected = by_network(ldi)
    ldi.colour = np.where(grown[:, None], np.float32(np.nan), ldi.colour)
    assert np.array_equal(by_network(ldi), expected)


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_network_inputs_hang_together(scene):
    """Indices stay in range, what is missing leads to the last row and nowhere else, and kernels count their cells."""
    ldi = build(scene()).ldi
    level, chosen = part(ldi, np.ones(len(ldi), bool))
    hole = np.nonzero(ldi.hole)[0]
    inputs = network_inputs(level, ldi.colour, np.where(ldi.hole, 0, 1), hole, LEVELS)
    rows = len(chosen)
    for k in range(LEVELS):
        cells, reach, parent, children = (inputs[f"{name}_{k}"] for name in ("cells", "reach", "parent", "children"))
        assert cells.shape == (rows + 1, 9)
        assert (cells[:-1, 4] == np.arange(rows)).all()
        assert (cells[-1] == rows).all()
        assert reach[:-1, 0] * (cells[:-1] < rows).sum(1) == pytest.approx(9)
        assert reach[-1] == 0
        coarse = len(children) - 1
        assert (children[-1] == rows).all()
        assert parent[-1] == coarse
        own, place = np.nonzero(children[:-1] < rows)
        assert (parent[children[own, place]] == own).all()
        assert rows - len(own) <= max(2, 0.03 * rows)  # where a surface winds within a cell, one of two pixels counts
        rows = coarse


@in_browser
def test_a_darker_photo_is_filled_darker_and_a_duller_one_duller():
    """Colours go to the network less the mean of their surface and in multiples of its contrast."""
    ldi = build(scenes.square()).ldi
    hole = ldi.hole
    bright = by_network(ldi)[hole]
    ldi.colour = ldi.colour / 2 + 20
    assert np.abs(by_network(ldi)[hole] - (bright / 2 + 20)).max() < 0.5
