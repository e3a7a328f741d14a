"""Training samples: refined labels, true depth, and composites of cut-outs before both; then what cameras do to them.

A sample is image (3, H, W) float32 in 0..1, target (1, H, W) float32 log-disparity up to a constant, weight (1, H, W).
Composites exist because their edges are exact and their order is certain: a cut-out (a figure of another photo, or a
shape with another photo's texture) is put nearer than all that it hides.
"""

import random
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

LANDSCAPE, PORTRAIT, SQUARE = (192, 256), (256, 192), (224, 224)  # (height, width) of a batch, about 49 k pixels each
HOLD_OUT_ONE_IN = 40
NOISE = np.random.default_rng()


@dataclass(frozen=True)
class Options:
    """
    true_depth: share of samples with true depth; indoor rooms are most of it, so that more would make all look indoor.
    figured: share of the rest that shows a figure, of which a random photo has too few to learn from.
    composite: chance of one cut-out (and again half of it, of another).
    figures: share of figures among the cut-outs, the rest are shapes.
    step: range of log-disparity by which a cut-out is nearer than the nearest it hides.
    crop: range of the crop's size, of the largest that fits.
    jpeg, blur, dark: chances of these.
    shapes: (height, width) of batches with their chances.
    """

    true_depth: float = 0.2
    figured: float = 0.4
    composite: float = 0.35
    figures: float = 0.7
    step: tuple[float, float] = (0.05, 0.7)
    crop: tuple[float, float] = (0.7, 1.0)
    jpeg: float = 0.4
    blur: float = 0.2
    dark: float = 0.06
    shapes: tuple = ((LANDSCAPE, 0.5), (PORTRAIT, 0.25), (SQUARE, 0.25))


@dataclass
class Scene:
    """image (H, W, 3) uint8; target (H, W) float16 log-disparity; weight (H, W) float16; figure (H, W) bool or None."""

    image: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    figure: np.ndarray | None = None


def held_out(name: str) -> bool:
    """Whether a photo is for looking at results only: one in forty, by its name."""
    return zlib.crc32(name.encode()) % HOLD_OUT_ONE_IN == 0


def read_refined(path: Path) -> Scene:
    """A file that `refine.py` wrote."""
    with np.load(path) as stored:
        figure = stored["figure"]
        return Scene(stored["image"], stored["target"], stored["weight"], figure if figure.any() else None)


