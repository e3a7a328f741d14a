// Runs tests/unit in Pyodide: node run_unit_tests.mjs ROOT DIST EXTRAS STDLIB
//
// Python, its standard library, numpy, scipy and pillow are those of dist/. Only after the pipeline has been imported
// from them alone does the path get what pytest itself needs: the pure packages of EXTRAS and the full standard library.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

// Node would print the line that threw, and Pyodide's lines are a megabyte long.
process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});

const [root, dist, extras, stdlib] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${dist}/vendor/pyodide/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${dist}/vendor/pyodide/`, env: { HOME: "/home/pyodide", NO_COLOR: "1" } });
await pyodide.loadPackage(["numpy", "scipy", "pillow"], { messageCallback() {} });

const mount = (folder, place) => {
  pyodide.FS.mkdirTree(place);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, place);
};
mount(root, "/root");
mount(extras, "/extras");
pyodide.FS.writeFile("/full_stdlib.zip", readFileSync(stdlib));

process.exitCode = pyodide.runPython(`
import asyncio, importlib, sys, tomllib
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, "/root")
shipped = tomllib.loads(Path("/root/pyscript.toml").read_text())["files"].values()
for module in sorted(file.removesuffix(".py").replace("/", ".") for file in shipped if file.endswith(".py")):
    importlib.import_module(module.removesuffix(".__init__"))

sys.path += ["/full_stdlib.zip", "/extras"]
import pytest


def run(coroutine):
    """asyncio.run for coroutines that only ever yield to the event loop: Node 20 cannot suspend WebAssembly."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


asyncio.run = run
int(pytest.main(["/root/tests/unit", "--rootdir=/root", "-c", "/root/pyproject.toml", "-p", "no:cacheprovider", "-q"]))
`);
