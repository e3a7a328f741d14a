import numpy as np

from app.clean import TAU, discontinuities
from app.upsample import resize, upsample


def _step() -> np.ndarray:
    disparity = np.full((64, 96), 0.2, np.float32)
    disparity[:, 48:] = 0.8
    return disparity


def _guide(height: int, width: int, at: int) -> np.ndarray:
    guide = np.full((height, width, 3), 60, np.uint8)
    guide[:, at:] = 180
    return guide


def test_upsampling_moves_the_depth_edge_onto_the_colour_edge():
    for colour_edge in (94, 95, 96, 97, 98):  # the depth edge is at 96; a network pixel is two lattice pixels
        lattice = upsample(_step(), _guide(128, 192, colour_edge), discontinuities(_step()))
        cuts = np.abs(np.diff(lattice, axis=1)) > TAU
        assert (cuts.sum(1) == 1).all()
        assert np.abs(np.argmax(cuts, axis=1) + 1 - colour_edge).max() <= 1


def test_without_edges_it_is_bilinear():
    slope = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (64, 1))
    lattice = upsample(slope, _guide(128, 192, 50), np.zeros(slope.shape, bool))
    assert np.array_equal(lattice, resize(slope, 128, 192))


def test_resize_keeps_pixel_centres_aligned():
    ramp = np.tile((np.arange(40, dtype=np.float32) + 0.5) / 40, (3, 1))
    doubled = resize(ramp, 6, 80)
    assert np.allclose(doubled[:, 1:-1], ((np.arange(80) + 0.5) / 80)[1:-1], atol=1e-6)
    assert resize(ramp, 3, 40) is not None
    assert np.array_equal(resize(np.ones((1, 1), np.float32), 4, 5), np.ones((4, 5)))


def test_a_fraying_edge_is_straightened():
    guide = _guide(128, 192, 96)
    noisy = np.clip(guide + np.random.default_rng(4).normal(0, 40, guide.shape), 0, 255).astype(np.uint8)
    lattice = upsample(_step(), noisy, discontinuities(_step()))
    edge = np.argmax(np.abs(np.diff(lattice, axis=1)), axis=1) + 1
    assert np.abs(edge - 96).max() <= 2
