"""The two forms of the fill network: on an LDI without cuts the exported one answers what the 2D one answers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
import onnxruntime  # noqa: E402

from app.inpaint import network_inputs  # noqa: E402
from app.ldi import lift  # noqa: E402
from app.levels import cells, part  # noqa: E402
from app.rays import cast  # noqa: E402
from models.farbrausch.export import build  # noqa: E402
from models.farbrausch.network import FARBRAUSCH, LARGE, Network  # noqa: E402

HEIGHT, WIDTH = 128, 192


def unlike_new(options) -> Network:
    """A network in which nothing is zero, or one, as at the start."""
    torch.manual_seed(0)
    network = Network(options)
    for name, value in network.state_dict().items():
        if name.endswith(("bias", "mean")):
            torch.nn.init.normal_(value, 0, 0.1)
        if name.endswith(("norm.weight", "var")):
            torch.nn.init.uniform_(value, 0.5, 1.5)
    torch.nn.init.normal_(network.head.correction.weight, 0, 0.1)
    torch.nn.init.zeros_(network.head.own.bias)  # as large a share as others
    return network.eval()


def answers(network, colour, weight, whole=True) -> tuple[np.ndarray, np.ndarray]:
    """Of the 2D form and of the LDI form, each (holes, 3), for colours (H, W, 3) and weights (H, W) without a cut."""
    level, _ = part(lift(np.full(weight.shape, 0.5, np.float32), np.zeros(colour.shape, np.uint8)), weight.ravel() > -1)
    hole = np.nonzero(weight.ravel() < 1)[0]
    inputs = network_inputs(level, colour.reshape(-1, 3), weight.ravel(), hole, FARBRAUSCH.anchor_levels)
    model = build({name: value.numpy() for name, value in network.state_dict().items()}, whole)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    planes = [torch.from_numpy(x[None].copy()) for x in (colour.transpose(2, 0, 1), weight[None], weight[None] > -1)]
    hits = cast(cells(level), weight.ravel() == 1, hole)
    with torch.no_grad():
        flat = network(*planes[:2], planes[2].float(), torch.from_numpy(hole), torch.from_numpy(hits).long())
    return flat.numpy(), session.run(None, inputs)[0]


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    weight = np.ones((HEIGHT, WIDTH), np.float32)
    weight[40:70, 50:90], weight[38:40, 50:90], weight[:20, 150:] = 0, 1e-4, 0
    return rng.normal(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float32), weight


@pytest.mark.parametrize("options", [FARBRAUSCH, LARGE])
def test_both_forms_agree_without_cuts(scene, options):
    flat, layered = answers(unlike_new(options), *scene)
    assert flat.std() > 0.05
    assert np.abs(flat - layered).max() < 1e-4 * max(1, np.abs(flat).max())


def test_rounded_weights_change_little(scene):
    flat, layered = answers(unlike_new(FARBRAUSCH), *scene, whole=False)
    assert 0 < np.abs(flat - layered).max() < 0.2 * flat.std()


def test_where_nothing_is_known_it_answers_with_finite_numbers(scene):
    colour, weight = scene
    flat, layered = answers(unlike_new(FARBRAUSCH), colour, np.full_like(weight, 1e-4))
    assert np.isfinite(layered).all()
    assert np.abs(flat - layered).max() < 1e-4 * max(1, np.abs(flat).max())


def test_the_network_has_no_more_than_its_parameters():
    assert sum(parameter.numel() for parameter in Network(FARBRAUSCH).parameters()) < 400_000