def read_true(path: Path) -> Scene:
    """<name>.png, 16-bit disparity at half size, 0 = no value, and <name>.webp beside it."""
    with Image.open(path) as file:
        disparity = np.asarray(file, np.float32)
    with Image.open(path.with_suffix(".webp")) as file:
        image = np.asarray(file.convert("RGB"))
    rows, columns = (np.arange(n) * m // n for n, m in zip(image.shape[:2], disparity.shape, strict=True))
    disparity = disparity[rows][:, columns]
    target = np.log(np.maximum(disparity, 1) / 65535)
    return Scene(image, target.astype(np.float16), (disparity > 0).astype(np.float16))


class Samples(torch.utils.data.IterableDataset):
    """Endless batches (image, target, weight), each of one shape.

    targets: folder of refined labels, looked at again now and then: they may still be in the making.
    rgbd: folders of pairs with true depth. Raises FileNotFoundError where one holds none.
    """

    def __init__(self, targets: Path, rgbd: list[Path], batch: int, options: Options, seed: int):
        self.folder, self.batch, self.options, self.seed = targets, batch, options, seed
        for folder in rgbd:
            if not any(folder.glob("*.png")):  # a mistyped path would quietly train without true depth
                raise FileNotFoundError(f"{folder} holds no pairs.")
        self.pairs = [path for folder in rgbd for path in sorted(folder.glob("*.png"))]
        self.scenes: dict[str, Scene] = {}

    def __iter__(self):
        random.seed(self.seed)
        self.measured = [read_true(path) for path in self.pairs]
        made = 0
        while True:
            if made % 50 == 0:
                self._look_again()
            shapes, chances = zip(*self.options.shapes, strict=True)
            (shape,) = random.choices(shapes, chances)
            yield tuple(
                torch.stack(parts) for parts in zip(*(self.sample(shape) for _ in range(self.batch)), strict=True)
            )
            made += 1

    def _look_again(self) -> None:
        for path in sorted(self.folder.glob("*.npz")):
            if path.stem not in self.scenes and not held_out(path.stem):
                self.scenes[path.stem] = read_refined(path)
        self.labelled = list(self.scenes.values())
        self.figured = [scene for scene in self.labelled if scene.figure is not None]

    def sample(self, shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One sample of (height, width) `shape`."""
        options = self.options
        scenes = self.figured if self.figured and random.random() < options.figured else self.labelled
        if self.measured and random.random() < options.true_depth:
            scenes = self.measured
        layers = crop(random.choice(scenes), shape, options.crop)
        chance = options.composite
        while random.random() < chance:
            layers = composite(*layers, *self._cut_out(shape), random.uniform(*options.step))
            chance /= 2
        image, target, weight = layers
        if random.random() < 0.5:
            image, target, weight = image[:, ::-1], target[:, ::-1], weight[:, ::-1]
        pixels = as_photographed(image, options)
        # Half floats would round disparity to steps of 0.002 at 4: what follows is in single precision.
        arrays = (pixels.transpose(2, 0, 1), target[None], weight[None])
        return tuple(torch.from_numpy(np.ascontiguousarray(array, np.float32)) for array in arrays)

    def _cut_out(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(image, alpha 0..1, relief in log-disparity), each of `shape`: a figure somewhere, or a shape."""
        if self.figured and random.random() < self.options.figures:
            return figure_cut_out(random.choice(self.figured), shape)
        texture, _, _ = crop(random.choice(self.labelled), shape, (0.2, 1.0))
        alpha = shape_mask(shape)
        rise, turn = (np.linspace(-0.5, 0.5, side) * random.gauss(0, 0.2) for side in shape)
        return texture, alpha, np.add.outer(rise, turn).astype(np.float32)


def crop(scene: Scene, shape: tuple[int, int], sizes: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random crop with the aspect ratio of `shape`, resized to it: colours are averaged, labels are not."""
    height, width = scene.target.shape
    scale = min(height / shape[0], width / shape[1]) * random.uniform(*sizes)
    rows, columns = max(8, int(shape[0] * scale)), max(8, int(shape[1] * scale))
    top, left = random.randint(0, height - rows), random.randint(0, width - columns)
    window = (slice(top, top + rows), slice(left, left + columns))
    method = Image.Resampling.BOX if rows > shape[0] else Image.Resampling.BILINEAR
    image = np.asarray(Image.fromarray(scene.image[window]).resize(shape[::-1], method))
    take = np.ix_(*((np.arange(n) + 0.5) * m // n for n, m in zip(shape, (rows, columns), strict=True)))
    take = tuple(index.astype(int) for index in take)
    return image, scene.target[window][take].astype(np.float32), scene.weight[window][take].astype(np.float32)


def figure_cut_out(scene: Scene, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scene's figure, scaled at random and standing somewhere in the lower part of `shape`."""
    rows, columns = (np.nonzero(scene.figure.any(axis=axis))[0] for axis in (1, 0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    figure, relief = scene.figure[window], scene.target[window].astype(np.float32)
    scale = random.uniform(0.25, 0.9) * min(shape[0] / figure.shape[0], shape[1] / figure.shape[1])
    size = tuple(max(4, int(side * scale)) for side in figure.shape)
    resize = lambda array, mode: np.asarray(Image.fromarray(array).resize(size[::-1], mode))  # noqa: E731
    small = resize(figure.astype(np.uint8) * 255, Image.Resampling.BOX)
    # A cut through the picture's border must lie on the border again, or it would show as an edge that no object has.
    bottom = rows[-1] >= len(scene.figure) - 3 or random.random() < 0.3
    top = shape[0] - size[0] if bottom else random.randint((shape[0] - size[0]) // 3, shape[0] - size[0])
    left = random.randint(0, shape[1] - size[1])
    if columns[0] <= 2:
        left = 0
    elif columns[-1] >= scene.figure.shape[1] - 3:
        left = shape[1] - size[1]
    place = (slice(top, top + size[0]), slice(left, left + size[1]))
    image, alpha, depth = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    image[place] = resize(scene.image[window], Image.Resampling.BOX)
    alpha[place] = small / 255
    depth[place] = resize(relief - np.median(relief[figure]), Image.Resampling.NEAREST)
    return image, alpha, depth


def shape_mask(shape: tuple[int, int]) -> np.ndarray:
    """(H, W) alpha of a random ellipse, polygon, leaning bar or pole, antialiased."""
    height, width = (side * 4 for side in shape)  # drawn four times as large
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    x, y, size = random.uniform(0, width), random.uniform(0, height), random.uniform(0.08, 0.4) * height
    kind = random.choice(("ellipse", "polygon", "bar", "pole"))
    if kind == "ellipse":
        tall = size * random.uniform(0.4, 1.6)
        draw.ellipse((x - size, y - tall, x + size, y + tall), fill=255)
    elif kind == "polygon":
        angles = np.sort(NOISE.uniform(0, 2 * np.pi, random.randint(3, 9)))
        radii = size * NOISE.uniform(0.5, 1.2, len(angles))
        draw.polygon([(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)], fill=255)
    else:
        lean, thick = random.gauss(0, 0.15), random.uniform(0.008, 0.03 if kind == "pole" else 0.12) * width
        draw.line((x - lean * height, 0, x + lean * height, height), fill=255, width=max(4, int(thick)))
    return np.asarray(canvas.resize(shape[::-1], Image.Resampling.BOX), np.float32) / 255


def composite(image, target, weight, cut_out, alpha, relief, step):
    """Put a cut-out (H, W, 3) with alpha (H, W) before a scene, `step` nearer than the nearest that it hides."""
    covered = alpha > 0.5
    if covered.sum() < 16:
        return image, target, weight
    known = covered & (weight > 0)
    nearest = np.percentile(target[known], 98) if known.any() else 0.0
    level = nearest + step - np.percentile(relief[covered], 2)
    mixed = cut_out * alpha[..., None] + image * (1 - alpha[..., None])
    return (
        np.rint(mixed).astype(np.uint8),
        np.where(covered, level + relief, target),
        np.where(covered, np.float32(1), weight),
    )


def as_photographed(image: np.ndarray, options: Options) -> np.ndarray:
    """(H, W, 3) uint8 to float32 in 0..1: exposure, contrast, colour, dark and noisy, blurred, compressed."""
    photo = Image.fromarray(np.ascontiguousarray(image))
    for enhance, spread in ((ImageEnhance.Brightness, 0.2), (ImageEnhance.Contrast, 0.2), (ImageEnhance.Color, 0.3)):
        photo = enhance(photo).enhance(random.uniform(1 - spread, 1 + spread))
    if random.random() < options.blur:
        photo = photo.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2)))
    pixels = np.asarray(photo, np.float32) / 255
    if random.random() < options.dark:
        pixels = np.square(pixels) * random.uniform(0.3, 0.8)
        pixels = pixels + NOISE.normal(0, random.uniform(0.005, 0.04), pixels.shape)
    pixels = np.clip(pixels * NOISE.uniform(0.9, 1.1, 3), 0, 1)
    if random.random() < options.jpeg:
        buffer = BytesIO()
        Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(buffer, "JPEG", quality=random.randint(35, 90))
        pixels = np.asarray(Image.open(buffer), np.float32) / 255
    return pixels.astype(np.float32)
