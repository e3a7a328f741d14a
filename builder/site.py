"""`dist/`: a plain static site for any host and any subfolder. Nothing in it asks another host for anything.

index.html  pyscript.toml  sw.js    the page, its worker's configuration, the service worker
app/  models/                       the pipeline's Python files and the networks, as they are
static/                             scripts, bundled by esbuild; styles, icons, samples as they are
static/tief-photo.js                the viewer in one file, for our pages, for other sites and for files that are shared
view.html  embed.html               the light page that opens shared links; how other pages show 3D photos
manifest.webmanifest                makes the page an app that can be installed
vendor/pyscript/  pyodide/  ort/    PyScript, Python with numpy, scipy and pillow, ONNX Runtime Web
"""

import json
import shutil
from pathlib import Path

from . import depth, offline, slim, wheels
from .common import DIST, NODE_MODULES, ROOT, WORK, Failure, digest, once, run, step
from .parts import npm_parts

PAGES = ("index.html", "view.html", "embed.html", "manifest.webmanifest", "pyscript.toml")
SOURCES = (*PAGES, "app", "models", "static", "builder", "package-lock.json")
SERVICE_WORKER = "static/sw.js"
LINK_PAGE = "static/view.js"  # whole, too, though it shares with others: each further file costs a visit a round trip
COMPONENT = "static/tief-photo.js"  # the one file that other sites copy, and that files which are shared hold
VERSION_MARK = "__VERSION__"  # in sw.js: a new version of anything makes a new service worker
FILES_MARK = "__FILES__"  # there, too: what it keeps
# And what of each is not for the page.
OWN_FOLDERS = {"app": (), "models": ("*.py", "*.md", "*.json"), "static": ("*.js", "photo")}
PYODIDE_FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm")
# PyScript without what its editor and terminal load when they are used. Its chunks carry hashes in their names.
PYSCRIPT_FILES = ("core*", "deprecations-manager*", "donkey*", "error*", "py-*", "pyodide_graph*", "toml*", "zip*")
ORT_FILES = (
    "ort.wasm.min.mjs",  # the default: WASM with or without threads
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
EXTERNAL = ("../vendor/*",)  # imported at run time from where dist/ has it


def build(release: Path | None = None) -> None:
    """Make `dist/` if anything that it is made from has changed; with the published depth network of `release`."""
    npm_parts()
    sources = [ROOT / name for name in SOURCES]
    missing = [path.name for path in sources if not path.exists()]
    if missing:
        raise Failure(f"The site cannot be built without {', '.join(missing)}.")
    once("dist", digest(*sources) + (depth.PUBLISHED if release else ""), lambda: _build(release), DIST)


def _build(release: Path | None) -> None:
    parts = slim.slimmed(wheels.fetch())
    with step("Building dist/"):
        site = WORK / "dist"
        shutil.rmtree(site, ignore_errors=True)
        site.mkdir(parents=True)
        _copy_own_files(site)
        if release:
            depth.replace(site / "models" / "tiefenrausch", release)
        _copy_runtimes(site)
        _copy_wheels(site / "vendor" / "pyodide", parts)
        _bundle_scripts(site / "static")
        _add_service_worker(site, (ROOT / SERVICE_WORKER).read_text(encoding="utf-8"))
        shutil.rmtree(DIST, ignore_errors=True)
        site.rename(DIST)


def _copy_own_files(site: Path) -> None:
    for name in PAGES:
        shutil.copy(ROOT / name, site / name)
    for name, without in OWN_FOLDERS.items():
        shutil.copytree(ROOT / name, site / name, ignore=shutil.ignore_patterns("__pycache__", *without))


def _copy_runtimes(site: Path) -> None:
    vendor = site / "vendor"
    _copy(NODE_MODULES / "pyodide", vendor / "pyodide", PYODIDE_FILES)
    _copy(NODE_MODULES / "onnxruntime-web" / "dist", vendor / "ort", ORT_FILES)
    _copy(NODE_MODULES / "@pyscript" / "core" / "dist", vendor / "pyscript", PYSCRIPT_FILES)


def _copy(source: Path, target: Path, patterns: tuple[str, ...]) -> None:
    target.mkdir(parents=True)
    for pattern in patterns:
        found = [path for path in source.glob(pattern) if path.suffix != ".map"]
        if not found:
            raise Failure(f"The installed package has no {pattern}: does package-lock.json name another version?")
        for path in found:
            shutil.copy(path, target / path.name)


def _copy_wheels(target: Path, parts: dict[str, Path]) -> None:
    """The standard library, the wheels, and a lock file that names them alone, with the sha256 of what is shipped."""
    lock = wheels.pyodide_lock()
    lock["packages"] = {name: lock["packages"][name] for name in wheels.PACKAGES}
    for path in parts.values():
        shutil.copy(path, target / path.name)
    for name, entry in lock["packages"].items():
        entry["sha256"] = wheels.sha256(parts[name])
    (target / "pyodide-lock.json").write_text(json.dumps(lock))


def _bundle_scripts(target: Path) -> None:
    """Every script of static/ keeps its name; what they share goes into chunks; two are whole in their files."""
    scripts = {path.relative_to(ROOT).as_posix() for path in (ROOT / "static").glob("*.js")}
    others = sorted(scripts - {SERVICE_WORKER, COMPONENT, LINK_PAGE})
    _esbuild(others, target, "--splitting", f"--external:./{Path(COMPONENT).name}")
    _esbuild([LINK_PAGE], target)
    _esbuild([COMPONENT], target, "--loader:.css=text")


def _esbuild(scripts: list[str], target: Path, *options: str) -> None:
    esbuild = ["node", NODE_MODULES / "esbuild" / "bin" / "esbuild", *scripts, f"--outdir={target}", *options]
    flags = ["--bundle", "--format=esm", "--minify", "--target=es2022", "--log-level=warning", "--legal-comments=eof"]
    externals = [f"--external:{pattern}" for pattern in EXTERNAL]
    run([*esbuild, *flags, *externals], "esbuild could not bundle static/.", cwd=ROOT)


def _add_service_worker(site: Path, source: str) -> None:
    files = json.dumps(offline.listing(site), separators=(",", ":"))
    filled = source.replace(VERSION_MARK, digest_of_site(site)).replace(FILES_MARK, files)
    (site / "sw.js").write_text(filled, encoding="utf-8")


def digest_of_site(site: Path) -> str:
    """Short content hash of everything in the site."""
    return digest(site)[:16]
