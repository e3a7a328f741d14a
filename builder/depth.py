"""The depth network of a build: Tiefblick's own, or the published one for who wants that.

The published network is no part of this project. Its files come from a folder, or from the authors' repository at a
pinned commit, and are checked by sha256 either way; then they are converted to ONNX and take our network's place.
"""

import shutil
import tempfile
import urllib.request
from pathlib import Path

from .common import ROOT, Failure, run, step, venv_python
from .parts import python_parts
from .wheels import cache_folder, sha256

OWN, PUBLISHED = "own", "published"
REPOSITORY = "https://raw.githubusercontent.com/facebookresearch/one_shot_3d_photography"
COMMIT = "75d65ef4020ab51ea7de466ffeae96b140591a8c"
FILES = {  # path in the repository: sha256
    "model/tiefenrausch.pb": "7fd8d7eb5948fe8fe9ae0a5c67792a5553f09a26572be5ccc1f0584db15d2034",
    "model/tiefenrausch_init.pb": "8595624b4ac3d639d5f769fc95d7e0c5f2caa9c9edb356110a533acbb30b50af",
    "LICENSE": "cac92baa263212b57d1900e78957498e3824bb759adbff6b9f843e431dcb5044",
}
TIMEOUT = 20  # seconds without an answer
CONVERTER = ROOT / "models" / "tiefenrausch" / "published.py"


def release(folder: Path | None = None) -> Path:
    """A folder with the release's files, checked: the given one, else a cache that is filled from the repository.

    Raises Failure when a file is missing, is another one, or cannot be fetched.
    """
    if folder is None:
        folder = cache_folder(f"{PUBLISHED}-{COMMIT[:8]}")
        _fetch(folder)
    for path, expected in FILES.items():
        file = folder / Path(path).name
        if not file.is_file():
            raise Failure(f"{folder} lacks {file.name} of the published depth network.")
        if sha256(file) != expected:
            raise Failure(f"{file} is not the file of the published depth network (its sha256 differs).")
    return folder


def _fetch(folder: Path) -> None:
    """Load what `folder` lacks; a file that is not the right one is not kept."""
    wanted = {path: folder / Path(path).name for path in FILES}
    missing = {path: file for path, file in wanted.items() if not file.is_file() or sha256(file) != FILES[path]}
    if not missing:
        return
    with step("Fetching the published depth network"), tempfile.TemporaryDirectory(dir=folder) as scratch:
        for path, file in missing.items():
            partial = Path(scratch) / file.name
            address = f"{REPOSITORY}/{COMMIT}/{path}"
            try:
                with urllib.request.urlopen(address, timeout=TIMEOUT) as answer, partial.open("wb") as target:
                    shutil.copyfileobj(answer, target)
            except OSError as error:
                raise Failure(
                    f"{address} could not be fetched ({error}). With --release FOLDER the files come from a folder."
                ) from error
            if sha256(partial) != FILES[path]:
                raise Failure(f"What {address} gave has the wrong sha256 and is not used.")
            partial.replace(file)


def replace(target: Path, source: Path) -> None:
    """Put the published network of the release in `source` in place of our own in `target`, its licence beside it."""
    python_parts("run", "published")
    with step("Converting the published depth network"):
        convert = [venv_python(), CONVERTER, source, target / "tiefenrausch.onnx"]
        # Float activations, clipped: in a browser twice as fast as quantised ones.
        run([*convert, "--float", "--check", target / "check.npz"], "The published network could not be converted.")
    shutil.copyfile(source / "LICENSE", target / "LICENSE")
