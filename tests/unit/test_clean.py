import numpy as np
from scipy import ndimage

from app.clean import (
    GIVEN,
    TAU,
    CleanOptions,
    choose_side,
    clean,
    denoise,
    discontinuities,
    merge_small,
    sharpen,
)


def _step(blur: float, low: float = 0.2, high: float = 0.8, at: int = 48) -> np.ndarray:
    disparity = np.full((64, 96), low, np.float32)
    disparity[:, at:] = high
    return ndimage.gaussian_filter(disparity, blur).astype(np.float32)


def _guide(height: int, width: int, at: int) -> np.ndarray:
    guide = np.full((height, width, 3), 60, np.uint8)
    guide[:, at:] = 180
    return guide


def test_median_removes_a_smear_of_two_pixels():
    smeared = _step(0)
    smeared[:, 47], smeared[:, 48] = 0.4, 0.6
    assert set(np.unique(choose_side(smeared))) == {np.float32(0.2), np.float32(0.8)}


def test_median_leaves_a_smooth_map_alone():
    plane = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (64, 1))
    assert choose_side(plane) is plane


def test_shock_filter_turns_a_ramp_into_a_step():
    ramp = _step(3)
    assert not discontinuities(ramp, 0.1).any()
    sharp = sharpen(ramp)
    assert np.abs(np.diff(sharp, axis=1)).max() > 0.3
    assert np.abs(sharp - _step(0))[:, np.r_[0:44, 52:96]].max() < TAU


def test_shock_filter_leaves_the_ground_alone():
    ground = np.tile(np.linspace(0, 1, 144, dtype=np.float32)[:, None], (1, 96))
    assert np.array_equal(sharpen(ground), ground)


def test_denoise_keeps_edges_and_slopes():
    noise = np.random.default_rng(1).normal(0, 0.01, (64, 96)).astype(np.float32)
    calm = denoise(_step(0) + noise)
    assert np.abs(calm - _step(0))[:, :40].std() < 0.004
    assert np.abs(np.diff(calm, axis=1)).max() > 0.5
    slope = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (64, 1))
    assert np.abs(denoise(slope) - slope)[:, 10:-10].max() < 1e-3


def test_small_components_join_the_neighbour_with_the_longer_border():
    disparity = np.full((40, 60), 0.2, np.float32)
    disparity[:, 30:] = 0.8
    disparity[10:12, 29:32] = 0.5  # 6 pixels: 1 column before the edge, 2 behind it
    merged = merge_small(disparity, 20)
    assert (merged[10:12, 29:32] == np.float32(0.8)).all()
    assert (merge_small(disparity, 6) == disparity).all()


def test_components_enclosed_by_small_ones_do_not_break_merging():
    checker = np.indices((12, 12)).sum(0) % 2 * 0.5 + 0.2
    merged = merge_small(checker.astype(np.float32), 20)
    assert np.isfinite(merged).all()


def test_a_smeared_map_comes_out_sharp_and_in_place():
    lattice = clean(_step(2.5), _guide(128, 192, 97))
    cuts = np.abs(np.diff(lattice, axis=1)) > TAU
    assert (cuts.sum(1) >= 1).all()
    assert np.abs(np.nonzero(cuts)[1] - 96).max() <= 4
    assert np.abs(lattice[:, :80] - 0.2).max() < 0.02
    assert np.abs(lattice[:, 112:] - 0.8).max() < 0.02


def test_given_depth_keeps_its_fine_relief():
    relief = 0.5 + 0.02 * np.sin(np.arange(96) / 2).astype(np.float32)
    disparity = np.tile(relief, (64, 1))
    assert np.abs(clean(disparity, _guide(64, 96, 0), GIVEN) - disparity).max() < 1e-5
    assert np.abs(clean(disparity, _guide(64, 96, 0), CleanOptions()) - disparity).max() > 0.003
