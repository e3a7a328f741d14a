"""Folders, progress and failures: what every step of the build shares."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
NODE_MODULES = ROOT / "node_modules"
WORK = ROOT / ".cache"  # what this clone has made on the way to dist/, and the stamps of what is done
HOME_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tiefblick"  # shared between clones


class Failure(Exception):
    """Something that keeps the build from going on, as one plain sentence."""


def say(text: str) -> None:
    """Print one line of progress at once, also through a pipe."""
    print(text, flush=True)


@contextmanager
def step(text: str):
    """Announce what takes long, and say how long it took."""
    say(f"{text} ...")
    start = time.monotonic()
    yield
    say(f"  done in {time.monotonic() - start:.1f} s")


def run(command: Sequence[str | Path], sentence: str, **options) -> None:
    """Run a command quietly; when it fails, show the end of what it printed and raise Failure(sentence)."""
    done = try_run(command, **options)
    if done.returncode:
        tail = "\n".join(f"  | {line}" for line in done.stdout.strip().splitlines()[-12:])
        raise Failure(f"{sentence}\n{tail}" if tail else sentence)


def try_run(command: Sequence[str | Path], **options) -> subprocess.CompletedProcess:
    """Run a command with stdout and stderr together in `.stdout`; a command that is not there gives status 127."""
    command = [str(part) for part in command]
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, f"{command[0]} is not there.")


def digest(*paths: Path) -> str:
    """One sha256 over the names and contents of files and of all files in folders, in sorted order."""
    total = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(f"{file.relative_to(path.parent).as_posix()}\0{file.stat().st_size}\0".encode())
                total.update(file.read_bytes())
    return total.hexdigest()


def once(name: str, key: str, action: Callable[[], None], *results: Path) -> bool:
    """Run `action` unless it ended well before with the same key and its results are still there. True if it ran."""
    stamp = WORK / "stamps" / name
    if stamp.is_file() and stamp.read_text() == key and all(result.exists() for result in results):
        return False
    stamp.unlink(missing_ok=True)
    action()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)
    return True


def is_posix() -> bool:
    return os.name == "posix"


def venv_python() -> Path:
    """The interpreter of the project's virtual environment, whether it is made yet or not."""
    return ROOT / ".venv" / ("bin/python" if is_posix() else "Scripts/python.exe")


def running_python() -> str:
    """Version and path of the interpreter that runs the build: a new one needs a new virtual environment."""
    return f"{sys.version_info[:3]} {sys.executable}"
