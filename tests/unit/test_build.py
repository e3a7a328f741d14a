import ast
import json
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
import zipfile

import pytest

if sys.platform == "emscripten":
    pytest.skip("the build runs outside of Pyodide", allow_module_level=True)

from builder import common, parts, slim, wheels
from builder.common import NODE_MODULES, ROOT, Failure
from builder.server import ISOLATION, Server


def build_py(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, ROOT / "build.py", *arguments], capture_output=True, text=True, **options)


# Pins


@pytest.mark.parametrize("name", ["run.lock", "share.lock", "test.lock", "published.lock"])
def test_every_python_part_is_pinned_by_hash(name):
    text = (ROOT / "requirements" / name).read_text()
    assert "://" not in text
    pins = [block for block in re.split(r"\n(?=\S)", text) if not block.startswith("#")]
    assert len(pins) >= 5
    assert all(re.match(r"[\w.-]+==\S+", pin) and "--hash=sha256:" in pin for pin in pins)


def test_npm_lock_names_no_registry():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    parts_of_others = [entry for path, entry in packages.items() if path]
    assert parts_of_others
    assert all("integrity" in entry and "resolved" not in entry for entry in parts_of_others)


def test_both_sides_run_the_same_numpy_and_pillow():
    lock = (ROOT / "requirements" / "run.lock").read_text()
    for name in ("numpy", "pillow"):
        assert f"\n{name}=={wheels.pyodide_lock()['packages'][name]['version']} " in lock


