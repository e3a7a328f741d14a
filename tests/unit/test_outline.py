import numpy as np
import pytest

from app.atlas import deal
from app.outline import OutlineOptions, simplify, trace, unlinked
from tests import scenes
from tests.layers import build


def _chains(built):
    index = deal(built.ldi)
    edges = [unlinked(page, built.ldi.neighbours.T) for page in index]
    return index, edges, trace(index, edges)


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_chains_hold_every_edge_once(scene):
    built = build(scene())
    index, edges, chains = _chains(built)
    row = index.shape[2] + 1
    inner = chains.chain[1:] == chains.chain[:-1]
    a, b = chains.nodes[:-1][inner], chains.nodes[1:][inner]
    assert np.isin(np.abs(a - b), (1, row)).all()
    keys = np.minimum(a, b) * 2 + (np.abs(a - b) == row)
    assert len(np.unique(keys)) == len(keys)
    on_any_page = np.logical_or.reduce([np.concatenate([mask.ravel() for mask in edge]) for edge in edges])
    assert len(keys) == on_any_page.sum()


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_each_edge_has_its_surfaces_beside_it(scene):
    """Left and right of every chain, as `trace` says for its first edge, hold for its last one, too."""
    built = build(scene())
    index, _, chains = _chains(built)
    row = index.shape[2] + 1
    last = np.nonzero(np.append(chains.chain[1:] != chains.chain[:-1], True))[0]
    for end in last.tolist():
        (y, x), (v, u) = divmod(int(chains.nodes[end - 1]), row), divmod(int(chains.nodes[end]), row)
        i, j = min(y, v), min(x, u)
        after, before = (i, j), ((i - 1, j) if y == v else (i, j - 1))
        left, right = (after, before) if u > x or v < y else (before, after)
        for side, pixel in ((chains.left, left), (chains.right, right)):
            inside = 0 <= pixel[0] < index.shape[1] and 0 <= pixel[1] < index.shape[2]
            for page in range(len(index)):
                on_chain = chains.pages[end] >> page & 1
                present = inside and index[page, pixel[0], pixel[1]] >= 0
                assert (side[end] >> page & 1) == (on_chain and present)


def test_a_loop_without_junctions_is_one_chain():
    built = build(scenes.flat())
    _, _, chains = _chains(built)
    assert chains.chain.max() == 0
    assert chains.nodes[0] == chains.nodes[-1]
    assert len(chains.nodes) == 2 * (scenes.WIDTH + scenes.HEIGHT) + 1


def test_straight_outlines_need_only_their_corners():
    built = build(scenes.flat())
    index, _, chains = _chains(built)
    simplify(chains, index, built.ldi.disparity)
    corners = {0, scenes.WIDTH, scenes.HEIGHT * (scenes.WIDTH + 1), (scenes.HEIGHT + 1) * (scenes.WIDTH + 1) - 1}
    assert corners <= set(chains.nodes[chains.keep].tolist())
    assert chains.keep.sum() <= 6  # the loop's beginning, twice, may lie between them


@pytest.mark.parametrize("scene", [scenes.ring, scenes.sky, scenes.slit], ids=lambda scene: scene.__name__)
def test_simplification_stays_within_its_tolerances(scene):
    built = build(scene())
    index, _, chains = _chains(built)
    simplify(chains, index, built.ldi.disparity)
    assert chains.keep.mean() < 0.5
    y, x = np.divmod(chains.nodes, index.shape[2] + 1)
    points = np.stack([x, y], 1).astype(float)
    for a, b in zip(*chains.segments(), strict=True):
        along = points[b] - points[a]
        t = np.clip((points[a : b + 1] - points[a]) @ along / max(along @ along, 1e-9), 0, 1)
        distance = np.hypot(*(points[a : b + 1] - points[a] - t[:, None] * along).T)
        assert distance.max() <= OutlineOptions().tolerance + 1e-3
