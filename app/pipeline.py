"""The pipeline: a photo in, a 3D photo out, in four stages with progress, cancel and a record of times."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from PIL import Image

from app import depth
from app.atlas import AtlasOptions, compose
from app.camera import Camera
from app.clean import GIVEN, CleanOptions, clean
from app.errors import UserError
from app.glb import GlbOptions, encode
from app.grow import GrowOptions, grow
from app.inpaint import FILLS, farbrausch, push_pull
from app.ldi import lift
from app.mesh import Mesh, MeshOptions, mesh
from app.network import Network
from app.photo import Photo

STAGES = ("depth", "layers", "inpainting", "meshing")
LATTICE_LONG_SIDE = 768  # of the geometry, pixels

Progress = Callable[[str, float], None]  # stage, fraction of it that is done; may raise errors.Cancelled


@dataclass(frozen=True)
class Options:
    """lattice_long_side: of the geometry; a smaller photo has a lattice of its own size.
    range: largest relative shift of nearest against farthest, share of the photo's width; the camera's and the fill's.
    fill: one of `inpaint.FILLS`; here the one that needs no network.
    The others: of the stages.
    """

    lattice_long_side: int = LATTICE_LONG_SIDE
    range: float = 0.03
    fill: str = "push-pull"
    clean: CleanOptions = field(default_factory=CleanOptions)
    grow: GrowOptions = field(default_factory=GrowOptions)
    mesh: MeshOptions = field(default_factory=MeshOptions)
    atlas: AtlasOptions = field(default_factory=AtlasOptions)
    glb: GlbOptions = field(default_factory=GlbOptions)


@dataclass(frozen=True)
class ThreeDPhoto:
    """The result. glb: the file; times: ms by stage; counts: what it is made of; camera, mesh, atlas (H, W, 3) uint8:
    its parts, for rendering without decoding."""

    glb: bytes
    times: dict[str, float]
    counts: dict[str, int]
    camera: Camera
    mesh: Mesh
    atlas: np.ndarray


class Pipeline:
    """Runs photos through the stages. One at a time: a network may not be entered twice.

    network: the depth network. fill_network: for the fill "farbrausch", which needs one.
    """

    def __init__(self, network: Network, options: Options = Options(), fill_network: Network | None = None):
        if options.fill not in FILLS:
            raise UserError("unknown-fill", f"There is no fill named {options.fill}.")
        if options.fill == "farbrausch" and fill_network is None:
            raise UserError("no-network", "The farbrausch fill needs its network.")
        self.network, self.options, self.fill_network = network, options, fill_network

    async def run(
        self, photo: Photo, disparity: np.ndarray | None = None, progress: Progress | None = None
    ) -> ThreeDPhoto:
        """Make the 3D photo.

        disparity: (h, w) float32, larger = nearer, in place of the network's estimate; the photo's own comes second.
        progress: called at the start and the end of each step. What it raises ends the run and comes out of it.
        """
        run = _Run(progress or (lambda stage, fraction: None))
        options = self.options
        width, height = lattice_size(photo.texture, options.lattice_long_side)
        guide = np.asarray(Image.fromarray(photo.texture).resize((width, height), Image.Resampling.BOX, reducing_gap=2))
        given = disparity if disparity is not None else photo.disparity
        camera = Camera(width, height, Camera.focal_from_35mm(width, height, photo.focal_35mm), options.range)

        async with run.stage("depth"):
            if given is None:
                estimate = await depth.estimate(photo.texture, self.network)
            else:
                estimate = depth.given(given, photo.source_size)
        async with run.stage("layers"):
            settings = options.clean if given is None else GIVEN
            layers = lift(clean(estimate, guide, settings), guide)
            await run.step(0.7)
            layers = grow(layers, camera.parallax, options.grow)
        async with run.stage("inpainting"):
            if options.fill == "farbrausch":
                layers.colour = await farbrausch(layers, self.fill_network)
            else:
                layers.colour = push_pull(layers)
        async with run.stage("meshing"):
            pages = compose(layers, photo.texture, options.atlas)
            await run.step(0.2)
            surface = mesh(layers, pages, options.mesh)
            await run.step(0.8)
            data = encode(surface, camera, pages.image, options.glb)
        counts = {
            "ldi_pixels": len(layers),
            "grown_pixels": len(layers) - layers.photo_pixels,
            "vertices": len(surface.points),
            "triangles": len(surface.triangles),
            "glb_bytes": len(data),
        }
        return ThreeDPhoto(data, run.times, counts, camera, surface, pages.image)


def lattice_size(texture: np.ndarray, long_side: int) -> tuple[int, int]:
    """(width, height) of the lattice of a texture (H, W, 3)."""
    height, width = texture.shape[:2]
    scale = min(1, long_side / max(height, width))
    return max(2, round(width * scale)), max(2, round(height * scale))


class _Run:
    """Progress and times of one run."""

    def __init__(self, progress: Progress):
        self.progress, self.times, self.current = progress, {}, ""

    def stage(self, name: str) -> "_Run":
        self.current = name
        return self

    async def __aenter__(self) -> None:
        await self.step(0.0)
        self.started = perf_counter()

    async def __aexit__(self, kind, error, trace) -> None:
        self.times[self.current] = (perf_counter() - self.started) * 1000
        if error is None:
            await self.step(1.0)

    async def step(self, fraction: float) -> None:
        """Report, and let the event loop deliver messages (a cancel among them)."""
        await asyncio.sleep(0)
        self.progress(self.current, fraction)