def imports(module: str) -> set[str]:
    """Names of the app's modules that a module imports anywhere in its file."""
    tree = ast.parse((ROOT / "app" / f"{module}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level == 1 or node.module == "app"):
            found |= {node.module} if node.level and node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("app."):
            found.add(node.module.removeprefix("app."))
    return {name for name in found if (ROOT / "app" / f"{name}.py").exists()}


def test_the_worker_is_given_every_module_that_the_page_imports():
    needed, queue = {"__init__"}, imports("main")
    while queue:
        needed |= queue
        queue = {name for module in queue for name in imports(module)} - needed
    shipped = tomllib.loads((ROOT / "pyscript.toml").read_text())["files"]
    assert {file for file in shipped.values() if file.endswith(".py")} == {f"app/{name}.py" for name in needed}
    assert all(source == f"./{target}" and (ROOT / target).is_file() for source, target in shipped.items())


# Steps


def test_a_step_runs_once_a_key_and_again_after_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "WORK", tmp_path)
    runs = []
    assert common.once("step", "key 1", lambda: runs.append(1))
    assert not common.once("step", "key 1", lambda: runs.append(1))
    with pytest.raises(ZeroDivisionError):
        common.once("step", "key 2", lambda: 1 / 0)
    assert common.once("step", "key 1", lambda: runs.append(1))
    assert common.once("step", "key 1", lambda: runs.append(1), tmp_path / "result that went missing")
    assert len(runs) == 3


def test_digest_sees_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    seen = {common.digest(tmp_path)}
    (tmp_path / "a").write_text("2")
    seen.add(common.digest(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    seen.add(common.digest(tmp_path))
    assert len(seen) == 3


def test_a_command_that_is_not_there_is_one_sentence():
    with pytest.raises(Failure, match=r"^It is missing\."):
        common.run(["no-such-command-anywhere"], "It is missing.")


def test_an_old_node_is_refused(tmp_path, monkeypatch):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.19.0\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(Failure, match=r"Node 20 or newer is needed.*18\.19\.0"):
        parts._npm_ci()


def test_a_browser_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv(parts.BROWSER_VARIABLE, sys.executable)
    assert parts.chromium() == sys.executable
    monkeypatch.setenv(parts.BROWSER_VARIABLE, str(tmp_path / "none"))
    assert parts.find_chromium() is None


# Pyodide's wheels


@pytest.fixture
def one_wheel(tmp_path, monkeypatch):
    """The cache is empty and one wheel is wanted, whose right content is b"right"."""
    entry = {"name": "part", "file_name": "part.whl", "sha256": common.hashlib.sha256(b"right").hexdigest()}
    monkeypatch.setattr(wheels, "HOME_CACHE", tmp_path)
    monkeypatch.setattr(wheels, "PACKAGES", ("part",))
    monkeypatch.setattr(wheels, "pyodide_lock", lambda: {"packages": {"part": entry}})
    return tmp_path / "wheels" / "part.whl"


def source(content: bytes | None):
    def give(_, target):
        """a source"""
        if content is None:
            raise OSError("out of reach")
        target.write_bytes(content)

    return give


@pytest.mark.parametrize("first", [None, b"wrong"])
def test_the_second_source_is_used_when_the_first_is_of_no_use(one_wheel, monkeypatch, capsys, first):
    monkeypatch.setattr(wheels, "_from_cdn", source(first))
    monkeypatch.setattr(wheels, "_from_carrier", source(b"right"))
    assert wheels.fetch() == {"part": one_wheel}
    assert one_wheel.read_bytes() == b"right"
    assert "a source gave" in capsys.readouterr().out


def test_the_cache_is_used_and_checked(one_wheel, monkeypatch):
    monkeypatch.setattr(wheels, "_from_cdn", source(b"right"))
    one_wheel.parent.mkdir()
    one_wheel.write_bytes(b"cut off")
    wheels.fetch()
    assert one_wheel.read_bytes() == b"right"
    monkeypatch.setattr(wheels, "_from_cdn", source(None))
    wheels.fetch()


def test_no_source_is_one_sentence_and_leaves_nothing(one_wheel, monkeypatch):
    monkeypatch.setattr(wheels, "_from_cdn", source(None))
    monkeypatch.setattr(wheels, "_from_carrier", source(b"wrong"))
    with pytest.raises(Failure, match="could not be fetched"):
        wheels.fetch()
    assert list(one_wheel.parent.iterdir()) == []


# Slimming


def test_a_stub_gives_names_but_no_function(tmp_path, monkeypatch):
    (tmp_path / "whole_package").mkdir()
    (tmp_path / "whole_package" / "heavy.py").write_text("1 / 0")
    slim._apply(slim.Rules(stub=("whole_package",)), tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    from whole_package import anything

    with pytest.raises(NotImplementedError, match=r"whole_package\.anything is cut"):
        anything(1)


@pytest.mark.parametrize("rules", [slim.Rules(drop=("gone",)), slim.Rules(patch=(("file.py", "old", "new"),))])
def test_a_rule_that_matches_nothing_ends_the_build(tmp_path, rules):
    (tmp_path / "file.py").write_text("other text")
    with pytest.raises(Failure, match=r"builder/slim\.py"):
        slim._apply(rules, tmp_path)


def test_packing_is_reproducible(tmp_path):
    for name, order in (("one", "ab"), ("two", "ba")):
        (tmp_path / name).mkdir()
        for letter in order:
            (tmp_path / name / letter).write_text(letter)
        slim._pack(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


# The site


def test_the_lock_of_the_site_is_true(dist):
    lock = json.loads((dist / "vendor" / "pyodide" / "pyodide-lock.json").read_text())
    assert set(lock["packages"]) == set(wheels.PACKAGES)
    for entry in lock["packages"].values():
        path = dist / "vendor" / "pyodide" / entry["file_name"]
        assert wheels.sha256(path) == entry["sha256"]
        names = zipfile.ZipFile(path).namelist()
        assert not [name for name in names if name.endswith(".py") or "/tests/" in name]
        assert [name for name in names if "LICEN" in name], "the licence has to travel along"


def test_the_service_worker_carries_the_version_of_the_site(dist):
    text = (dist / "sw.js").read_text()
    assert "__VERSION__" not in text
    assert re.search(r'VERSION = "[0-9a-f]{16}"', text)


def get(address: str):
    with urllib.request.urlopen(address) as answer:
        answer.read()
        return answer.headers


@pytest.mark.parametrize("isolated", [True, False])
def test_the_server_isolates_if_asked(tmp_path, isolated):
    (tmp_path / "a.wasm").write_bytes(b"\0asm")
    with Server(tmp_path, prefix="/sub/", isolated=isolated) as server:
        headers = get(server.address + "a.wasm")
    assert {name: headers[name] for name in ISOLATION} == (ISOLATION if isolated else dict.fromkeys(ISOLATION))
    assert headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("a.wasm", "application/wasm"), ("a.mjs", "text/javascript"), ("a.js", "text/javascript")),
        *(("a.css", "text/css"), ("a.glb", "model/gltf-binary"), ("a.svg", "image/svg+xml")),
        *(("a.json", "application/json"), ("a.webmanifest", "application/manifest+json"), ("", "text/html")),
    ],
)
def test_media_types(tmp_path, name, kind):
    (tmp_path / (name or "index.html")).write_text("")
    with Server(tmp_path) as server:
        assert get(server.address + name).get_content_type() == kind


@pytest.mark.parametrize("path", ["missing", "../secret", "%2e%2e/secret", "/secret"])
def test_nothing_outside_is_served(tmp_path, path):
    (tmp_path / "site").mkdir()
    (tmp_path / "secret").write_text("secret")
    with Server(tmp_path / "site", prefix="/sub/") as server:
        address = server.address + path if path[0] != "/" else f"http://localhost:{server.server_port}{path}"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(address)


# The command line


@pytest.mark.parametrize("arguments", [(), ("bake",), ("serve", "--port", "99999"), ("build", "--fast")])
def test_a_wrong_command_shows_the_usage(arguments):
    done = build_py(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_one_sentence(dist):
    with Server(dist) as server:
        done = build_py("serve", "--port", str(server.server_port))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--port" in done.stderr


def test_the_vendored_runtimes_are_those_of_the_lock():
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for name in ("pyodide", "@pyscript/core", "onnxruntime-web", "three"):
        installed = json.loads((NODE_MODULES / name / "package.json").read_text())["version"]
        assert installed == lock[f"node_modules/{name}"]["version"]
