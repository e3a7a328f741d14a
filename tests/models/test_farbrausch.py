"""The two-dimensional form of the fill network, its losses and samples: skipped where PyTorch is not installed."""

from argparse import Namespace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from app.grow import grow  # noqa: E402
from app.ldi import lift  # noqa: E402
from models.farbrausch import bands, data, losses, network, start, train  # noqa: E402
from models.farbrausch.data import COLLAR, GROWN, KNOWN, NOTHING  # noqa: E402
from tests.layers import camera_of  # noqa: E402
from tests.scenes import square  # noqa: E402

LEVELS = network.FARBRAUSCH.anchor_levels
SMALL = network.Options(widths=(4, 8), depths=(1, 1))


def sample(seed=0, side=64):
    """Colour, weight, exists: a surface with a ragged edge, a third of it hole, and nothing beyond."""
    draw = torch.Generator().manual_seed(seed)
    colour = torch.rand(1, 3, side, side, generator=draw) - 0.5
    column = torch.arange(side).expand(1, 1, side, side)
    edge = side // 2 + torch.randint(0, 9, (1, 1, side, 1), generator=draw)
    return colour, (column < side // 4).float(), (column < edge).float()


def trained(seed=0, options=network.FARBRAUSCH):
    """A network whose correction is not zero."""
    torch.manual_seed(seed)
    made = network.Network(options)
    torch.nn.init.normal_(made.out.weight, std=0.1)
    return made.eval()


def test_sizes_are_those_that_were_planned():
    small, large = (network.costs(network.Network(options))[0] for options in (network.FARBRAUSCH, network.LARGE))
    assert small <= 400_000
    assert large >= 10 * small


def test_a_new_network_answers_with_its_anchor():
    colour, weight, exists = sample()
    with torch.no_grad():
        fill = network.Network()(colour, weight, exists)
    torch.testing.assert_close(fill, network.anchor(colour, weight, exists, LEVELS))


def test_anchor_keeps_what_is_known_and_spreads_it_over_what_exists():
    _, weight, exists = sample()
    colour = torch.full((1, 3, 64, 64), 0.25)
    filled = network.anchor(colour, weight, exists, LEVELS)
    torch.testing.assert_close(filled, colour * exists)
    colour, *_ = sample()
    filled = network.anchor(colour, weight, exists, LEVELS)
    torch.testing.assert_close(filled * weight, colour * weight)


def test_anchor_asks_the_collar_only_where_there_is_nothing_else():
    colour = torch.zeros(1, 3, 64, 64)
    colour[..., 32:] = 1
    weight = torch.full((1, 1, 64, 64), 1e-4)
    exists = torch.ones_like(weight)
    alone = network.anchor(colour, weight, exists, LEVELS)
    assert alone[..., 60:].min() > 0.5
    weight[..., :8] = 1  # black, and far away
    beside = network.anchor(colour, weight, exists, LEVELS)
    assert beside[..., 60:].max() < 0.25


@pytest.mark.parametrize("options", [network.FARBRAUSCH, SMALL])
def test_what_does_not_exist_and_what_is_hidden_have_no_say(options):
    colour, weight, exists = sample()
    changed = torch.where((exists > 0) & (weight > 0), colour, torch.full_like(colour, 1e6))
    with torch.no_grad():
        first, second = (trained(0, options)(values, weight, exists) for values in (colour, changed))
    torch.testing.assert_close(first * exists, second * exists)


def test_what_is_known_has_a_say_in_the_correction():
    colour, weight, exists = sample()
    made = trained()
    with torch.no_grad():
        before = made(colour, weight, exists) - network.anchor(colour, weight, exists, LEVELS)
        after = made(-colour, weight, exists) - network.anchor(-colour, weight, exists, LEVELS)
    assert (before - after).abs().max() > 1e-3


def test_a_partial_convolution_is_no_darker_at_the_border():
    convolution = network.PartialConvolution(1, 1)
    torch.nn.init.ones_(convolution.weight)
    torch.nn.init.zeros_(convolution.bias)
    *_, exists = sample()
    with torch.no_grad():
        answer = convolution(exists, network.scale_of(exists))
    torch.testing.assert_close(answer, 9 * exists)


def test_pooling_takes_the_mean_of_the_children_that_exist():
    exists = torch.tensor([[1.0, 1, 0, 0], [1, 0, 0, 0]])[None, None]
    x = torch.tensor([[2.0, 4, 0, 0], [9, 0, 0, 0]])[None, None]
    assert network.pool(x, exists).flatten().tolist() == [5, 0]


def test_losses_of_an_even_error():
    truth = torch.rand(2, 3, 16, 16)
    hole = torch.zeros(2, 1, 16, 16)
    hole[..., 8:] = 1
    exists = torch.ones_like(hole)
    difference = losses.difference_of(truth + 0.1, truth, hole)
    assert losses.mean_error(difference, hole).item() == pytest.approx(0.1, rel=1e-4)
    assert losses.squared_error(difference, hole).item() == pytest.approx(0.01, rel=1e-4)
    # Cells of 4 lie in the hole or outside; that of 16 has all of it.
    assert losses.coarse_error(difference, hole).item() == pytest.approx(0.1, rel=1e-4)
    # Across columns: of 8 pairs at a distance of 1 or 4 as many cross the seam; along columns nothing changes.
    expected = 0.1 * (1 + 4) / 8 / 4
    assert losses.gradient_error(difference, hole, exists).item() == pytest.approx(expected, rel=1e-4)


def test_losses_see_the_hole_alone_and_no_pair_with_what_does_not_exist():
    truth, hole = torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    hole[..., 8:] = 1
    fill = torch.where(hole > 0, truth, torch.rand(1, 3, 16, 16))
    difference = losses.difference_of(fill, truth, hole)
    assert difference.abs().max() == 0
    even = losses.difference_of(truth + 0.1, truth, hole)
    assert losses.gradient_error(even, hole, exists=hole).item() == pytest.approx(0, abs=1e-6)


def test_texture_that_is_right_in_the_mean_costs_less_at_coarse_scales():
    hole = torch.ones(1, 1, 16, 16)
    checker = 0.1 * (1 - 2 * ((torch.arange(16)[:, None] + torch.arange(16)) % 2)).expand(1, 3, 16, 16)
    assert losses.mean_error(checker, hole).item() == pytest.approx(0.1)
    assert losses.coarse_error(checker, hole).item() == pytest.approx(0, abs=1e-6)


def test_a_band_has_the_far_surface_and_nothing_of_what_is_in_front():
    scene = square()
    ldi = grow(lift(scene.disparity, scene.colour), camera_of(scene).parallax)
    band = bands.flatten(ldi)
    near = scene.disparity > 0.5
    assert set(np.unique(band[near])) == {NOTHING, GROWN}
    assert set(np.unique(band[~near])) == {NOTHING, KNOWN, COLLAR}
    assert (band == GROWN).sum() == len(ldi) - ldi.photo_pixels  # one layer of them
    assert (band == COLLAR).sum() == ldi.collar.sum()
    assert (band[0] == NOTHING).all()  # 30 pixels from the square: beyond the context


def test_a_band_of_a_flat_scene_is_empty():
    flat = lift(np.full((40, 40), 0.5, np.float32), np.zeros((40, 40, 3), np.uint8))
    assert (bands.flatten(grow(flat, 10)) == NOTHING).all()


def test_a_sample_hides_the_hole_and_mixes_the_collar():
    draw = data.random.Random(0)
    colour = np.random.default_rng(0).random((64, 64, 3), np.float32)
    band = np.repeat(np.arange(4, dtype=np.uint8), 16)[None].repeat(64, 0)
    truth, given, weight, exists = data.assemble(colour, colour.mean((0, 1)), band, draw)
    assert [weight[0, 0, 16 * kind].item() for kind in range(4)] == pytest.approx([0, 1, data.COLLAR_WEIGHT, 0])
    assert [exists[0, 0, 16 * kind].item() for kind in range(4)] == [0, 1, 1, 1]
    changed = (given != truth).any(0).any(0).reshape(4, 16).any(1)
    assert changed.tolist() == [False, False, True, False]
    shift = torch.from_numpy(colour.transpose(2, 0, 1)) - truth
    torch.testing.assert_close(shift, shift[:, :1, :1].expand_as(shift), atol=1e-6, rtol=0)


def test_a_window_of_a_band_has_hole_and_is_empty_outside():
    draw = data.random.Random(0)
    band = np.full((40, 50), KNOWN, np.uint8)
    band[20, 25] = GROWN
    for _ in range(20):
        window = data.band_crop(band, 1, draw, 64)
        assert window.shape == (64, 64)
        assert (window == GROWN).sum() == 1
        assert (window == NOTHING).sum() >= window.size - band.size


def test_drawings_and_parts_of_photos_fill_the_window(folders):
    draw = data.random.Random(0)
    photo = next((folders / "photos").iterdir())
    for colour, mean in (
        data.drawing(draw, 64),
        data.photo_crop(photo, 0.3, draw, 64),
        data.photo_crop(photo, 1.5, draw, 64),
    ):
        assert colour.shape == (64, 64, 3)
        assert mean.shape == (3,)
        assert 0 <= colour.min() < colour.max() <= 1


def test_surfaces_without_any_known_colour_are_left_out():
    band = np.array([[GROWN, COLLAR, NOTHING, KNOWN, GROWN]], np.uint8)
    assert data.drop_unknown(band).tolist() == [[NOTHING, NOTHING, NOTHING, KNOWN, GROWN]]


def held(value: bool) -> str:
    return next(name for name in map(str, range(1000)) if data.held_out(name) == value)


@pytest.fixture
def folders(tmp_path):
    """Photos and bands, one of each for training and one held out."""
    draw = np.random.default_rng(0)
    for kind in ("photos", "bands"):
        (tmp_path / kind).mkdir()
    for value in (True, False):
        coarse = Image.fromarray(draw.integers(0, 256, (8, 10, 3), np.uint8)).resize((160, 130))
        coarse.save(tmp_path / "photos" / f"{held(value)}.webp")
        band = np.full((96, 96), KNOWN, np.uint8)
        band[:, 40:], band[:, 60:] = GROWN, NOTHING
        np.savez_compressed(tmp_path / "bands" / f"{held(value)}.npz", band=band)
    return tmp_path


def test_training_learns_and_goes_on_from_where_it_was(folders):
    given = Namespace(
        photos=folders / "photos",
        bands=folders / "bands",
        out=folders,
        minutes=1e-9,
        start=None,
        large=False,
        threads=1,
    )
    options = train.Options(batch=1, validation=1)
    for expected in (1, 2):
        train.main(given, options)
        state = torch.load(folders / "last.pt")
        assert state["step"] == expected
    network.Network().load_state_dict(torch.load(folders / "farbrausch.pt"))
    assert len((folders / "log.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(("whole", "off"), [(True, 0), (False, 1 / 254)])
def test_training_can_start_from_the_exported_network(tmp_path, whole, off):
    onnx, export = pytest.importorskip("onnx"), pytest.importorskip("models.farbrausch.export")
    state = trained(1).state_dict()
    onnx.save(export.build({name: value.numpy() for name, value in state.items()}, whole), tmp_path / "network.onnx")
    read = start.read_weights(tmp_path / "network.onnx")
    assert read.keys() == state.keys()
    for name, value in state.items():
        largest = value.abs().max().item()
        torch.testing.assert_close(read[name], value, atol=off * largest * 1.001 + 1e-7, rtol=0)


def test_steps_lower_the_loss(folders):
    torch.manual_seed(0)
    batch = next(iter(data.Samples(folders / "photos", folders / "bands", 1, seed=0)))
    made = network.Network(SMALL)
    optimiser = torch.optim.Adam(made.parameters(), 1e-2)
    before = train.loss_of(made, batch, train.Options()).item()
    for _ in range(30):
        loss = train.loss_of(made, batch, train.Options())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.9 * before
