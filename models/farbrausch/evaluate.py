"""Score fills where the truth is known, as table 2 of the paper (Kopf et al. 2020): on the LDI, and as seen.

    python -m models.farbrausch.evaluate PHOTOS [--large LARGE.onnx] [--network FARBRAUSCH.onnx]

PHOTOS: held-out ones become scenes (`scenes.py`); rendered rooms are the second set. Needs onnx, onnxruntime and
opencv-python-headless. Every fill gets the same layers and mesh. Printed for each set, means over its scenes:

    LDI            PSNR of all hole pixels, whether a view shows them or not
    hole, frame    PSNR, SSIM and perceptual distance (`measures.py`) of the four extreme views, over the pixels where
                   the fill is seen, and over all

Telea's method (2004) knows no layers. It gets them: what is in front counts as missing, so that it fills from the right
side only. In screen space the network fills what a view uncovers, as if the picture had no depth.
"""

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from app.atlas import deal
from app.clean import TAU
from app.inpaint import farbrausch, push_pull
from app.ldi import LDI, lift
from app.network import FILL_MODEL, OnnxNetwork
from models.farbrausch.measures import Perception, psnr, ssim
from models.farbrausch.pool import held_out
from models.farbrausch.scenes import Scene, photo_scenes, rooms
from models.farbrausch.stage import SEEN, Stage

TELEA_RADIUS = 5
SCREEN = "Farbrausch, screen space"
Fill = Callable[[LDI], np.ndarray]


def by_network(model: Path) -> Fill:
    network = OnnxNetwork(model, threads=1)
    return lambda ldi: asyncio.run(farbrausch(ldi, network))


def telea(ldi: LDI) -> np.ndarray:
    """(N, 3): each page's hole from the photo pixels around it that are not in front of it."""
    colour = ldi.colour.copy()
    photo = colour[: ldi.photo_pixels].reshape(ldi.height, ldi.width, 3).astype(np.uint8)
    disparity = ldi.disparity[: ldi.photo_pixels].reshape(ldi.height, ldi.width)
    collar = ldi.collar.reshape(ldi.height, ldi.width)
    for page in deal(ldi)[1:]:
        hole = page >= 0
        rows, columns = ndimage.distance_transform_edt(~hole, return_distances=False, return_indices=True)
        in_front = disparity > ldi.disparity[page[rows, columns]] + TAU / 2
        missing = (hole | in_front | collar).astype(np.uint8)
        colour[page[hole]] = cv2.inpaint(photo, missing, TELEA_RADIUS, cv2.INPAINT_TELEA)[hole]
    return colour


def in_screen_space(view: np.ndarray, uncovered: np.ndarray, fill: Fill) -> np.ndarray:
    """The view (h, w, 3) with what it uncovers (h, w) filled as if it were one sheet."""
    sheet = lift(np.zeros(uncovered.shape, np.float32), view)
    sheet.collar = (uncovered > 0).ravel()
    return np.rint(fill(sheet)).reshape(view.shape).astype(np.uint8)


def scores_of(views: list[np.ndarray], true: list[np.ndarray], holes: list[np.ndarray], see: Perception) -> list[float]:
    """PSNR, SSIM and distance over the hole, then over the frame; means over the views that show any of the hole."""
    rows = []
    for view, truth, uncovered in zip(views, true, holes, strict=True):
        hole = uncovered > SEEN
        if hole.any():
            alike, apart = ssim(view, truth), see.distance(view, truth)
            over_hole = psnr(view[hole], truth[hole]), alike[hole].mean(), apart[hole].mean()
            rows.append([*over_hole, psnr(view, truth), alike.mean(), apart.mean()])
    return np.mean(rows, 0).tolist()


def evaluate(scenes: list[Scene], fills: dict[str, Fill], screen: Fill) -> dict[str, np.ndarray]:
    """Name of a fill: (scenes, 7) PSNR on the LDI, then `scores_of`."""
    see = Perception()
    scores = {name: [] for name in [*fills, SCREEN]}
    for scene in scenes:
        stage = Stage.of(scene.layered(), scene.seen()[1], scene.camera())
        hole, truth = stage.ldi.hole, scene.truth(stage.ldi)
        true, uncovered = stage.views(truth), stage.uncovered()
        if not hole.any() or not any((view > SEEN).any() for view in uncovered):
            continue
        for name, fill in fills.items():
            colour = fill(stage.ldi)
            seen = scores_of(stage.views(colour), true, uncovered, see)
            scores[name].append([psnr(colour[hole], truth[hole]), *seen])
        views = [in_screen_space(view, shown, screen) for view, shown in zip(true, uncovered, strict=True)]
        scores[SCREEN].append([np.nan, *scores_of(views, true, uncovered, see)])
    return {name: np.array(rows) for name, rows in scores.items()}


def table(title: str, scores: dict[str, np.ndarray]) -> str:
    """Markdown."""
    count = len(next(iter(scores.values())))
    lines = [
        f"| {title}, {count} scenes | LDI PSNR | hole PSNR | SSIM | distance | frame PSNR | SSIM | distance |",
        "|---" * 8 + "|",
    ]
    for name, rows in scores.items():
        ldi, *seen = rows.mean(0)
        cells = ["" if np.isnan(ldi) else f"{ldi:.2f}"]
        cells += [f"{value:.{digits}f}" for value, digits in zip(seen, (2, 4, 4, 2, 4, 4), strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(given: argparse.Namespace) -> None:
    ours = by_network(given.network)
    fills = {"push-pull": push_pull, "Telea": telea}
    if given.large:
        fills["large, LDI"] = by_network(given.large)
    fills["Farbrausch, LDI"] = ours
    photos = [path for path in sorted(given.photos.iterdir()) if held_out(path.stem)][: given.scenes]
    for title, scenes in {"held-out photos": photo_scenes(photos), "rendered rooms": rooms()}.items():
        print(table(title, evaluate(scenes[: given.scenes], fills, ours)), end="\n\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--network", type=Path, default=FILL_MODEL)
    parser.add_argument("--large", type=Path, help="the large network's .onnx, which is not part of the repository")
    parser.add_argument("--scenes", type=int, default=60, help="at most, of each set")
    main(parser.parse_args())
