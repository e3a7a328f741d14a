import asyncio
from dataclasses import replace

import numpy as np
import pytest

from app.atlas import compose
from app.clean import CleanOptions, clean
from app.errors import Cancelled, UserError
from app.glb import decode
from app.grow import grow
from app.inpaint import push_pull
from app.ldi import lift
from app.mesh import mesh
from app.photo import Photo
from app.pipeline import STAGES, Options, Pipeline, lattice_size
from tests import scenes, validators


class _Constant:
    """A network that sees the same log-disparity map in every photo."""

    name = "constant"

    def __init__(self, disparity: np.ndarray):
        self.disparity = disparity

    async def run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        height, width = inputs["image"].shape[2:]
        y = np.arange(height) * self.disparity.shape[0] // height
        x = np.arange(width) * self.disparity.shape[1] // width
        return np.log(0.2 + self.disparity[y][:, x])


def _photo(scene: scenes.Scene) -> Photo:
    texture = scene.colour.repeat(2, 0).repeat(2, 1)
    return Photo(texture, None, None, (texture.shape[1], texture.shape[0]), ())


def _run(scene, progress=None, **options):
    pipeline = Pipeline(_Constant(scene.disparity), Options(**options))
    return asyncio.run(pipeline.run(_photo(scene), progress=progress))


def test_a_photo_becomes_a_glb_with_layers():
    result = _run(scenes.square())
    assert result.counts["grown_pixels"] > 500
    assert result.counts["triangles"] == len(result.mesh.triangles)
    assert set(result.times) == set(STAGES)
    glb = decode(result.glb)
    assert glb.extras["range"] == pytest.approx(0.03)
    assert len(glb.triangles) == result.counts["triangles"]


def test_given_depth_takes_the_place_of_the_network():
    scene = scenes.square()
    flat = _run(scenes.flat())
    assert flat.counts["grown_pixels"] == 0
    photo = _photo(scene)
    network = _Constant(np.full((4, 4), 0.5, np.float32))
    given = asyncio.run(Pipeline(network).run(photo, disparity=scene.disparity))
    stored = asyncio.run(Pipeline(network).run(replace(photo, disparity=scene.disparity)))
    assert given.counts["grown_pixels"] == stored.counts["grown_pixels"] > 500


def test_progress_names_the_stages_in_order_and_only_rises():
    seen = []
    _run(scenes.square(), lambda stage, fraction: seen.append((STAGES.index(stage), fraction)))
    assert seen == sorted(seen)
    assert {stage for stage, fraction in seen if fraction == 0} == set(range(len(STAGES)))
    assert {stage for stage, fraction in seen if fraction == 1} == set(range(len(STAGES)))


@pytest.mark.parametrize("at", STAGES)
def test_cancel_ends_the_run_and_the_next_one_works(at):
    scene = scenes.square()
    pipeline = Pipeline(_Constant(scene.disparity))

    def cancel(stage, fraction):
        if stage == at:
            raise Cancelled

    with pytest.raises(Cancelled):
        asyncio.run(pipeline.run(_photo(scene), progress=cancel))
    assert asyncio.run(pipeline.run(_photo(scene))).counts["triangles"] > 0


def test_the_range_is_one_number_for_camera_and_fill():
    narrow, wide = (_run(scenes.square(), range=value) for value in (0.02, 0.05))
    assert decode(wide.glb).extras["range"] == pytest.approx(0.05)
    assert wide.counts["grown_pixels"] > 1.5 * narrow.counts["grown_pixels"]


def test_an_unknown_fill_is_refused():
    with pytest.raises(UserError, match="fill"):
        Pipeline(_Constant(np.zeros((4, 4))), Options(fill="magic"))


def test_lattice_is_never_larger_than_the_photo():
    assert lattice_size(np.zeros((100, 300, 3)), 768) == (300, 100)
    assert lattice_size(np.zeros((1536, 1024, 3)), 768) == (512, 768)


# Sizes are in pixels of a network's answer, of which a scene has a twentieth: the sliver of a sky would count as noise.
SMALL = CleanOptions(min_component=20)


def test_every_lattice_mesh_of_an_estimate_is_valid():
    """Cleaning leaves no layers that meshing cannot follow: a soft estimate of each scene."""
    for scene in (make() for make in scenes.ALL):
        soft = scene.disparity[::2, ::2]
        layers = grow(lift(clean(soft, scene.colour, SMALL), scene.colour), 6.0)
        layers.colour = push_pull(layers)
        pages = compose(layers, scene.colour)
        validators.all_hold(mesh(layers, pages), layers, pages)
