"""The parts that others made: Python packages, npm packages, the tests' browser. Installed once per lock file."""

import os
import shutil
import subprocess
import sys

from .common import (
    NODE_MODULES,
    ROOT,
    WORK,
    Failure,
    digest,
    once,
    run,
    running_python,
    say,
    step,
    try_run,
    venv_python,
)

OLDEST_NODE = 20
BROWSER_VARIABLE = "TIEFBLICK_CHROMIUM"
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
BROWSER_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)


def python_parts(*locks: str) -> None:
    """Make `.venv` and install the named lock files of `requirements/` ("run", "test") into it."""
    once("venv", running_python(), _make_venv, venv_python())
    for lock in locks:
        path = ROOT / "requirements" / f"{lock}.lock"
        once(f"python-{lock}", running_python() + digest(path), lambda path=path: _pip_install(path))


def _make_venv() -> None:
    with step("Making the virtual environment .venv"):
        shutil.rmtree(ROOT / ".venv", ignore_errors=True)
        for stamp in (WORK / "stamps").glob("python-*"):  # what was installed is gone with it
            stamp.unlink()
        run(
            [sys.executable, "-m", "venv", ROOT / ".venv"],
            "Python could not make a virtual environment (on Debian and Ubuntu: apt install python3-venv).",
        )


def _pip_install(lock) -> None:
    with step(f"Installing the Python parts of {lock.relative_to(ROOT).as_posix()}"):
        pip = [venv_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        run(
            [*pip, "--require-hashes", "--only-binary=:all:", "--no-deps", "-r", lock],
            "pip could not install the Python parts: is the package index within reach?",
        )


def npm_parts() -> None:
    """Install the packages of `package-lock.json` into `node_modules/`."""
    once("npm", digest(ROOT / "package-lock.json"), _npm_ci, NODE_MODULES / "pyodide" / "package.json")


def _npm_ci() -> None:
    version = try_run(["node", "--version"]).stdout.strip().lstrip("v")
    if not version.split(".")[0].isdigit() or int(version.split(".")[0]) < OLDEST_NODE:
        raise Failure(f"Node {OLDEST_NODE} or newer is needed (nodejs.org); found: {version or 'none'}.")
    with step("Installing the npm parts"):
        # No package here needs its install script: esbuild's and protobufjs's only speed up or check themselves.
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        npm = shutil.which("npm") or "npm"  # npm.cmd on Windows
        run([npm, "ci", *flags], "npm could not install its parts: is the npm registry within reach?", cwd=ROOT)


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome: from $TIEFBLICK_CHROMIUM, the PATH, the usual places; None if there is none."""
    named = os.environ.get(BROWSER_VARIABLE)
    candidates = [named] if named else [*BROWSER_NAMES, *BROWSER_PLACES]
    return next((path for path in map(shutil.which, candidates) if path), None)


def chromium() -> str:
    """Path of a Chromium; on Debian and Ubuntu it is installed when it is missing and we may."""
    if not find_chromium():
        apt_install("chromium")
    found = find_chromium()
    if not found:
        raise Failure(f"The browser tests need Chromium or Chrome: install one, or name it in {BROWSER_VARIABLE}.")
    return found


def firefox() -> list[str] | None:
    """Command of a Firefox on a display that nobody sees, or None where there is none and none can be installed."""
    needed = {"firefox-esr": "firefox-esr", "xvfb": "xvfb-run", "xauth": "xauth"}
    missing = [package for package, command in needed.items() if not shutil.which(command)]
    if missing:
        try:
            apt_install(*missing, "libegl1", "libgl1-mesa-dri")
        except Failure as failure:  # Ubuntu has no firefox-esr; the other tests do without
            say(str(failure))
    found = [shutil.which(command) for command in ("xvfb-run", "firefox-esr")]
    return found if all(found) else None


def apt_install(*packages: str) -> None:
    """Install packages of Debian or Ubuntu, where we are root there."""
    if not shutil.which("apt-get") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    with step(f"Installing {' and '.join(packages)} for the tests"):
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdin": subprocess.DEVNULL}
        try_run(["apt-get", "update", "-qq"], **quiet)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        run(install, "apt-get could not install the browsers: are Debian's packages within reach?", **quiet)
