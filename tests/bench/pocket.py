"""What is left of a 3D photo in a link of 4 to 64 kB: `python -m tests.bench.pocket [GLB...]`.

For each length: what the link holds, and its views against those of the whole GLB, from the centre and the four
extremes: PSNR and SSIM of the frame as the viewer shows it, at the lattice's size, and the share of pixels that only
the backdrop covers. Without arguments the sample photos are converted first.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from app import glb, photo
from app.network import OnnxNetwork
from app.pipeline import Pipeline
from app.render import VIEWS, render
from builder.common import DIST, ROOT
from builder.parts import chromium
from builder.server import Server
from tests.conftest import CHROMIUM_FLAGS

LENGTHS = (4096, 8000, 16384, 32768, 65000)
SAMPLES = ("astronaut", "cat", "coffee")
PAGE = "https://tiefblick.example/view.html"  # the address in front of the #
SSIM_SIGMA, SSIM_C1, SSIM_C2 = 1.5, 0.01**2, 0.03**2  # Wang et al. 2004

MAKE = """async ([bytes, length, page]) => {
  const share = await import("./share.js");
  const start = performance.now();
  const made = await share.pocketLink(Uint8Array.from(bytes), length, page);
  const milliseconds = performance.now() - start;
  const glb = (backdrop) => [...share.pocketGlb(made.bytes, backdrop)];
  const { meshBytes, imageBytes, triangles } = made;
  return { length: made.length, meshBytes, imageBytes, triangles, milliseconds, whole: glb(true), bare: glb(false) };
}"""


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of the luma of two (H, W, 3) uint8 images."""
    x, y = (image @ np.array([0.299, 0.587, 0.114]) / 255 for image in (one, other))

    def blur(image):
        return ndimage.gaussian_filter(image, SSIM_SIGMA, truncate=3.5)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    score = (2 * mx * my + SSIM_C1) * (2 * cov + SSIM_C2) / ((mx**2 + my**2 + SSIM_C1) * (vx + vy + SSIM_C2))
    return float(score.mean())


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(((one.astype(float) - other) ** 2).mean(), 1e-9)))


def views(data: bytes, camera) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(image, covered) of each view."""
    decoded = glb.decode(data)
    return {name: render(*decoded[:4], camera, offset)[:2] for name, offset in VIEWS.items()}


def compare(original: bytes, made: dict) -> dict[str, float]:
    camera = glb.camera_of(glb.decode(original).extras)
    wanted, shown = views(original, camera), views(bytes(made["whole"]), camera)
    bare = views(bytes(made["bare"]), camera)
    sides = [name for name in VIEWS if name != "centre"]
    return {
        "psnr": psnr(wanted["centre"][0], shown["centre"][0]),
        "ssim": ssim(wanted["centre"][0], shown["centre"][0]),
        "side_psnr": float(np.mean([psnr(wanted[name][0], shown[name][0]) for name in sides])),
        "side_ssim": float(np.mean([ssim(wanted[name][0], shown[name][0]) for name in sides])),
        "gaps": float(max((wanted[name][1] & ~bare[name][1]).mean() for name in VIEWS)),
    }


def convert(name: str) -> bytes:
    picture = photo.decode((ROOT / "static" / "samples" / f"{name}.jpg").read_bytes())
    return asyncio.run(Pipeline(OnnxNetwork()).run(picture)).glb


def main(paths: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    originals = {Path(path).stem: Path(path).read_bytes() for path in paths} or {n: convert(n) for n in SAMPLES}
    print("| photo | link | mesh bytes | triangles | picture bytes | PSNR centre / sides | SSIM | gaps | ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    with sync_playwright() as playwright, Server(DIST) as server:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page()
        page.goto(server.address + "static/share.json")  # a document without a policy
        for name, data in originals.items():
            for length in LENGTHS:
                made = page.evaluate(MAKE, [list(data), length, PAGE])
                result = compare(data, made)
                print(
                    f"| {name} | {made['length']} | {made['meshBytes']} | {made['triangles']} | {made['imageBytes']} "
                    f"| {result['psnr']:.1f} / {result['side_psnr']:.1f} dB "
                    f"| {result['ssim']:.3f} / {result['side_ssim']:.3f} | {100 * result['gaps']:.2f} % "
                    f"| {made['milliseconds']:.0f} |",
                    flush=True,
                )
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
