"""The unit tests once more, where the page runs the pipeline: in Pyodide, from the packages that dist/ ships."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from builder.common import NODE_MODULES, ROOT

# pytest and what it imports: pure Python, taken from the virtual environment.
PYTEST_PARTS = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
TIME_LIMIT = 600  # seconds


def collect_extras(folder: Path) -> Path:
    folder.mkdir()
    for name in PYTEST_PARTS:
        source = Path(importlib.util.find_spec(name).origin)
        if source.name == "__init__.py":
            shutil.copytree(source.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


def test_unit_tests_pass_in_pyodide(dist, tmp_path):
    script = Path(__file__).with_name("run_unit_tests.mjs")
    stdlib = NODE_MODULES / "pyodide" / "python_stdlib.zip"
    command = ["node", script, ROOT, dist, collect_extras(tmp_path / "extras"), stdlib]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT)
    print(done.stdout[-20_000:], done.stderr[-3_000:])
    assert done.returncode == 0
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed, "pytest in Pyodide ran nothing"
