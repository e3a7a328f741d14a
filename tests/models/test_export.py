from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from export import quantize, rounded, run, to_onnx  # noqa: E402
from network import TIEFENRAUSCH, Network  # noqa: E402
from start import copy_weights, module_name, read_folded  # noqa: E402

LEVELS = 127


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network(TIEFENRAUSCH).eval()


@pytest.fixture(scope="module")
def exported(network):
    return to_onnx(network)


IMAGE = np.random.default_rng(0).uniform(size=(1, 3, 64, 96)).astype(np.float32)  # not the size of the export


def test_onnx_answers_what_pytorch_does(network, exported):
    with torch.no_grad():
        expected = network(torch.from_numpy(IMAGE))[0, 0].numpy()
    assert run(exported, IMAGE) == pytest.approx(expected, abs=1e-4)


def test_rounding_is_half_a_step_of_each_channel():
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    weight[2] = 0
    whole, scale = rounded(weight)
    assert whole.dtype == np.int8
    assert (
        np.abs(whole * scale - weight) <= np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / LEVELS / 2 + 1e-6
    ).all()


def test_training_can_start_from_the_shipped_form(exported, tmp_path):
    import onnx

    onnx.save(quantize(exported), tmp_path / "small.onnx")
    other = Network(replace(TIEFENRAUSCH, normalise=False)).eval()
    copy_weights(other, read_folded(tmp_path / "small.onnx"))
    with torch.no_grad():
        answer = other(torch.from_numpy(IMAGE))[0, 0].numpy()
    assert answer == pytest.approx(run(quantize(exported), IMAGE), abs=1e-4)


def test_activations_are_clipped(exported):
    clips = [node for node in exported.graph.node if node.op_type == "Clip"]
    convolutions = [node for node in exported.graph.node if node.op_type == "Conv"]
    assert len(clips) > len(convolutions) / 2


@pytest.mark.parametrize(
    ("node", "module"),
    [
        ("/stem/stem.0/Conv", "stem.0"),
        ("/enc.0/enc.0.1/body/body.2/body.2.0/Conv", "enc.0.1.body.2.0"),
        ("/out/Conv", "out"),
    ],
)
def test_node_names_give_module_names(node, module):
    assert module_name(node) == module
