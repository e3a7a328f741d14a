"""Photos to 3D photos on the command line: `python3 build.py convert PHOTO...`.

For each photo DIR/NAME.glb is written; the exit status is 0 when every photo became one, 1 when one or more failed, 2
when the command itself is wrong.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from app import depth, glb, photo
from app.errors import UserError
from app.inpaint import FILLS
from app.network import FILL_MODEL, OnnxNetwork
from app.pipeline import Options, Pipeline
from app.render import VIEWS, render

LARGEST_RANGE = 0.1  # share of the width; beyond it the zoom that hides the frame would cut away too much
DIGITS = 6  # of times and shares in the record


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        fill_network = OnnxNetwork(FILL_MODEL) if options.fill == "farbrausch" else None
        pipeline = Pipeline(OnnxNetwork(), replace(Options(), range=options.range, fill=options.fill), fill_network)
        for folder in filter(None, (options.output, options.views)):
            folder.mkdir(parents=True, exist_ok=True)
    except (UserError, OSError) as error:
        return _report(_sentence(error), 2)
    return max([_attempt(path, pipeline, options) for path in options.photos])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build.py convert", description="Make 3D photos (GLB) from photos.")
    add = parser.add_argument
    add("photos", metavar="PHOTO", nargs="+", type=Path)
    add("-o", dest="output", metavar="DIR", type=Path, help="where to write (default: beside the photo)")
    add("--depth", metavar="FILE", type=Path, help="depth map of the photo: grey image or .npy, near = large")
    add("--depth-far-is-large", action="store_true", help="the depth map holds distances")
    add("--fill", choices=FILLS, default=FILLS[0], help="default: %(default)s")
    shift = "shift of near against far, share of the width (default: %(default)s)"
    add("--range", metavar="SHARE", type=_share, default=Options().range, help=shift)
    add("--views", metavar="DIR", type=Path, help="write PNGs from the centre and the extremes, and masks of holes")
    add("--json", action="store_true", help="print one JSON object a photo")
    return parser


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LARGEST_RANGE:
        raise argparse.ArgumentTypeError(f"{text} is not a share of the width above 0 and at most {LARGEST_RANGE}")
    return value


def _check(options: argparse.Namespace) -> None:
    """What the parser does not see. Raises UserError."""
    if options.depth and len(options.photos) > 1:
        raise UserError("one-depth", "A depth map belongs to one photo; give --depth with one photo alone.")
    if options.depth_far_is_large and not options.depth:
        raise UserError("no-depth", "--depth-far-is-large says how to read the file of --depth, which is missing.")
    outputs = {_output(path, options) for path in options.photos}
    stems = {path.stem for path in options.photos}
    if min(len(outputs), len(stems) if options.views else len(outputs)) < len(options.photos):
        raise UserError("same-name", "Two of the photos would be written to the same file; convert them one by one.")


def _output(path: Path, options: argparse.Namespace) -> Path:
    return ((options.output or path.parent) / path.name).with_suffix(".glb")


def _attempt(path: Path, pipeline: Pipeline, options: argparse.Namespace) -> int:
    """Convert one photo and tell how it went; 0, or 1 when it failed."""
    try:
        record = asyncio.run(_convert(path, pipeline, options))
    except Exception as error:  # whatever it is, the other photos go on
        if options.json:
            code = getattr(error, "code", type(error).__name__)
            print(json.dumps({"photo": str(path), "error": {"code": code, "sentence": _sentence(error)}}), flush=True)
        return _report(f"{path}: {_sentence(error)}", 1)
    if options.json:
        print(json.dumps(record), flush=True)
    else:
        seconds = sum(record["milliseconds"].values()) / 1000
        print(f"{record['glb']}: {record['triangles']} triangles, {record['glb_bytes'] // 1000} kB, {seconds:.1f} s")
        print("".join(f"  {note}\n" for note in record["notes"]), end="", flush=True)
    return 0


async def _convert(path: Path, pipeline: Pipeline, options: argparse.Namespace) -> dict:
    """Convert one photo and write its files; the record that --json prints."""
    start = perf_counter()
    picture = photo.decode(path.read_bytes())
    milliseconds = {"photo": (perf_counter() - start) * 1000}
    disparity = None
    if options.depth:
        disparity = depth.read(options.depth.read_bytes(), options.depth.name, options.depth_far_is_large)
    result = await pipeline.run(picture, disparity)
    output = _output(path, options)
    output.write_bytes(result.glb)
    record = {
        "photo": str(path),
        "glb": str(output),
        "size": picture.source_size,
        "notes": picture.notes,
        "network": pipeline.network.name if disparity is None and picture.disparity is None else None,
        "milliseconds": {stage: round(time, DIGITS) for stage, time in (milliseconds | result.times).items()},
        **result.counts,
    }
    if options.json or options.views:
        record |= _measure(result.glb, options.views / path.stem if options.views else None)
    return record


def _measure(data: bytes, prefix: Path | None) -> dict:
    """Render the written file from the centre and the extremes; shares of pixels, and PNGs where a prefix is given."""
    positions, uv, triangles, atlas, extras = glb.decode(data)
    camera = glb.camera_of(extras)
    uncovered, stretched = {}, {}
    for name, offset in VIEWS.items():
        image, covered, drawn_out = render(positions, uv, triangles, atlas, camera, offset)
        uncovered[name] = round(float(1 - covered.mean()), DIGITS + 2)
        stretched[name] = round(float(drawn_out.mean()), DIGITS + 2)
        if prefix:
            Image.fromarray(image).save(f"{prefix}.{name}.png")
            Image.fromarray(np.where(covered, 0, 255).astype(np.uint8)).save(f"{prefix}.{name}.uncovered.png")
    return {"uncovered": uncovered, "stretched": stretched}


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return error.sentence
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used ({error.strerror})."
    return f"Tiefblick stumbled over this photo, which is a fault of ours ({type(error).__name__}: {error})."


def _report(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
