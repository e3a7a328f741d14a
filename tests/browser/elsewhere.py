"""A site of somebody else's with a <tief-photo> on it, and the element as a person meets it there."""

import functools

import numpy as np

from app import glb
from app.camera import Camera
from app.mesh import Mesh
from tests.browser.studio import picture_of, shift

CAMERA = Camera(600, 400, 520.0)
SQUARE = (220, 120, 380, 280)  # left, top, right, bottom of what stands in front
NEAR, FAR = (300, 200), (110, 200)  # lattice points on the square and on the plane behind it
RADIUS, REACH = 36, 16  # screen pixels around a point that is watched, and how far it may move
# What the documentation asks for and nothing more; a page that allows no markup to be set.
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self' blob:; img-src 'self' blob:; base-uri 'none'; "
    "require-trusted-types-for 'script'"
)
ELEMENT = '<tief-photo src="photo.glb" alt="A square before a wall"><img src="photo.jpg" alt="Flat"></tief-photo>'
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Another site</title>
<meta http-equiv="Content-Security-Policy" content="{policy}">
<script type="module" src="tief-photo.js"></script></head>
<body>{body}</body></html>
"""
SMALL = {"width": 700, "height": 600}  # few pixels, drawn by the processor
ROOM = 60_000  # ms; a busy machine draws slowly


@functools.cache
def scene() -> bytes:
    """The GLB of a square at disparity 1 before a plane at disparity 0, both of a texture that can be followed."""
    random = np.random.default_rng(3)
    texture = random.uniform(0, 255, (50, 75, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    corners = [_corners(-60, -60, 660, 460), _corners(*SQUARE)]
    points = np.concatenate(corners).astype(np.float32)
    triangles = np.array([[0, 2, 1], [0, 3, 2]])
    return glb.encode(
        Mesh(
            points,
            np.repeat([0.0, 1.0], 4).astype(np.float32),
            np.clip(points / [600, 400], 0, 1).astype(np.float32),
            np.concatenate([triangles, triangles + 4]).astype(np.int32),
            np.repeat([0, 1], 4).astype(np.uint8),
        ),
        CAMERA,
        texture,
    )


def _corners(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


class Photo:
    """The first <tief-photo> of a page as a person meets it."""

    def __init__(self, page, selector: str = "tief-photo"):
        self.page, self.element = page, page.locator(selector).first
        self.canvas = self.element.locator("canvas")

    def open(self, address: str) -> "Photo":
        self.page.goto(address)
        self.canvas.wait_for(timeout=ROOM)
        self.do("swaying = false")
        self.page.mouse.move(0, 0)
        self.settle()
        return self

    def do(self, expression: str):
        return self.element.evaluate(f"(element) => element.{expression}")

    def settle(self):
        """Until no frame has been drawn for a moment; it must not sway."""
        assert not self.do("swaying")
        frames = -1
        while frames != (frames := self.do("viewer.frames")):
            self.page.wait_for_timeout(250)
        return self.do("offset")

    def look(self, offset=None, mode: str = "L") -> np.ndarray:
        """(H, W) or (H, W, 3) float of the picture on the screen, from `offset` if one is given."""
        if offset is not None:
            self.do(f"offset = {list(offset)}")
        self.settle()
        return picture_of(self.element, mode)

    def said(self) -> str:
        return self.element.locator("#message").inner_text()

    def click(self, point):
        """Click on a lattice point as the picture shows it from straight ahead."""
        box = self.canvas.bounding_box()
        share = (np.array(point) / [CAMERA.width, CAMERA.height] - 0.5) / CAMERA.zoom + 0.5
        self.page.mouse.click(box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"])
        self.page.mouse.move(0, 0)


def moved(before, after, point) -> np.ndarray:
    """(right, down) in screen pixels by which the neighbourhood of a lattice point has moved."""
    h, w = before.shape
    scale = w / (CAMERA.width * CAMERA.zoom)
    x, y = np.rint((np.array(point) - [CAMERA.width / 2, CAMERA.height / 2]) * scale + np.array([w, h]) / 2).astype(int)
    near = np.s_[y - RADIUS : y + RADIUS, x - RADIUS : x + RADIUS]
    return np.array(shift(before[near], after[near], REACH))
