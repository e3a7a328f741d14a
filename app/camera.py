"""The pinhole that took the photo, and the disc on which the viewer's camera moves.

Coordinates are glTF's: x right, y up, the camera at the origin looking along -z. Lattice coordinates have their origin
at the photo's top left corner, x right, y down, one unit a lattice pixel; the centre of pixel (row i, column j) is at
(j + 0.5, i + 0.5).

Inverse depth is affine in normalised disparity, so planes stay planes (a projective map takes planes to planes)
whatever offset the true disparity had.
"""

from dataclasses import dataclass
from math import radians, tan

import numpy as np

DEFAULT_FIELD_OF_VIEW = radians(60)  # of the longer side, when the photo does not tell its focal length
FILM_WIDTH = 36.0  # mm: EXIF's 35-mm equivalent focal length is relative to the longer side of the film frame


@dataclass(frozen=True)
class Camera:
    """Geometry of one 3D photo.

    width, height: of the lattice, in lattice pixels.
    focal: focal length in lattice pixels.
    range: largest relative shift of nearest against farthest, as a share of the photo's width. The fill band behind
        edges and the viewer's amplitude both follow from this one number. 2 to 4 % is comfortable.
    near, far: depth in scene units at disparity 1 and 0. Only their ratio shapes the scene.
    focus: disparity of the plane that stays still when the camera moves.
    """

    width: int
    height: int
    focal: float
    range: float = 0.03
    near: float = 1.0
    far: float = 8.0
    focus: float = 0.5

    @staticmethod
    def focal_from_35mm(width: int, height: int, focal_35mm: float | None) -> float:
        """Focal length in lattice pixels from EXIF's 35-mm equivalent (mm), or from a 60 degree field of view."""
        longer = max(width, height)
        if focal_35mm:
            return longer * focal_35mm / FILM_WIDTH
        return longer / 2 / tan(DEFAULT_FIELD_OF_VIEW / 2)

    @property
    def parallax(self) -> float:
        """Largest relative shift in lattice pixels between disparity 0 and 1."""
        return self.range * self.width

    @property
    def radius(self) -> float:
        """Radius in scene units of the disc on which the viewer's camera moves."""
        return self.parallax / self.focal / (1 / self.near - 1 / self.far)

    @property
    def zoom(self) -> float:
        """Share of the photo's width and height that the viewer shows, so that the frame's edges stay hidden."""
        margin = self.parallax * max(self.focus, 1 - self.focus)
        return 1 - 2 * margin / min(self.width, self.height)

    def inverse_depth(self, disparity: np.ndarray) -> np.ndarray:
        """1 / depth for disparity in [0, 1], 1 = near; same shape."""
        return 1 / self.far + disparity * (1 / self.near - 1 / self.far)

    def unproject(self, points: np.ndarray, disparity: np.ndarray) -> np.ndarray:
        """(V, 2) lattice coordinates and (V,) disparity to (V, 3) float32 glTF positions."""
        depth = 1 / self.inverse_depth(np.asarray(disparity, np.float64))
        x = (points[:, 0] - self.width / 2) / self.focal * depth
        y = (self.height / 2 - points[:, 1]) / self.focal * depth
        return np.stack([x, y, -depth], 1).astype(np.float32)

    def project(self, positions: np.ndarray, offset: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        """(V, 3) positions seen from the disc to (V, 3): lattice x, lattice y, inverse depth.

        offset: (right, up) in radii of the disc; (1, 0) is the right extreme. The view is sheared (an off-axis
        frustum), not turned, so that the plane of focus keeps its place.
        """
        inverse = 1 / -positions[:, 2]
        shift = self.radius * (inverse - self.inverse_depth(np.float64(self.focus)))
        x = self.width / 2 + self.focal * (positions[:, 0] * inverse - offset[0] * shift)
        y = self.height / 2 - self.focal * (positions[:, 1] * inverse - offset[1] * shift)
        return np.stack([x, y, inverse], 1)
