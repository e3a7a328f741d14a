"""From a synthetic scene to its layers and its mesh, as the pipeline does it with depth that needs no cleaning."""

from dataclasses import dataclass

import numpy as np

from app.atlas import Pages, compose
from app.camera import Camera
from app.grow import grow
from app.inpaint import push_pull
from app.ldi import LDI, lift
from app.mesh import Mesh, mesh
from tests.scenes import Scene

TEXTURE_SCALE = 2  # of the photo's texture against the lattice, as for a photo of 1536 pixels


def camera_of(scene: Scene, share: float = 0.05) -> Camera:
    """A camera with 5 % of parallax: on a small lattice the default's 3 % are few pixels."""
    height, width = scene.disparity.shape
    return Camera(width, height, Camera.focal_from_35mm(width, height, None), share)


@dataclass(frozen=True)
class Built:
    scene: Scene
    camera: Camera
    ldi: LDI
    pages: Pages
    mesh: Mesh


def build(scene: Scene) -> Built:
    camera = camera_of(scene)
    layers = grow(lift(scene.disparity, scene.colour), camera.parallax)
    layers.colour = push_pull(layers)
    texture = np.repeat(np.repeat(scene.colour, TEXTURE_SCALE, 0), TEXTURE_SCALE, 1)
    pages = compose(layers, texture)
    return Built(scene, camera, layers, pages, mesh(layers, pages))
