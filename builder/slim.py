"""The Pyodide wheels without what the pipeline never uses, compiled: a page that starts sooner.

Each wheel is unpacked, cut, patched, compiled by the very Python that will run it, and packed again. The wheels are
pinned by sha256, so every rule is checked to match: a new version that moves something ends the build with a sentence.
The tests run the core inside Pyodide from these same wheels, which is what says that nothing needed was cut.

What it brings, on two busy x86 cores. In Node 20, ms until numpy, ndimage, csgraph and Pillow are imported:

    whole                          loadPyodide 2240   loadPackage 2830   imports 2010
    wheels cut and compiled                    1790                770            490
    standard library compiled, too              590                620            320

In Chromium, from navigation to the pipeline imported (warm cache, four visits each): 11.9 to 17.4 s before, 4.0 to
5.5 s after. Size of the four zips: 20.5 MB before, 7.5 MB after (scipy 14.0 to 1.5). Compiled, the standard library is
larger than its source (3.9 against 2.5 MB); without the modules that nothing here imports it is 2.6 MB.

Tried and left: zips without compression start no sooner, and most hosts would not compress them on the way. A snapshot
of the interpreter's memory saves at most what loadPyodide still takes and is 4.9 MB more to load.
"""

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .common import NODE_MODULES, ROOT, WORK, Failure, digest, once, run, step

# Kept for everyone's licences: the dist-info folders, wherever they carry LICENSE files.
NOT_AT_RUN_TIME = "*.dist-info/RECORD **/tests **/*.pyi **/*.pxd **/*.pyx **/*.h **/*.a **/*.c **/py.typed".split()

STUB = '''"""Cut from this build."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def cut(self, *_, **__):
        raise NotImplementedError(f"{__name__}.{name} is cut from this build.")

    return type(name, (), {"__init__": cut})
'''

# A WebAssembly side module with nothing in it but its dylink section: no memory, no table.
EMPTY_LIBRARY = b"\0asm\x01\0\0\0" + b"\0\x0f" + b"\x08dylink.0" + b"\x01\x04\0\0\0\0"


@dataclass(frozen=True)
class Rules:
    """What happens to one wheel. Patterns are globs below the unpacked wheel.

    drop: files and folders that go.
    stub: packages of which only names remain, for `from package import name` elsewhere; using one raises.
    keep: files of stubbed packages that stay.
    patch: (file, old text, new text).
    write: (file, content) that takes the place of what was there.
    """

    drop: tuple[str, ...] = ()
    stub: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    patch: tuple[tuple[str, str, str], ...] = ()
    write: tuple[tuple[str, bytes], ...] = ()


