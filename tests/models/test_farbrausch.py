"""The two-dimensional form of the fill network and its samples: skipped where PyTorch is not installed."""

from argparse import Namespace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from app.grow import grow  # noqa: E402
from app.ldi import lift  # noqa: E402
from app.rays import RAYS  # noqa: E402
from models.farbrausch import anchor, bands, data, head, looks, network, pool, train  # noqa: E402
from models.farbrausch.pool import COLLAR, GROWN, KNOWN, NOTHING  # noqa: E402
from tests.layers import camera_of  # noqa: E402
from tests.scenes import square  # noqa: E402

LEVELS = network.FARBRAUSCH.anchor_levels
SMALL = network.Options(widths=(4, 8), depths=(1, 1), features=8)


def sample(seed=0, side=64):
    """Colour, weight, exists: a surface with a ragged edge, a third of it hole, and nothing beyond."""
    draw = torch.Generator().manual_seed(seed)
    colour = torch.randn(1, 3, side, side, generator=draw)
    column = torch.arange(side).expand(1, 1, side, side)
    edge = side // 2 + torch.randint(0, 9, (1, 1, side, 1), generator=draw)
    return colour, (column < side // 4).float(), (column < edge).float()


def rays(weight, exists):
    """Hole and hits of a sample."""
    band = torch.where(exists > 0, torch.where(weight < 1, GROWN, KNOWN), NOTHING)[0, 0]
    return tuple(torch.from_numpy(part.astype(np.int64)) for part in data.rays_of(band.numpy()))


def trained(seed=0, options=network.FARBRAUSCH):
    """A network whose correction is not zero."""
    torch.manual_seed(seed)
    made = network.Network(options)
    torch.nn.init.normal_(made.head.correction.weight, std=0.1)
    return made.eval()


def filled(made, colour, weight, exists):
    with torch.no_grad():
        return made(colour, weight, exists, *rays(weight, exists))


def test_sizes_are_those_that_were_planned():
    small, large = (network.costs(network.Network(options))[0] for options in (network.FARBRAUSCH, network.LARGE))
    assert small <= 400_000
    assert large >= 10 * small


def test_a_new_network_mixes_its_anchor_and_what_rays_reach():
    colour, weight, exists = sample()
    fill = filled(network.Network().eval(), colour, weight, exists)
    known = colour[(weight > 0).expand_as(colour)].view(3, -1)
    low, high = known.amin(1), known.amax(1)
    assert ((fill >= low - 1e-5) & (fill <= high + 1e-5)).all()
    even = filled(trained(), torch.full_like(colour, 0.5), weight, exists)
    assert even.std(0).max() < 1  # of a correction; no pixel takes what is not there


def mix(own, offered, hits, away, score=None):
    """The answer (3,) of a head that corrects nothing, for one pixel whose rays reach the colours offered (S, 3)."""
    made = head.Head(width=2, hidden=1)
    with torch.no_grad():
        for part in (made.there, made.here, made.own, made.facts):
            part.weight.zero_()
        made.here.bias.fill_(1)
        made.own.bias.zero_()
        made.score.weight.fill_(score)
        colours = torch.tensor([own]), torch.tensor(offered)
        here, there = ((torch.zeros(len(colour), 2), colour) for colour in colours)
        return made(here, there, torch.tensor([hits]), torch.tensor([away]).float())[0]


def test_the_head_mixes_what_rays_reach_and_passes_over_those_that_reach_nothing():
    black, white = [0.0, 0, 0], [1.0, 1, 1]
    alone = [0] + [-1] * (RAYS - 1)
    away = [5] * RAYS
    torch.testing.assert_close(mix(black, [white], alone, away, score=0.0), torch.full((3,), 0.5))
    torch.testing.assert_close(mix(black, [white], alone, away, score=50.0), torch.ones(3))
    torch.testing.assert_close(mix(black, [white], [-1] * RAYS, away, score=50.0), torch.zeros(3))


def test_facts_of_rays():
    away = torch.full((1, RAYS), 8.0)
    away[0, 3] = 2
    some = torch.ones(1, RAYS, dtype=torch.bool)
    some[0, 5] = False
    offered = torch.zeros(1, RAYS, 3)
    offered[0, 2] = 1
    log, ahead, apart, before, after = head.facts_of(torch.zeros(1, 3), offered, away, some)[0].unbind(1)
    assert log.exp()[[0, 3, 5]].tolist() == pytest.approx([8, 2, head.FARTHEST])
    assert ahead.exp()[[0, 3]].tolist() == pytest.approx([4, 1])
    assert apart.nonzero().flatten().tolist() == [2]
    assert before.nonzero().flatten().tolist() == [2, 3]  # from the ray with the number before
    assert after.nonzero().flatten().tolist() == [1, 2]


def test_anchor_keeps_what_is_known_and_spreads_it_over_what_exists():
    _, weight, exists = sample()
    colour = torch.full((1, 3, 64, 64), 0.25)
    fill = anchor.anchor(colour, weight, exists, LEVELS)
    torch.testing.assert_close(fill, colour * exists)
    colour, *_ = sample()
    fill = anchor.anchor(colour, weight, exists, LEVELS)
    torch.testing.assert_close(fill * weight, colour * weight)


def test_anchor_asks_the_collar_only_where_there_is_nothing_else():
    colour = torch.zeros(1, 3, 64, 64)
    colour[..., 32:] = 1
    weight = torch.full((1, 1, 64, 64), 1e-4)
    exists = torch.ones_like(weight)
    alone = anchor.anchor(colour, weight, exists, LEVELS)
    assert alone[..., 60:].min() > 0.5
    weight[..., :8] = 1  # black, and far away
    beside = anchor.anchor(colour, weight, exists, LEVELS)
    assert beside[..., 60:].max() < 0.25


@pytest.mark.parametrize("options", [network.FARBRAUSCH, SMALL])
def test_what_does_not_exist_and_what_is_hidden_have_no_say(options):
    colour, weight, exists = sample()
    changed = torch.where((exists > 0) & (weight > 0), colour, torch.full_like(colour, 1e6))
    first, second = (filled(trained(0, options), values, weight, exists) for values in (colour, changed))
    torch.testing.assert_close(first, second)


def test_a_surface_apart_has_no_say():
    _, weight, exists = sample()
    beyond = exists.clone()
    beyond[..., 50:] = 1  # ten columns away, and known
    wider = torch.where(beyond > exists, torch.ones_like(weight), weight)
    _, hits = rays(weight, exists)
    _, other = rays(wider, beyond)
    assert torch.equal(hits, other)


def test_what_is_known_has_a_say_in_the_correction():
    colour, weight, exists = sample()
    before = filled(trained(), colour, weight, exists)
    assert (before + filled(trained(), -colour, weight, exists)).abs().max() > 1e-3


def test_a_partial_convolution_is_no_darker_at_the_border():
    convolution = network.PartialConvolution(1, 2).eval()
    torch.nn.init.ones_(convolution.sums.weight)
    *_, exists = sample()
    with torch.no_grad():
        answer = convolution(exists, anchor.scale_of(exists), exists)
    torch.testing.assert_close(answer, 9 * exists.expand(1, 2, 64, 64), rtol=1e-4, atol=1e-4)


def test_a_partial_convolution_answers_nothing_where_nothing_exists():
    convolution = network.PartialConvolution(1, 2).eval()
    torch.nn.init.ones_(convolution.norm.bias)
    *_, exists = sample()
    with torch.no_grad():
        answer = convolution(exists, anchor.scale_of(exists), exists)
    assert (answer * (1 - exists)).abs().max() == 0
    assert answer[(exists > 0).expand_as(answer)].max() > 1


def test_pooling_takes_the_mean_of_the_children_that_exist():
    exists = torch.tensor([[1.0, 1, 0, 0], [1, 0, 0, 0]])[None, None]
    x = torch.tensor([[2.0, 4, 0, 0], [9, 0, 0, 0]])[None, None]
    assert anchor.pool(x, exists).flatten().tolist() == [5, 0]


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


def test_a_window_of_a_band_has_hole_and_is_empty_outside():
    draw = pool.random.Random(0)
    band = np.full((40, 50), KNOWN, np.uint8)
    band[20, 25] = GROWN
    for _ in range(20):
        window = pool.band_crop(band, 1, draw)
        assert window.shape == (64, 64)
        assert (window == GROWN).sum() == 1
        assert (window == NOTHING).sum() >= window.size - band.size


def test_drawings_and_parts_of_photos_fill_the_window(folders):
    draw = pool.random.Random(0)
    with Image.open(next((folders / "photos").iterdir())) as photo:
        for window in pool.drawing(draw), pool.photo_crop(photo, 0.3, draw), pool.photo_crop(photo, 1.5, draw):
            assert window.shape == (64, 64, 3)
            assert window.dtype == np.uint8
            assert window.std() > 0


def test_surfaces_without_any_known_colour_are_left_out():
    band = np.array([[GROWN, COLLAR, NOTHING, KNOWN, GROWN]], np.uint8)
    assert pool.drop_unknown(band).tolist() == [[NOTHING, NOTHING, NOTHING, KNOWN, GROWN]]


def held(value: bool) -> str:
    return next(name for name in map(str, range(1000)) if pool.held_out(name) == value)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Photos and bands, one of each for training and one held out, and their pool."""
    path, draw = tmp_path_factory.mktemp("fill"), np.random.default_rng(0)
    for kind in ("photos", "bands"):
        (path / kind).mkdir()
    for value in (True, False):
        coarse = Image.fromarray(draw.integers(0, 256, (8, 10, 3), np.uint8)).resize((160, 130))
        coarse.save(path / "photos" / f"{held(value)}.webp")
        band = np.full((96, 96), KNOWN, np.uint8)
        band[:, 40:46], band[:, 46:], band[:, 60:] = COLLAR, GROWN, NOTHING
        np.savez_compressed(path / "bands" / f"{held(value)}.npz", band=band)
    given = Namespace(photos=path / "photos", bands=path / "bands", pool=path / "pool")
    pool.main(given, pool.Options(crops=2, windows=3, drawings=4))
    return path


def test_a_pool_has_windows_of_photos_and_drawings_and_enough_hole(folders):
    with np.load(folders / "pool" / "train.npz") as made, np.load(folders / "pool" / "held.npz") as kept:
        assert len(made["colours"]) == 2 + 4
        assert len(kept["colours"]) == 2
        assert ((made["bands"] >= COLLAR).mean((1, 2)) >= pool.Options().least_hole).all()


def test_a_sample_hides_the_hole_and_mixes_the_collar(folders):
    batches = data.Batches(folders / "pool" / "train.npz", 4, seed=0)
    truth, given, weight, exists, mean, contrast, hole, hits = batches.draw()
    colours = truth * contrast + mean
    assert (colours >= -1e-5).all()
    assert (colours <= 1 + 1e-5).all()
    changed = (given != truth).any(1, keepdim=True)
    assert (changed <= ((weight > 0) & (weight < 1))).all()
    assert changed.any()
    assert torch.equal(hole, (exists * (weight < 1)).flatten().nonzero().flatten())
    assert (weight.flatten()[hits[hits >= 0]] == 1).all()
    window = 64 * 64
    assert (hits // window == hole[:, None] // window)[hits >= 0].all()


def test_colours_have_the_mean_and_contrast_of_a_surface_that_goes_on_elsewhere(folders):
    batches = data.Batches(folders / "pool" / "train.npz", 8, seed=0)
    colours = torch.rand(8, 3, 64, 64) / 2
    known = torch.ones(8, 1, 64, 64)
    alike, *_ = batches._normal(colours, known, colours)
    torch.testing.assert_close(alike.mean((2, 3)), torch.zeros(8, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(alike.square().mean((1, 2, 3)), torch.ones(8), atol=1e-5, rtol=0)
    below, _, contrast = batches._normal(colours, known, torch.ones_like(colours))
    assert (below.mean((2, 3)) < 0).all()
    assert (contrast.flatten() > colours.std((1, 2, 3))).all()
    even = torch.full_like(colours, 0.5)
    assert batches._normal(even, known, even)[2].min() > 0


def test_training_learns_and_goes_on_from_where_it_was(folders, tmp_path):
    given = Namespace(
        pool=folders / "pool", out=tmp_path, minutes=1e-9, large=False, finish=None, compile=False, threads=1
    )
    options = train.Options(batch=1, validation=1)
    for expected in (1, 2):
        train.main(given, options)
        assert torch.load(tmp_path / "last.pt")["step"] == expected
    network.Network().load_state_dict(torch.load(tmp_path / "farbrausch.pt"))
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2


def test_finishing_starts_with_trained_weights(folders, tmp_path):
    torch.manual_seed(3)
    trained = network.Network().state_dict()
    torch.save(trained, tmp_path / "trained.pt")
    first = Namespace(pool=folders / "pool", out=tmp_path, minutes=1e-9, large=False, compile=False, threads=1)
    first.finish = tmp_path / "trained.pt"
    train.main(first, train.Options(batch=1, validation=1))
    finished = torch.load(tmp_path / "farbrausch.pt")
    kernels = [name for name in trained if name.endswith("sums.weight")]
    assert all(torch.equal(finished[name], trained[name]) for name in kernels)  # without time left the rate is zero


def test_edges_and_means_of_errors_of_known_size():
    """A wrong square of 8x8 on 16x16: its error is that of its border, 2 * 8 differences each way, and its means."""
    error, exists = torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    error[..., 8:, 8:] = 0.5
    assert looks.edges(error, exists) == pytest.approx(0.5 * (8 + 8) / 2)
    assert looks.coarse(error) == pytest.approx(0.5 * 64)
    exists[..., :8, :] = 0  # what is cut off has no edge with the rest
    assert looks.edges(error, exists) == pytest.approx(0.5 * 8 / 2)


def test_noise_has_edges_but_no_means():
    error = torch.ones(1, 1, 16, 16)
    error[..., ::2, ::2], error[..., 1::2, 1::2] = -1, -1
    assert looks.coarse(error) == 0
    assert looks.edges(error, torch.ones_like(error)) > 200


def test_features_of_what_looks_alike_are_near(folders):
    term = looks.Looks()
    truth, _, _, _, mean, contrast, *_ = data.Batches(folders / "pool" / "held.npz", 2, seed=0).draw()
    truth = (truth * contrast + mean).clamp(0, 1)
    assert term.features(truth, truth) == 0
    lighter = term.features(truth, truth + 0.02)
    assert 0 < lighter < 0.5 * term.features(truth, truth + 0.3 * torch.rand_like(truth))


def test_steps_lower_the_loss_of_looks(folders):
    torch.manual_seed(0)
    batch = data.Batches(folders / "pool" / "train.npz", 2, seed=0).draw()
    made, term = network.Network(SMALL), looks.Looks()
    optimiser, losses = torch.optim.Adam(made.parameters(), 3e-3), []
    for _ in range(20):
        loss = train.loss_of(made, batch, 0, term, train.Options())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-4:]) < 0.95 * np.mean(losses[:4])


def test_gain_over_the_anchor_is_zero_of_the_anchor_and_positive_of_the_truth(folders):
    batches = [data.Batches(folders / "pool" / "held.npz", 2, seed=0).draw()]

    class Fixed(torch.nn.Module):
        options = network.FARBRAUSCH

        def forward(self, colour, weight, exists, hole, hits):
            return network.flat(self.answer)[hole]

    fixed = Fixed()
    truth, given, weight, exists, *_ = batches[0]
    fixed.answer = anchor.anchor(given, weight * exists, exists, LEVELS)
    assert train.gain(fixed, batches) == pytest.approx((0, 0), abs=1e-4)
    fixed.answer = (truth + fixed.answer) / 2  # half the error
    pooled, own = train.gain(fixed, batches)
    assert pooled == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert 0 < own <= pooled + 1e-3


def test_steps_lower_the_loss(folders):
    torch.manual_seed(0)
    batch = data.Batches(folders / "pool" / "train.npz", 2, seed=0).draw()
    made, options = network.Network(SMALL), train.Options(pixels=512)
    optimiser = torch.optim.Adam(made.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss = train.loss_of(made, batch, 1, None, options)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
