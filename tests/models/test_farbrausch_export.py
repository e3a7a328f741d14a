"""The two forms of the fill network: on an LDI without cuts the exported one answers what the 2D one answers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
import onnxruntime  # noqa: E402

from app.inpaint import network_inputs  # noqa: E402
from app.ldi import lift  # noqa: E402
from app.levels import part  # noqa: E402
from models.farbrausch.export import build  # noqa: E402
from models.farbrausch.network import FARBRAUSCH, Network  # noqa: E402

HEIGHT, WIDTH = 128, 192


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    network = Network(FARBRAUSCH)
    torch.nn.init.normal_(network.out.weight, 0, 0.1)  # it starts as zero, and would hide all else
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, 0, 0.1)
    return network.eval()


def answers(network, colour, weight, whole=True) -> tuple[np.ndarray, np.ndarray]:
    """Of the 2D form and of the LDI form, each (holes, 3), for colours (H, W, 3) and weights (H, W) without a cut."""
    level, _ = part(lift(np.full(weight.shape, 0.5, np.float32), np.zeros(colour.shape, np.uint8)), weight.ravel() > -1)
    hole = np.nonzero(weight.ravel() < 1)[0]
    inputs = network_inputs(level, colour.reshape(-1, 3), weight.ravel(), hole, FARBRAUSCH.anchor_levels)
    model = build({name: value.numpy() for name, value in network.state_dict().items()}, whole)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    planes = (colour.transpose(2, 0, 1), weight[None], np.ones_like(weight)[None])
    with torch.no_grad():
        flat = network(*(torch.from_numpy(plane[None].copy()) for plane in planes))[0].permute(1, 2, 0)
    return flat.numpy().reshape(-1, 3)[hole], session.run(None, inputs)[0]


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    weight = np.ones((HEIGHT, WIDTH), np.float32)
    weight[40:70, 50:90], weight[38:40, 50:90], weight[:20, 150:] = 0, 1e-4, 0
    return rng.uniform(-0.5, 0.5, (HEIGHT, WIDTH, 3)).astype(np.float32), weight


def test_both_forms_agree_without_cuts(network, scene):
    flat, layered = answers(network, *scene)
    assert flat.std() > 0.05
    assert np.abs(flat - layered).max() < 1e-4


def test_rounded_weights_change_little(network, scene):
    flat, layered = answers(network, *scene, whole=False)
    assert 0 < np.abs(flat - layered).max() < 0.1 * flat.std()


def test_the_network_has_no_more_than_its_parameters():
    assert sum(parameter.numel() for parameter in Network(FARBRAUSCH).parameters()) < 400_000
