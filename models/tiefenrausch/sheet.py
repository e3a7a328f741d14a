"""A sheet of photos with the depth maps of some networks beside them, to be looked at.

    python models/tiefenrausch/sheet.py OUT.jpg NETWORK.onnx... --photos PHOTO...

A row for each photo: the photo, then each network's map in the order given, as the app sees it before it makes edges
sharp: disparity stretched to its range (`app/depth.py`), near in light yellow, far in dark blue.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import numpy as np
from label import LONG_SIDE, reduce
from PIL import Image, ImageDraw, ImageOps

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the app's own view of a network

from app.depth import normalise
from app.network import OnnxNetwork, log_disparity

CELL, GAP, TITLE = LONG_SIDE, 4, 16  # pixels
FAR, MIDDLE, NEAR = "#10104a", "#c2406a", "#fff3b0"  # light grows from far to near, so that it reads in grey, too


def painted(values: np.ndarray) -> Image.Image:
    """(H, W) log-disparity in colours."""
    unit = normalise(np.exp(values))
    return ImageOps.colorize(Image.fromarray(np.rint(unit * 255).astype(np.uint8)), FAR, NEAR, MIDDLE)


def sheet(photos: list[Path], networks: list[Path]) -> Image.Image:
    """One cell of CELL pixels for each photo and map, pictures in their middle."""
    sessions = [OnnxNetwork(path) for path in networks]
    size = ((len(networks) + 1) * (CELL + GAP), len(photos) * (CELL + GAP) + TITLE)
    page = Image.new("RGB", size, "white")
    for column, title in enumerate(["photo", *(path.stem for path in networks)]):
        ImageDraw.Draw(page).text((column * (CELL + GAP) + GAP, 2), title, "black")
    for row, path in enumerate(photos):
        with Image.open(path) as file:
            image = reduce(ImageOps.exif_transpose(file))
        maps = [painted(asyncio.run(log_disparity(session, image))) for session in sessions]
        for column, picture in enumerate([Image.fromarray(image), *maps]):
            left, top = column * (CELL + GAP), row * (CELL + GAP) + TITLE
            page.paste(picture, (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2))
    return page


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    sheet(given.photos, given.networks).save(given.out)
    print(given.out)
