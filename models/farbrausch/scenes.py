"""Scenes whose hidden surfaces are known: photos behind cut-outs of other photos, and rendered rooms.

A scene is a stack of layers, each with a colour and a disparity everywhere, also where nearer ones hide it or where it
has a hole. So there is an answer to each pixel of a layered depth image: the colour of the layer whose disparity is
closest. Silhouettes are soft over a pixel or two, as a lens makes them, and the collar's colours are mixed.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from app.camera import Camera
from app.grow import grow
from app.ldi import LDI, lift

SOFTNESS = 0.7  # sigma of silhouettes, pixels
ROOM = (288, 384)  # (height, width)
SUPERSAMPLING = 2
OCTAVES = (2, 4, 8, 16, 32)  # sigmas of the noise of wood and stone, pixels


@dataclass(frozen=True)
class Layer:
    """colour (H, W, 3) float32 in 0..255; disparity (H, W) float32; alpha (H, W) float32, 1 = it is there."""

    colour: np.ndarray
    disparity: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class Scene:
    """layers: farthest first; the first has no hole."""

    name: str
    layers: list[Layer]

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) float32 disparity and (H, W, 3) uint8 colour from where the camera stands."""
        disparity, colour = self.layers[0].disparity, self.layers[0].colour
        for layer in self.layers[1:]:
            disparity = np.where(layer.alpha > 0.5, layer.disparity, disparity)
            colour = colour + (layer.colour - colour) * layer.alpha[..., None]
        return disparity, np.rint(colour).astype(np.uint8)

    def truth(self, ldi: LDI) -> np.ndarray:
        """(N, 3) float32: what each pixel of the scene's layered depth image looks like."""
        disparity = np.stack([layer.disparity for layer in self.layers])[:, ldi.y, ldi.x]
        closest = np.abs(disparity - ldi.disparity).argmin(0)
        return np.stack([layer.colour for layer in self.layers])[closest, ldi.y, ldi.x]

    def camera(self) -> Camera:
        """With the app's usual range."""
        height, width = self.layers[0].disparity.shape
        return Camera(width, height, Camera.focal_from_35mm(width, height, None))

    def layered(self) -> LDI:
        """As the app makes it, from the true depth of what is seen. Colours of the hole are not filled."""
        return grow(lift(*self.seen()), self.camera().parallax)


def plane(shape: tuple[int, int], middle: float, slope_y: float = 0.0, slope_x: float = 0.0) -> np.ndarray:
    """(H, W) float32: `middle` in the centre, changing by the slopes over the whole height and width."""
    y, x = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in shape)
    return np.float32(middle) + np.add.outer(y * np.float32(slope_y), x * np.float32(slope_x))


