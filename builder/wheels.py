"""The Pyodide wheels of numpy, scipy and pillow: from the cache, else from a source, always checked by sha256.

No package index carries these wheels under their own names. The sources are Pyodide's own CDN and, for machines that
reach only a package index, the wheel of open-webui on PyPI, which ships the same files inside it.
"""

import hashlib
import json
import shutil
import tempfile
import urllib.request
import zipfile
from pathlib import Path

from .common import HOME_CACHE, NODE_MODULES, ROOT, WORK, Failure, say, step, try_run, venv_python
from .parts import python_parts

PACKAGES = ("numpy", "scipy", "pillow")
CDN = "https://cdn.jsdelivr.net/pyodide/v{version}/full/"
CDN_TIMEOUT = 5  # seconds without an answer; the second source is as good
CARRIER = "open-webui==0.12.4"
CARRIER_PYTHON = "3.12"  # it declares an upper bound that the Python of the build may exceed; nothing of it is run


def pyodide_lock() -> dict:
    """The lock file of the installed Pyodide."""
    return json.loads((NODE_MODULES / "pyodide" / "pyodide-lock.json").read_text())


def pyodide_version() -> str:
    return json.loads((NODE_MODULES / "pyodide" / "package.json").read_text())["version"]


def fetch() -> dict[str, Path]:
    """Path of each wheel of PACKAGES, whole and checked. Raises Failure when no source is within reach."""
    entries = {name: pyodide_lock()["packages"][name] for name in PACKAGES}
    folder = cache_folder("wheels")
    missing = {name: entry for name, entry in entries.items() if not _sound(folder / entry["file_name"], entry)}
    if missing:
        with step(f"Fetching {', '.join(missing)} for Pyodide"):
            for source in (_from_cdn, _from_carrier):
                missing = {name: entry for name, entry in missing.items() if not _take(source, entry, folder)}
    if missing:
        raise Failure(
            f"The Pyodide wheels of {', '.join(missing)} could not be fetched: neither Pyodide's CDN nor the package "
            f"index is within reach. They can also be put into {folder} by hand."
        )
    return {name: folder / entry["file_name"] for name, entry in entries.items()}


def cache_folder(name: str) -> Path:
    """The cache shared between clones, or this clone's own where the home folder cannot be written."""
    for folder in (HOME_CACHE / name, WORK / name):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            return folder
        except OSError:
            continue
    raise Failure(f"Neither {HOME_CACHE} nor {WORK} can be written.")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sound(path: Path, entry: dict) -> bool:
    return path.is_file() and sha256(path) == entry["sha256"]


def _take(source, entry: dict, folder: Path) -> bool:
    """Fetch one wheel into the cache; False, with a sentence, when this source cannot give the right one."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / entry["file_name"]
        try:
            source(entry["file_name"], path)
        except OSError as error:
            say(f"  {entry['name']}: {source.__doc__} gave nothing ({error}).")
            return False
        if not _sound(path, entry):
            say(f"  {entry['name']}: what {source.__doc__} gave has the wrong sha256 and is not used.")
            return False
        path.replace(folder / path.name)
        return True


def _from_cdn(name: str, target: Path) -> None:
    """Pyodide's CDN"""
    url = CDN.format(version=pyodide_version()) + name
    with urllib.request.urlopen(url, timeout=CDN_TIMEOUT) as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file)


def _from_carrier(name: str, target: Path) -> None:
    """the package index"""
    python_parts()  # pip knows the index, its certificates and its credentials
    part = try_run([venv_python(), Path(__file__).with_name("wheel_member.py"), CARRIER, CARRIER_PYTHON, name, target])
    if part.returncode == 0:
        return
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        pip = [venv_python(), "-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--only-binary=:all:"]
        done = try_run([*pip, "--python-version", CARRIER_PYTHON, "--dest", scratch, CARRIER], cwd=ROOT)
        carriers = list(Path(scratch).glob("*.whl"))
        if done.returncode or not carriers:
            raise OSError(done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "pip failed")
        with zipfile.ZipFile(carriers[0]) as archive:
            member = next(info for info in archive.infolist() if info.filename.endswith("/" + name))
            with archive.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
