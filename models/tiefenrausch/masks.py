"""Foreground masks of photos, from MediaPipe's selfie segmentation (Apache 2.0).

    pip install mediapipe==0.10.21
    python models/tiefenrausch/masks.py PHOTOS MASKS

Each photo that has none yet gets MASKS/<name>.png, (H, W) uint8 at the network's size, 255 = certainly foreground. The
segmenter was made for people close to a camera; it finds cats, dogs and single objects as well, and where it is at a
loss it says so with middling values, which `refine.figure_of` takes as "no figure".
"""

import sys
from pathlib import Path

import mediapipe
import numpy as np
from label import reduce
from PIL import Image


def main(photos: Path, masks: Path) -> None:
    masks.mkdir(parents=True, exist_ok=True)
    segmenter = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)  # 256x256, the finer one
    for photo in sorted(photos.iterdir()):
        target = masks / f"{photo.stem}.png"
        if not target.exists():
            with Image.open(photo) as image:
                mask = segmenter.process(reduce(image)).segmentation_mask
            Image.fromarray(np.rint(mask * 255).astype(np.uint8)).save(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