def blob(shape: tuple[int, int], draw: np.random.Generator) -> np.ndarray:
    """(H, W) bool: a lump with an irregular outline, about a fifth of the picture, somewhere not too near its edge."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    centre_y, centre_x = draw.uniform(0.35, 0.65, 2) * shape
    radius_y, radius_x = draw.uniform(0.2, 0.32, 2) * min(shape)
    rough = ndimage.gaussian_filter(draw.normal(size=shape), min(shape) / 25)
    distance = np.hypot((y - centre_y) / radius_y, (x - centre_x) / radius_x)
    return distance + 0.12 * rough / rough.std() < 1


def soft(mask: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(mask.astype(np.float32), SOFTNESS)


def photo_scene(background: Path, front: Path, seed: int) -> Scene:
    """The first photo on a slanted plane; before it one or two lumps, one behind the other, that show the second."""
    draw = np.random.default_rng(seed)
    with Image.open(background) as file:
        behind = file.convert("RGB")
    with Image.open(front) as file:
        before = np.asarray(file.convert("RGB").resize(behind.size), np.float32)
    shape = behind.height, behind.width
    layers = [Layer(np.asarray(behind, np.float32), plane(shape, 0.15, *draw.uniform(-0.1, 0.1, 2)), np.ones(shape))]
    for disparity in (0.5, 0.85)[-draw.integers(1, 3) :]:
        layers.append(Layer(before, plane(shape, disparity, *draw.uniform(-0.1, 0.1, 2)), soft(blob(shape, draw))))
        before = before[:, ::-1]
    return Scene(f"{background.stem} behind {front.stem}", layers)


def pattern(kind: str, u: np.ndarray, v: np.ndarray, seed: int) -> np.ndarray:
    """(H, W, 3) float32 in 0..255: a wall or floor, of surface coordinates (H, W) in tiles."""
    draw = np.random.default_rng(seed)
    first, second = draw.uniform(40, 220, (2, 3))
    if kind == "tiles":
        share = (np.floor(u) + np.floor(v)) % 2
    elif kind == "bricks":
        row = np.floor(2 * v)
        share = ((u + row / 2) % 1 < 0.08) | (2 * v % 1 < 0.15)
    elif kind == "stripes":
        share = (u + 0.6 * v) % 1 < 0.4
    else:
        noise = sum(sigma * ndimage.gaussian_filter(draw.normal(size=u.shape), sigma, mode="wrap") for sigma in OCTAVES)
        share = np.clip(0.5 + noise / noise.std() / 5, 0, 1)  # "stone"
    share = share.astype(np.float32)[..., None]
    light = 1 - 0.3 * np.linspace(0, 1, u.shape[0], dtype=np.float32)[:, None, None]
    return ((first + (second - first) * share) * light).astype(np.float32)


def room(wall: str, floor: str, seed: int) -> Scene:
    """A wall that meets a floor; a board before them, and a column before all three: where it hides the board's edge
    there are two T-junctions. Rendered twice as fine and reduced."""
    height, width = (side * SUPERSAMPLING for side in ROOM)
    y, x = np.mgrid[:height, :width].astype(np.float32) / width
    turn, horizon = 0.2 * np.sin(seed), 0.4  # of the floor, y
    across = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    below = np.maximum(y - horizon, 0)
    near = 0.08 + 1.2 * below
    back = np.where(
        (y < horizon)[..., None],
        pattern(wall, 12 * across[0], 12 * across[1], seed),
        pattern(floor, (x - 0.5) / near, 2 / near, seed + 1),
    )
    draw = np.random.default_rng(seed)
    left, top = draw.uniform(0.1, 0.3), draw.uniform(0.2, 0.35)
    board = (x > left) & (x < left + 0.5) & (y > top) & (y < top + 0.25)
    column = np.abs(x - draw.uniform(0.4, 0.7) - 0.1 * y) < 0.07
    layers = [Layer(_half(back), _half(near), np.ones(ROOM, np.float32))]
    for mask, disparity, kind in ((board, 0.6, wall), (column, 0.9, floor)):
        colour = pattern(kind, 9 * x, 9 * y, seed + round(10 * disparity))
        layers.append(Layer(_half(colour), np.full(ROOM, disparity, np.float32), soft(_half(mask) > 0.5)))
    return Scene(f"{wall} wall, {floor} floor", layers)


def _half(image: np.ndarray) -> np.ndarray:
    """Means over cells of SUPERSAMPLING x SUPERSAMPLING, (2 H, 2 W, ...) to (H, W, ...) float32."""
    rows, columns = (side // SUPERSAMPLING for side in image.shape[:2])
    cells = image.reshape(rows, SUPERSAMPLING, columns, SUPERSAMPLING, *image.shape[2:])
    return cells.mean((1, 3), dtype=np.float32)


def rooms() -> list[Scene]:
    """All pairs of four patterns."""
    kinds = ("tiles", "bricks", "stripes", "stone")
    return [room(wall, floor, 4 * i + j) for i, wall in enumerate(kinds) for j, floor in enumerate(kinds)]


def photo_scenes(photos: list[Path], seed: int = 0) -> list[Scene]:
    """One scene with each photo as the background, another one before it."""
    order = photos.copy()
    random.Random(seed).shuffle(order)
    pairs = zip(order, order[1:] + order[:1], strict=True)
    return [photo_scene(back, front, seed + i) for i, (back, front) in enumerate(pairs)]