RULES = {
    "numpy": Rules(
        drop=(
            "numpy/_core/include",
            "numpy/_core/lib",
            "numpy/_pyinstaller",
            "numpy/conftest.py",
            "numpy/doc",
            "numpy/f2py",
        )
    ),
    # What the pipeline imports: ndimage, sparse, sparse.csgraph and spatial.Delaunay. Those import linalg (and with it
    # the 6.5 MB of openblas), special and sparse.linalg for functions that the pipeline never calls.
    "scipy": Rules(
        drop=(
            "scipy.libs",
            *"scipy/cluster scipy/constants scipy/datasets scipy/differentiate scipy/fft scipy/fftpack".split(),
            *"scipy/integrate scipy/interpolate scipy/io scipy/misc scipy/odr scipy/optimize scipy/signal".split(),
            *"scipy/stats scipy/_external/cobyqa scipy/_external/pyprima scipy/_lib/_uarray".split(),
            *(f"scipy/_external/array_api_compat/{library}" for library in ("cupy", "dask", "torch")),
            *"scipy/spatial/[!_]*.py scipy/spatial/_[!_]*.py scipy/spatial/qhull_src scipy/spatial/transform".split(),
            *(f"scipy/spatial/_{module}*.so" for module in ("ckdtree", "distance_pybind", "distance_wrap")),
            *(f"scipy/spatial/_{module}*.so" for module in ("hausdorff", "voronoi")),
            *"scipy/**/_test_*.so scipy/ndimage/_ctest*.so scipy/ndimage/_cytest*.so".split(),
        ),
        stub=("scipy/linalg", "scipy/special", "scipy/sparse/linalg"),
        keep=("scipy/linalg/cython_lapack*.so",),
        patch=(
            # Cloning numpy's namespace imported all that numpy loads lazily: f2py, testing, polynomial, random, ...
            (
                "scipy/_external/array_api_compat/_internal.py",
                '    exec(f"from {mod.__name__} import *", objs)\n\n    for n in dir(mod):',
                "    for n in list(vars(mod)):",
            ),
            # Docstrings are compiled away, so there is none to parse and extend, and no need of pydoc.
            ("scipy/_lib/_array_api.py", "        doc = FunctionDoc(f)\n", "        return f\n"),
            ("scipy/_lib/_docscrape.py", "import pydoc\n", ""),
        ),
        write=(
            ("scipy/spatial/__init__.py", b"from ._qhull import Delaunay\n"),
            # qhull takes the addresses of LAPACK functions at import, for methods such as Delaunay.find_simplex, which
            # ends the interpreter here. An empty library satisfies the linker and saves 6.5 MB (2.2 compressed).
            ("scipy.libs/libopenblas.so", EMPTY_LIBRARY),
        ),
    ),
    # Compiled, the standard library is larger than its source; without these it is as small as before.
    "stdlib": Rules(
        drop=(
            *"_pydatetime.py _pyio.py _pyrepl bdb.py cProfile.py cmd.py doctest.py ftplib.py imaplib.py".split(),
            *"mailbox.py modulefinder.py multiprocessing optparse.py pdb.py pickletools.py plistlib.py".split(),
            *"poplib.py profile.py pstats.py pyclbr.py pydoc.py smtplib.py sqlite3 statistics.py trace.py".split(),
            *"unittest webbrowser.py wsgiref xml/dom xml/sax xmlrpc".split(),
            # zipfile reads names as cp437.
            *(f"encodings/cp{name}*.py" for name in ("0", "10", "11", "2", "424", "5", "7", "8", "9")),
            *(f"encodings/{name}*.py" for name in ("hp", "iso2022", "iso8859_[2-9]", "koi8", "mac", "ptcp154", "tis")),
        )
    ),
    "pillow": Rules(
        drop=(
            "PIL/_imagingft*.so",  # fonts
            "PIL/ImageTk.py",
            "PIL/ImageQt.py",
            "PIL/_tkinter_finder.py",
        )
    ),
}


def slimmed(whole: dict[str, Path]) -> dict[str, Path]:
    """Slim versions of whole wheels (name to path), and of Python's standard library as "stdlib"."""
    folder = WORK / "slim"
    sources = {**whole, "stdlib": NODE_MODULES / "pyodide" / "python_stdlib.zip"}
    results = {name: folder / path.name for name, path in sources.items()}
    key = digest(Path(__file__), Path(__file__).with_name("compile.mjs"), ROOT / "package-lock.json")
    once("slim", key, lambda: _slim(sources, results), *results.values())
    return results


def _slim(sources: dict[str, Path], results: dict[str, Path]) -> None:
    with step("Cutting and compiling the Python packages for the page"):
        scratch = WORK / "unpacked"
        shutil.rmtree(scratch, ignore_errors=True)
        for name, path in sources.items():
            with zipfile.ZipFile(path) as archive:
                archive.extractall(scratch / name)
            _apply(RULES.get(name, Rules()), scratch / name)
        compiler = Path(__file__).with_name("compile.mjs")
        run(["node", compiler, scratch], "Pyodide could not compile the packages.", cwd=ROOT)
        for name, path in results.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _pack(scratch / name, path)
        shutil.rmtree(scratch)


def _apply(rules: Rules, folder: Path) -> None:
    for pattern in NOT_AT_RUN_TIME:
        _remove(list(folder.glob(pattern)))
    for pattern in rules.drop:
        _remove(_found(folder, pattern))
    kept = {path: path.read_bytes() for pattern in rules.keep for path in _found(folder, pattern)}
    for package in rules.stub:
        _remove(_found(folder, package))
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text(STUB)
    for file, old, new in rules.patch:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise Failure(f"{file} is not the file that the patch in builder/slim.py was made for.")
        path.write_text(text.replace(old, new), encoding="utf-8")
    for path, content in (*kept.items(), *((folder / file, content) for file, content in rules.write)):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def _found(folder: Path, pattern: str) -> list[Path]:
    found = list(folder.glob(pattern))
    if not found:
        raise Failure(f"builder/slim.py cuts {pattern}, which the package does not have.")
    return found


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _pack(folder: Path, target: Path) -> None:
    """A zip with fixed times and order: the same input gives the same bytes, and the same service worker version."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes(), compresslevel=9)
