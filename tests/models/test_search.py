"""The search on made-up losses and costs, where the right answer is known."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from blocks import TABLE, WIDTHS, blocks_of, every_block, latency, rest, smallest  # noqa: E402
from network import TIEFENRAUSCH, InvertedResidual, Network  # noqa: E402
from predictor import Predictor  # noqa: E402
from search import (  # noqa: E402
    CHOICES,
    DEEPEST_COUNTS,
    SLOWEST,
    Search,
    child,
    collect,
    draw,
    encoded,
    evolve,
    foresight,
    genome_of,
    member_of,
    propose,
    read_results,
    report,
    train,
    trained_encoders,
    unbeaten,
)
from start import start_from  # noqa: E402

from app.network import DEPTH_MODEL  # noqa: E402

# Every block takes as long as its channels are many; then the slowest members are beyond SLOWEST.
TABLE_MADE_UP = {block.key: block.inputs * block.expansion / 14 for block in every_block()}
TABLE_MADE_UP |= {rest(first, last): 10.0 for first in WIDTHS[0] for last in WIDTHS[-1]}
QUICK = Search(members=6, random_first=4, pool=20, population=40, generations=25)


def made_up_loss(genome: list[int]) -> float:
    """Falls with everything that costs, at the deep levels most."""
    return 2 - 0.1 * float(np.log(np.array(genome) + 1.0) @ np.linspace(0.2, 1, len(genome)))


@pytest.fixture
def generator():
    return random.Random(0)


@pytest.fixture(scope="module")
def predictor():
    known = [draw(random.Random(seed)) for seed in range(40)]
    return Predictor(known, [made_up_loss(genome) for genome in known])


def test_genomes_and_members_are_the_same_thing(generator):
    for _ in range(20):
        genome = draw(generator)
        assert genome_of(member_of(genome)) == genome
    assert member_of(genome_of(TIEFENRAUSCH)) == TIEFENRAUSCH


def test_children_stay_in_the_space(generator):
    one, other = draw(generator), draw(generator)
    for _ in range(20):
        mixed = child(one, other, 0.3, generator)
        assert all(gene in choices for gene, choices in zip(mixed, CHOICES, strict=True))
    pure = child(one, other, 0.0, generator)
    assert all(gene in pair for gene, *pair in zip(pure, one, other, strict=True))


def parameters_of(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_blocks_of_a_member_are_those_of_its_network():
    """As many as the network has, with the same parameters."""
    options = replace(member_of(draw(random.Random(5))), normalise=False)
    network = Network(options)
    least = Network(replace(smallest(options.decoder[0], options.decoder[-1]), normalise=False)).enc
    told = [parameters_of(module) for module in least.modules() if isinstance(module, InvertedResidual)]
    for block in blocks_of(options):
        hidden = block.inputs * block.expansion
        told.append((block.inputs + 1 + block.kernel**2 + 1) * hidden + (hidden + 1) * block.outputs)
    there = [parameters_of(module) for module in network.modules() if isinstance(module, InvertedResidual)]
    assert sorted(told) == sorted(there)


def test_latency_is_the_sum_of_the_blocks():
    table = dict.fromkeys(TABLE_MADE_UP, 1.0)
    assert latency(TIEFENRAUSCH, table) == 1 + len(list(blocks_of(TIEFENRAUSCH)))


def test_measured_table_knows_every_block(generator):
    table = json.loads(TABLE.read_text())
    assert set(table) == set(TABLE_MADE_UP)
    assert min(table.values()) > 0
    for _ in range(20):
        assert latency(member_of(draw(generator)), table) > 0


def test_unbeaten_of_a_known_case():
    losses = np.array([3.0, 2.0, 2.5, 1.0, 1.0, 2.0])
    times = np.array([1.0, 2.0, 3.0, 9.0, 8.0, 2.0])
    assert unbeaten(losses, times).tolist() in ([0, 1, 4], [0, 5, 4])


def test_predictor_ranks_members_that_it_has_not_seen(predictor, generator):
    fresh = [draw(generator) for _ in range(100)]
    expected, _ = predictor.predict(fresh)
    ranks = [np.argsort(np.argsort(values)) for values in (expected, [made_up_loss(genome) for genome in fresh])]
    assert np.corrcoef(*ranks)[0, 1] > 0.9


def test_predictor_is_surest_of_what_it_has_seen(predictor, generator):
    known = [draw(random.Random(seed)) for seed in range(40)]
    values, sure = predictor.predict(known)
    _, unsure = predictor.predict([draw(generator) for _ in range(100)])
    assert values == pytest.approx([made_up_loss(genome) for genome in known], abs=0.02)
    assert sure.max() < np.median(unsure)


def test_predictor_is_told_noise_from_signal():
    noise = np.random.default_rng(0).normal(size=60)
    genomes = [draw(random.Random(seed)) for seed in range(60)]
    values, _ = Predictor(genomes, noise.tolist()).predict([draw(random.Random(seed)) for seed in range(100, 200)])
    assert values.std() < 0.8 * noise.std()


def test_front_beats_what_is_drawn_at_random(predictor, generator):
    front = evolve(predictor, TABLE_MADE_UP, QUICK, generator)
    losses, times = predictor.predict(front)[0], np.array([latency(member_of(g), TABLE_MADE_UP) for g in front])
    assert len(front) > 5
    assert (np.diff(times) >= 0).all()
    assert (np.diff(losses) < 0).all()
    assert 0.6 * SLOWEST < times.max() <= SLOWEST  # both ends, not only the quick one
    assert times.min() < 0.4 * SLOWEST
    others = [draw(generator) for _ in range(300)]
    other_losses = predictor.predict(others)[0]
    other_times = np.array([latency(member_of(genome), TABLE_MADE_UP) for genome in others])
    beaten = [((losses <= loss) & (times <= time)).any() for loss, time in zip(other_losses, other_times, strict=True)]
    inside = (other_times >= times.min()) & (other_times <= SLOWEST)
    assert np.mean(np.array(beaten)[inside]) > 0.9


def test_collecting_goes_on_where_it_was(tmp_path):
    path, asked = tmp_path / "results.jsonl", []

    def loss_after(member):
        asked.append(member)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return made_up_loss(genome_of(member))

    with pytest.raises(KeyboardInterrupt):
        collect(path, loss_after, TABLE_MADE_UP, QUICK)
    assert len(read_results(path)) == 2
    collect(path, loss_after, TABLE_MADE_UP, QUICK)
    known = read_results(path)
    assert asked[0] == TIEFENRAUSCH  # what all others are compared with
    assert len(known) == QUICK.members
    assert asked[3] == asked[2]  # the one that was interrupted
    assert len({tuple(entry["genome"]) for entry in known}) == QUICK.members


def test_trainings_of_other_lengths_are_not_mixed(tmp_path):
    collect(tmp_path / "results.jsonl", lambda _: 1.0, TABLE_MADE_UP, replace(QUICK, members=1))
    with pytest.raises(SystemExit, match="another number of steps"):
        collect(tmp_path / "results.jsonl", lambda _: 1.0, TABLE_MADE_UP, replace(QUICK, steps=QUICK.steps + 1))


def test_foresight_tells_what_can_be_learned_from_what_cannot():
    genomes = [draw(random.Random(seed)) for seed in range(30)]
    noise = np.random.default_rng(0).normal(size=30)
    assert foresight([{"genome": genome, "loss": made_up_loss(genome)} for genome in genomes]) > 0.8
    assert foresight([{"genome": genome, "loss": loss} for genome, loss in zip(genomes, noise, strict=True)]) < 0.5


def test_what_is_trained_next_is_uncertain_or_near_the_front(tmp_path):
    known = [{"genome": (g := draw(random.Random(seed))), "loss": made_up_loss(g)} for seed in range(9)]
    unsure = propose(known, TABLE_MADE_UP, QUICK, random.Random(9))
    near = propose(known[:8], TABLE_MADE_UP, QUICK, random.Random(8))
    predictor = Predictor([entry["genome"] for entry in known], [entry["loss"] for entry in known])
    drawn = [draw(random.Random(seed)) for seed in range(50, 80)]
    assert predictor.predict([unsure])[1][0] > np.median(predictor.predict(drawn)[1])
    assert latency(member_of(near), TABLE_MADE_UP) <= SLOWEST


def test_report_is_a_table_of_some_of_the_front_and_the_shipped_network():
    known = [{"genome": (g := draw(random.Random(seed))), "loss": made_up_loss(g)} for seed in range(12)]
    *lines, empty, rests_on = report(known, TABLE_MADE_UP, replace(QUICK, shown=3)).splitlines()
    assert len(lines) == 2 + 3 + 1
    assert all("decoder (" in line for line in lines[2:])
    assert (empty, rests_on[:10]) == ("", "12 members")
    assert lines[-1].startswith(f"| {latency(TIEFENRAUSCH, TABLE_MADE_UP):.0f} |")
    times = [int(line.split("|")[1]) for line in lines[2:-1]]
    assert times == sorted(times)


def batch(seed):
    """Pictures with a bright half, which is near."""
    generator = torch.Generator().manual_seed(seed)
    near = (torch.rand(4, 1, 1, 1, generator=generator) * 64).floor() > torch.arange(64).view(1, 1, 1, 64)
    near = near.expand(4, 1, 64, 64).float()
    image = (0.25 + 0.5 * near + 0.1 * torch.rand(4, 3, 64, 64, generator=generator)).clamp(0, 1)
    return image, near, torch.ones_like(near)


@pytest.fixture(scope="module")
def encoders():
    return trained_encoders(DEPTH_MODEL)


@pytest.mark.parametrize("count", DEEPEST_COUNTS)
def test_members_see_what_the_trained_encoder_sees(encoders, count):
    """Whether all of its blocks are there, or fewer: then what comes before the others."""
    image, target, weight = batch(0)
    whole = Network(replace(TIEFENRAUSCH, normalise=False)).eval()
    start_from(whole, DEPTH_MODEL)
    with torch.no_grad():
        expected = whole.encode(image)[:-1]
        deepest = expected[-1]
        for block in list(whole.enc[-1])[:count]:
            deepest = block(deepest)
    genome = genome_of(TIEFENRAUSCH)
    genome[0] = count
    seen = encoded(encoders, image, target, weight).seen_by(member_of(genome))
    assert len(seen) == len(whole.enc)
    for one, other in zip(seen, [*expected, deepest], strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_short_trainings_learn_and_repeat(encoders):
    held = [encoded(encoders, *batch(100))]
    batches = [encoded(encoders, *batch(seed), torch.bfloat16) for seed in range(3)]
    none, few, again, more = (train(TIEFENRAUSCH, batches, held, Search(steps=steps)) for steps in (0, 5, 5, 100))
    assert few == again
    assert more < 0.75 * none
