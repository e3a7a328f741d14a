import numpy as np
import pytest

from app.atlas import compose, deal
from tests import scenes
from tests.layers import build


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_every_pixel_is_on_one_page(scene):
    ldi = build(scene()).ldi
    index = deal(ldi)
    pixels = index[index >= 0]
    assert len(pixels) == len(ldi)
    assert (np.sort(pixels) == np.arange(len(ldi))).all()
    assert not (np.isin(index[0], np.nonzero(ldi.collar)[0])).any()  # what is filled anew is not shown from the photo
    page, y, x = np.nonzero(index >= 0)
    assert (ldi.x[index[page, y, x]] == x).all()
    assert (ldi.y[index[page, y, x]] == y).all()


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_the_atlas_holds_the_photo_and_the_colours_of_the_layers(scene):
    built = build(scene())
    pages, ldi = built.pages, built.ldi
    height, width = scenes.HEIGHT * 2, scenes.WIDTH * 2
    assert np.array_equal(pages.image[:height, :width][::2, ::2], built.scene.colour)
    for number in range(1, len(pages.index)):
        y, x = np.nonzero(pages.index[number] >= 0)
        at = np.stack([x, y], 1) * pages.scale[number] + pages.offset[number]
        texels = pages.image[at[:, 1].astype(int), at[:, 0].astype(int)].astype(float)
        assert np.abs(texels - ldi.colour[pages.index[number][y, x]]).max() <= 0.51


def test_pages_do_not_overlap():
    built = build(scenes.t_junction())
    pages = built.pages
    taken = np.zeros(pages.image.shape[:2], int)
    taken[: scenes.HEIGHT * 2, : scenes.WIDTH * 2] += 1
    for number in range(1, len(pages.index)):
        y, x = np.nonzero(pages.index[number] >= 0)
        taken[y + int(pages.offset[number, 1]), x + int(pages.offset[number, 0])] += 1
    assert taken.max() == 1


def test_texels_beside_a_page_continue_it():
    """Bilinear filtering reads one texel beyond the border; a foreign colour there would be a fringe."""
    built = build(scenes.square())
    page = built.pages.index[1]
    y, x = np.nonzero(page >= 0)
    colour = built.ldi.colour[page[y, x]]
    ox, oy = built.pages.offset[1].astype(int)
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = built.pages.image[y + oy + dy, x + ox + dx].astype(float)
        assert np.abs(beside - colour).max() < 40
        assert np.abs(beside - colour).mean() < 4


def test_photo_of_odd_size():
    scene = scenes.square()
    built = build(scene)
    texture = np.zeros((241, 333, 3), np.uint8)
    pages = compose(built.ldi, texture)
    corner = pages.uv(np.array([0]), np.array([[scenes.WIDTH, scenes.HEIGHT]], np.float32))[0]
    assert np.allclose(corner * (pages.image.shape[1], pages.image.shape[0]), (333, 241))
