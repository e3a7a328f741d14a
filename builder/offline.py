"""The list of files that the service worker keeps for use without a network."""

import hashlib
from fnmatch import fnmatch
from pathlib import Path

HASH = 16  # hexadecimal digits of the sha256: tells versions of one file apart
# sw.js holds the list, and a share service of the site's owner answers share.json in its own words.
UNLISTED = ("sw.js", "static/share.json")
# Kept by devices that use them, as the runtimes beside the WASM one; `*` also matches slashes.
EXTRA = ("vendor/ort/*webgpu*", "vendor/ort/*asyncify*")
EXTRA += ("static/screenshots/*", "static/icons/*-512.png", "*/LICENSE", "*.md", "app/cli.py", "app/render.py")
EXTRA += ("models/*.jpg",)
WORK = ("static/movie.js",)
SHELL = ("*.html", "manifest.webmanifest", "static/*")


def listing(site: Path) -> dict[str, tuple[str, int, str]]:
    """{path: (hash, bytes, kind)} of a built site's files. The kinds: "shell", what the pages are made of; "work",
    what a conversion needs beside it; "extra", what only some need."""
    files = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*")) if path.is_file()}
    return {
        name: (hashlib.sha256(path.read_bytes()).hexdigest()[:HASH], path.stat().st_size, _kind(name))
        for name, path in files.items()
        if name not in UNLISTED
    }


def _kind(name: str) -> str:
    kinds = (("extra", EXTRA), ("work", WORK), ("shell", SHELL))
    return next((kind for kind, patterns in kinds if any(fnmatch(name, pattern) for pattern in patterns)), "work")
