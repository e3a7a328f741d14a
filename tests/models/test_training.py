"""What needs PyTorch: skipped where it is not installed, as the project itself does without."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from data import Options, Scene, composite, crop, shape_mask  # noqa: E402
from losses import gradients, importance, residual, scale_invariant  # noqa: E402
from network import PILOT, TIEFENRAUSCH, Network, costs, start_as_identity  # noqa: E402


def maps(*shape):
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


def test_family_answers_at_the_size_of_its_input():
    network = Network(TIEFENRAUSCH).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 1, 64, 96)


def test_costs_stay_within_the_budget():
    parameters, adds = costs(Network(TIEFENRAUSCH))
    assert parameters < 2e6
    assert adds < 1.5e9


def test_cost_of_the_pilot_is_that_of_its_layers():
    parameters, adds = costs(Network(PILOT))
    assert round(parameters / 1e6, 2) == 1.00
    assert round(adds / 1e9, 2) == 0.55


def test_blocks_start_as_identities():
    torch.manual_seed(0)
    network = Network(TIEFENRAUSCH).eval()
    start_as_identity(network)
    features = torch.rand(1, 96, 4, 4)
    with torch.no_grad():
        assert torch.equal(network.mid(features), features)


def test_residual_ignores_the_scale_of_the_world_and_unknown_pixels():
    target, weight = maps(2, 1, 16, 16), torch.ones(2, 1, 16, 16)
    weight[:, :, :4] = 0
    predicted = target + torch.tensor([3.0, -2.0])[:, None, None, None]
    predicted[:, :, :4] = 99
    assert residual(predicted, target, weight).abs().max() < 1e-5


def test_losses_of_a_known_case():
    weight = torch.ones(1, 1, 16, 16)
    difference = torch.zeros(1, 1, 16, 16)
    difference[..., 8:] = 1
    assert scale_invariant(difference, weight).item() == pytest.approx(0.5)
    # Across columns 1 of 15, 2 of 14, 4 of 12 and 8 of 8 pairs differ by one; across rows none.
    assert gradients(difference, weight).item() == pytest.approx(1 / 15 + 2 / 14 + 4 / 12 + 8 / 8)


def test_far_pixels_matter_less():
    target = torch.zeros(1, 1, 16, 16)
    target[..., :4] = -20
    weight = importance(target, torch.ones_like(target))
    assert weight[0, 0, 0, 0].item() == pytest.approx(0.25)
    assert weight[0, 0, 0, -1].item() == pytest.approx(1)


def test_nothing_known_gives_no_loss_and_no_nan():
    target = maps(1, 1, 16, 16)
    weight = importance(target, torch.zeros_like(target))
    difference = residual(target, target + 1, weight)
    assert scale_invariant(difference, weight).item() == gradients(difference, weight).item() == 0


def test_cut_out_is_nearer_than_all_it_hides():
    scene = np.random.default_rng(1).normal(size=(40, 60)).astype(np.float32)
    alpha = np.zeros((40, 60), np.float32)
    alpha[10:30, 20:40] = 1
    black, white = np.zeros((40, 60, 3), np.uint8), np.full((40, 60, 3), 255, np.uint8)
    image, _, weight = composite(black, scene, np.zeros_like(scene), white, alpha, np.zeros_like(alpha), 0.2)
    covered = alpha > 0
    assert (image[covered] == 255).all()
    assert (image[~covered] == 0).all()
    assert (weight == covered).all()
    known = composite(black, scene, np.ones_like(scene), white, alpha, np.zeros_like(alpha), 0.2)[1]
    assert known[covered] == pytest.approx(np.percentile(scene[covered], 98) + 0.2)
    assert np.array_equal(known[~covered], scene[~covered])


def test_crop_keeps_image_and_target_together():
    target = np.add.outer(np.arange(96.0), np.arange(128.0)).astype(np.float16)
    image = np.repeat(target[..., None], 3, axis=2).astype(np.uint8)
    pixels, labels, weight = crop(Scene(image, target, np.ones_like(target)), (48, 64), (0.8, 0.8))
    assert pixels.shape == (48, 64, 3)
    assert labels.shape == weight.shape == (48, 64)
    assert np.abs(pixels[..., 0] - labels).max() <= 2


def test_shapes_are_coverages():
    for _ in range(20):
        mask = shape_mask((48, 64))
        assert mask.shape == (48, 64)
        assert 0 <= mask.min() <= mask.max() <= 1


def test_default_options_are_chances():
    options = Options()
    assert sum(chance for _, chance in options.shapes) == pytest.approx(1)
    assert options.true_depth <= 1 / 3
