import numpy as np
import pytest
from evaluate import align, boundary_f1, means, ordinal_error, scores_of

RANDOM = np.random.default_rng(0)


def test_alignment_undoes_scale_and_shift_but_never_turns_a_map_over():
    true = RANDOM.uniform(0, 1, 500)
    assert align(true * 3 + 2, true) == pytest.approx(true)
    assert align(-true, true) == pytest.approx(np.full(500, true.mean()))


def test_ordinal_error_of_right_inverted_and_flat_maps():
    true = RANDOM.uniform(0, 1, 500)
    assert ordinal_error(true, true) == 0
    assert ordinal_error(-true, true) == 1
    assert ordinal_error(np.zeros(500), true) == 1  # no order is not the right one


def test_boundary_f1_wants_edges_in_place_and_in_the_right_direction():
    true = np.full((20, 30), 0.5)
    true[:, 15:] = 1.0
    known = np.ones_like(true, bool)
    assert boundary_f1(true, true, known) == pytest.approx(0.25)  # three of the four directions have no edge here
    assert boundary_f1(np.roll(true, 3, axis=1), true, known) < 0.05
    assert boundary_f1(1.5 - true, true, known) == 0
    assert boundary_f1(np.ones_like(true), true, known) == 0


def test_perfect_answer_scores_perfectly():
    true = np.floor(RANDOM.uniform(20_000, 60_000, (24, 32)))
    scores = scores_of(np.log(true * 7).repeat(2, axis=0).repeat(2, axis=1), true, zero_known=True)
    assert scores["rmse"] == pytest.approx(0, abs=1e-9)
    assert scores["delta"] == 1
    assert scores["order"] == 0


def test_holes_do_not_count():
    true = np.floor(RANDOM.uniform(20_000, 60_000, (24, 32)))
    answer = np.log(true)
    true[:5], answer[:5] = 0, 9
    assert scores_of(answer, true, zero_known=True)["rmse"] == pytest.approx(0, abs=1e-9)


def test_means_are_over_the_sets_that_have_a_score():
    sets = {"a": {"rmse": 1, "order": 0, "delta": 0.5, "edges": 0.2}, "b": {"rmse": 3, "order": 1}}
    assert means(sets) == {"rmse": 2, "order": 0.5, "delta": 0.5, "edges": 0.2}
