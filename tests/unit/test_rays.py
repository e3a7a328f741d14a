import numpy as np
import pytest

from app.ldi import lift
from app.levels import cells, part
from app.rays import DOUBLINGS, FARTHEST, RAYS, STEPS, cast, inputs
from tests import scenes
from tests.layers import build

HEIGHT, WIDTH = 40, 50
WAYS = (1, 0), (2, 1), (1, 1), (1, 2)  # x and y of the first quarter, y upwards


def sheet():
    """A level without cuts, and which of its pixels are known: all but a rectangle of 12 x 16 in the middle."""
    level, _ = part(
        lift(np.zeros((HEIGHT, WIDTH), np.float32), np.zeros((HEIGHT, WIDTH, 3), np.uint8)),
        np.full(HEIGHT * WIDTH, True),
    )
    known = np.ones((HEIGHT, WIDTH), bool)
    known[12:24, 20:36] = False
    return level, known.ravel()


def walked(kernel: np.ndarray, known: np.ndarray, pixel: int, ray: int) -> int:
    """The known pixel that a ray reaches, one cell at a time, or -1."""
    for _ in range(2**DOUBLINGS):
        for cell in STEPS[ray]:
            pixel = kernel[pixel, cell]
            if pixel < 0 or known[pixel]:
                return pixel
    return -1


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_rays_reach_what_a_walk_along_the_links_reaches(scene):
    ldi = build(scene()).ldi
    level, _ = part(ldi, np.ones(len(ldi), bool))
    known, kernel = ~ldi.hole, cells(level)
    hole = np.nonzero(ldi.hole)[0]
    reached = cast(kernel, known, hole)
    assert reached.shape == (len(hole), RAYS)
    for i in np.random.default_rng(0).permutation(len(hole))[:60]:
        assert reached[i].tolist() == [walked(kernel, known, hole[i], ray) for ray in range(RAYS)]


def test_rays_are_straight_and_in_order():
    level, known = sheet()
    pixel = 18 * WIDTH + 28
    hole = np.nonzero(~known)[0]
    reached = cast(cells(level), known, hole)[hole == pixel][0]
    across, up = level.x[reached] - 28.0, 18.0 - level.y[reached]
    turned = np.unwrap(np.arctan2(up, across))
    assert (np.diff(turned) > 0).all()
    assert turned[-1] - turned[0] < 2 * np.pi
    ways = [np.arctan2(y, x) + quarter * np.pi / 2 for quarter in range(4) for x, y in WAYS]
    assert np.abs(turned - ways).max() < 0.1  # a knight's move that ends half-way is off by a part of a pixel


def test_distances_and_places_of_what_rays_reach():
    level, known = sheet()
    hole = np.nonzero(~known)[0]
    made = inputs(level, cells(level), known, hole)
    *seam, missing = made["seam"]
    assert missing == len(level)
    assert known[seam].all()
    assert set(range(len(seam))) == set(made["hits"].ravel())
    ends = np.array(seam)[made["hits"]]
    away = np.hypot(ends % WIDTH - hole[:, None] % WIDTH, ends // WIDTH - hole[:, None] // WIDTH)
    assert made["away"] == pytest.approx(away)


def test_where_nothing_is_known_rays_reach_nothing():
    level, known = sheet()
    made = inputs(level, cells(level), np.zeros_like(known), np.arange(len(level)))
    assert (made["hits"] == -1).all()
    assert (made["away"] == FARTHEST).all()
    assert made["seam"].tolist() == [len(level)]
