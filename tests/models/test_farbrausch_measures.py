"""What the fills are measured by. Needs onnx; PyTorch only where samples are made."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from models.farbrausch import measures, scenes

RANDOM = np.random.default_rng(0)


def noise(height=64, width=96):
    return RANDOM.integers(0, 256, (height, width, 3), np.uint8)


def test_psnr_of_known_errors():
    truth = np.full((4, 4, 3), 100, np.uint8)
    assert measures.psnr(truth + np.uint8(10), truth) == pytest.approx(20 * np.log10(25.5), abs=1e-4)
    assert measures.psnr(truth, truth) == pytest.approx(10 * np.log10(255**2 / measures.LEAST_ERROR))


def test_ssim_is_one_for_the_same_and_about_zero_for_other_noise():
    truth = noise()
    np.testing.assert_allclose(measures.ssim(truth, truth), 1)
    assert abs(measures.ssim(noise(), truth).mean()) < 0.1
    assert measures.ssim(np.clip(truth.astype(int) + 5, 0, 255).astype(np.uint8), truth).mean() > 0.98


def test_perceptual_distance_grows_with_what_changes_and_stays_there():
    see = measures.Perception()
    truth = np.full((64, 96, 3), 90, np.uint8)
    truth[:, ::8] = 200
    assert see.distance(truth, truth).max() == 0
    little, much = truth.copy(), truth.copy()
    little[20:40, 60:80] = little[20:40, 60:80] // 8 * 8
    much[20:40, 60:80] = noise(20, 20)
    distances = [see.distance(picture, truth) for picture in (little, much)]
    assert distances[0].shape == (64, 96)
    assert 0 < distances[0].mean() < distances[1].mean()
    assert distances[1][20:40, 60:80].mean() > 10 * distances[1][:, :16].mean()


@pytest.mark.parametrize("number", [1, 6, 11])
def test_the_truth_of_a_room_is_its_picture_where_nothing_is_hidden(number):
    scene = scenes.rooms()[number]
    ldi = scene.layered()
    truth = scene.truth(ldi)
    known = ~ldi.hole
    solid = np.all([np.abs(layer.alpha - 0.5).ravel() > 0.4999 for layer in scene.layers], axis=0)
    counted = np.zeros(len(ldi), bool)
    counted[: ldi.photo_pixels] = known[: ldi.photo_pixels] & solid
    assert counted.mean() > 0.5
    assert np.abs(truth - ldi.colour)[counted].max() < 0.51  # rounding, and the tail of a silhouette


def test_the_truth_behind_a_column_is_what_it_hides():
    scene = scenes.rooms()[0]
    ldi = scene.layered()
    grown = np.arange(ldi.photo_pixels, len(ldi))
    front = scene.seen()[0][ldi.y[grown], ldi.x[grown]]
    stack = np.stack([layer.colour for layer in scene.layers])[:, ldi.y[grown], ldi.x[grown]]
    truth = scene.truth(ldi)[grown]
    column = front > 0.8
    assert column.sum() > 1000
    assert not (truth == stack[2]).all(1)[column].any()
    assert (truth == stack[0]).all(1)[column].any()
    assert (truth == stack[1]).all(1)[column].any()
