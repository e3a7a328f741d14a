import numpy as np
import pytest
from scipy import ndimage

from app.grow import GrowOptions, grow
from app.ldi import lift
from tests import scenes
from tests.layers import camera_of


def _grown(scene, parallax=None):
    return grow(lift(scene.disparity, scene.colour), parallax or camera_of(scene).parallax)


def _at(ldi, slot):
    """(H, W) disparity of the pixels of one slot, NaN where there is none."""
    image = np.full((ldi.height, ldi.width), np.nan)
    here = ldi.slot == slot
    image[ldi.y[here], ldi.x[here]] = ldi.disparity[here]
    return image


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_links_stay_symmetric_and_pixels_behind_each_other(scene):
    ldi = _grown(scene())
    ldi.validate()
    for slot in range(1, int(ldi.slot.max()) + 1):
        front, back = _at(ldi, slot - 1), _at(ldi, slot)
        hidden = np.isfinite(back)
        assert (back[hidden] < front[hidden]).all()


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_every_grown_pixel_is_linked_to_the_photo(scene):
    ldi = _grown(scene())
    reached = np.zeros(len(ldi), bool)
    reached[: ldi.photo_pixels] = True
    for _ in range(ldi.width + ldi.height):
        links = ldi.neighbours[reached]
        reached[links[links >= 0]] = True
    assert reached.all()


@pytest.mark.parametrize("scene", [scenes.slanted_plane, scenes.flat])
def test_nothing_grows_without_a_cut(scene):
    ldi = _grown(scene())
    assert len(ldi) == ldi.photo_pixels
    assert not ldi.collar.any()


def test_the_band_is_what_the_camera_can_reveal():
    scene = scenes.square()
    parallax = camera_of(scene).parallax
    ldi = _grown(scene)
    hidden = np.isfinite(_at(ldi, 1))
    near = scene.disparity > 0.5
    depth = ndimage.distance_transform_edt(near)  # of each near pixel's centre behind the edge
    reach = 0.8 * parallax * GrowOptions().slack + GrowOptions().margin
    assert not hidden[~near].any()
    assert hidden[near & (depth <= reach - 1.5)].all()
    assert not hidden[depth > reach + 0.5].any()


def test_background_is_carried_on_at_its_own_depth():
    hidden = _at(_grown(scenes.square()), 1)
    assert np.nanmax(np.abs(hidden - 0.1)) < 1e-3


def test_two_sides_of_a_pole_meet_and_join():
    ldi = _grown(scenes.pole())
    y, x = 60, np.arange(76, 85)
    behind = {int(ldi.x[i]): i for i in np.nonzero((ldi.slot == 1) & (ldi.y == y))[0]}
    hidden = [column for column in x if column in behind]
    assert len(hidden) == 3
    for column in hidden[:-1]:
        assert ldi.neighbours[behind[column], 0] == behind[column + 1]


def test_at_a_junction_the_middle_surface_does_not_cover_the_far_one():
    """Behind the column, table and wall meet where the table's edge meets the column: table below, wall above."""
    scene = scenes.t_junction()
    hidden = _at(_grown(scene), 1)
    columns = np.r_[56:60, 101:105]  # behind the column, as near to its edges as the table grows
    above, below = hidden[40:66][:, columns], hidden[75:100][:, columns]
    assert np.nanmax(above) < 0.3
    assert np.nanmin(below) > 0.3
    second = _at(_grown(scene), 2)[70:74][:, columns]
    assert np.isfinite(second).any()  # the wall goes on behind the table's hidden part
    assert np.nanmax(second) < 0.3


def test_collar_is_the_far_side_of_the_edge():
    scene = scenes.square()
    collar = _grown(scene).collar.reshape(scene.disparity.shape)
    near = scene.disparity > 0.5
    distance = ndimage.distance_transform_cdt(~near, "taxicab")
    assert not collar[near].any()
    assert collar[(distance == 1)].all()
    assert not collar[distance > GrowOptions().collar].any()
