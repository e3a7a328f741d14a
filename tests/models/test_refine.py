import numpy as np
import pytest
from refine import Options, figure_of, refine, sharpen, stand_out
from scipy import ndimage

HEIGHT, WIDTH = 96, 128
NEAR, FAR = 1.0, 0.0


@pytest.fixture
def edge():
    """A bright near half beside a dark far one, and the smeared label of it."""
    right = np.zeros((HEIGHT, WIDTH), bool)
    right[:, 64:] = True
    image = np.where(right[..., None], 200, 40).astype(np.uint8).repeat(3, axis=2)
    return right, image, ndimage.gaussian_filter(np.where(right, NEAR, FAR), 2.0)


def test_smeared_edge_becomes_a_step_where_the_colour_changes(edge):
    right, image, label = edge
    sharp = sharpen(label, image)
    assert np.abs(sharp - np.where(right, NEAR, FAR)).max() < 0.15
    assert (np.diff(sharp[48]) > 0.5).sum() == 1
    assert np.diff(sharp[48]).argmax() == 63


def test_misplaced_edge_moves_to_the_colour_edge(edge):
    _, image, label = edge
    sharp = sharpen(np.roll(label, 2, axis=1), image)
    assert abs(int(np.diff(sharp[48, 20:110]).argmax()) + 20 - 63) <= 1


def test_receding_plane_is_left_alone():
    label = np.broadcast_to(np.linspace(0, 2, HEIGHT)[:, None], (HEIGHT, WIDTH))
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    assert np.array_equal(sharpen(label, image), label)


@pytest.fixture
def figure():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:, 44:84] = True  # down to the lower border: a portrait
    return mask


def test_figure_the_teacher_missed_stands_out_by_a_step(figure):
    target = stand_out(np.zeros((HEIGHT, WIDTH)), figure)
    step = target[figure].min() - target[~figure].max()
    assert Options().figure_step - Options().roundness <= step <= Options().figure_step
    assert target[60, 64] > target[60, 44]  # rounded


def test_inverted_figure_is_turned_over(figure):
    target = stand_out(np.where(figure, -1.0, 0.0), figure)
    assert target[figure].min() > target[~figure].max()


def test_standing_figure_is_as_near_as_the_ground_it_meets():
    ground = np.broadcast_to(np.linspace(0, 2, HEIGHT)[:, None], (HEIGHT, WIDTH))
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:70, 50:70] = True
    target = stand_out(ground, mask)
    assert np.median(target[mask]) == pytest.approx(ground[73, 0], abs=0.2)
    assert np.array_equal(target[85:], ground[85:])


def test_mask_in_doubt_is_not_used(figure):
    assert (figure_of(figure.astype(float)) != figure).sum() < 10  # corners are rounded
    assert not figure_of(np.where(figure, 0.6, 0.4)).any()
    assert not figure_of(np.zeros((HEIGHT, WIDTH))).any()
    assert not figure_of(np.ones((HEIGHT, WIDTH))).any()


def test_weight_falls_where_the_teacher_disagrees_with_itself_but_not_at_a_figure(figure):
    unsure = np.full((HEIGHT, WIDTH), Options().unsure)
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    _, weight, used = refine(image, np.zeros((HEIGHT, WIDTH)), unsure, figure.astype(float))
    assert used.any()
    assert (weight[used] == 1).all()
    assert weight[0, 0] == pytest.approx(1 / 3)
