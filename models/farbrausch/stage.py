"""A layered depth image with its mesh, to be seen from the ends of the camera's disc with any colours in its hole."""

from dataclasses import dataclass, replace

import numpy as np

from app.atlas import compose
from app.camera import Camera
from app.ldi import LDI
from app.mesh import Mesh, mesh
from app.render import VIEWS, render

EXTREME = tuple(offset for name, offset in VIEWS.items() if name != "centre")
SEEN = 127  # of 255: a pixel more than half of whose colour comes from the fill


@dataclass(frozen=True)
class Stage:
    """texture: (H', W', 3) uint8, the photo."""

    ldi: LDI
    texture: np.ndarray
    camera: Camera
    surface: Mesh

    @staticmethod
    def of(ldi: LDI, texture: np.ndarray, camera: Camera) -> "Stage":
        return Stage(ldi, texture, camera, mesh(ldi, compose(ldi, texture)))

    def views(self, colour: np.ndarray, texture: np.ndarray | None = None) -> list[np.ndarray]:
        """(h, w, 3) uint8 of each extreme view, with the colours (N, 3) in the hole."""
        image = compose(replace(self.ldi, colour=colour), self.texture if texture is None else texture).image
        surface = self.surface
        positions = self.camera.unproject(surface.points, surface.disparity)
        return [render(positions, surface.uv, surface.triangles, image, self.camera, offset)[0] for offset in EXTREME]

    def uncovered(self) -> list[np.ndarray]:
        """(h, w) uint8 of each extreme view: how much of a pixel's colour comes from the hole, 0..255."""
        white = np.repeat(np.where(self.ldi.hole, np.float32(255), 0)[:, None], 3, 1)
        return [view[..., 0] for view in self.views(white, np.zeros_like(self.texture))]
