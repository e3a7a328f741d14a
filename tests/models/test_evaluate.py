import numpy as np
import pytest
from evaluate import KEYS, align, boundary_f1, means, multiply_adds, ordinal_error, scores_of, table

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
    assert scores["absrel"] == pytest.approx(0, abs=1e-9)
    assert scores["sirmse"] == pytest.approx(0, abs=1e-9)


def test_holes_do_not_count():
    true = np.floor(RANDOM.uniform(20_000, 60_000, (24, 32)))
    answer = np.log(true)
    true[:5], answer[:5] = 0, 9
    assert scores_of(answer, true, zero_known=True)["rmse"] == pytest.approx(0, abs=1e-9)


def test_relative_errors_of_a_known_case():
    """Depth is answered as 1 and 2 where it is 1 and 4; alignment can put both right, scale alone cannot."""
    true = np.full((8, 8), 60_000.0)
    true[:, 4:] = 15_000
    scores = scores_of(np.log(np.where(true > 20_000, 1.0, 0.5)), true, zero_known=True)
    assert scores["absrel"] == pytest.approx(0, abs=1e-9)
    assert scores["sirmse"] == pytest.approx(np.log(2) / 2)
    flat = scores_of(np.zeros((8, 8)), true, zero_known=True)  # aligned to the mean disparity, 0.625 of the nearest
    assert flat["absrel"] == pytest.approx((abs(1 / 0.625 - 1) + abs(0.25 / 0.625 - 1)) / 2)
    assert flat["delta"] == 0


def test_means_are_over_the_sets_that_have_a_score():
    partial = {"rmse": 3, "order": 1}
    whole = dict.fromkeys(KEYS, 0.5) | {"rmse": 1, "order": 0}
    assert means({"a": whole, "b": partial}) == dict.fromkeys(KEYS, 0.5) | {"rmse": 2}


def test_multiply_adds_are_those_of_the_layers(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    kernels = {"wide": np.ones((6, 3, 3, 3)), "single": np.ones((6, 1, 2, 2))}
    convolution = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
    upsampling = {"kernel_shape": [2, 2], "strides": [2, 2], "group": 6}
    nodes = [
        helper.make_node("Conv", ["image", "wide"], ["half"], **convolution),
        helper.make_node("ConvTranspose", ["half", "single"], ["whole"], **upsampling),
    ]
    ends = [
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, "h", "w"])]
        for name, channels in (("image", 3), ("whole", 6))
    ]
    weights = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in kernels.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "test", *ends, weights)), tmp_path / "test.onnx")
    assert multiply_adds(tmp_path / "test.onnx", (8, 16)) == 4 * 8 * 6 * 27 + 4 * 8 * 6 * 4


def test_table_puts_networks_side_by_side():
    lines = table({"one": {"rmse": 0.5, "MB": 1}, "other": {"rmse": 0.25, "MB": 2}}).splitlines()
    assert lines == ["| | one | other |", "|---|---|---|", "| rmse | 0.5 | 0.25 |", "| MB | 1 | 2 |"]
