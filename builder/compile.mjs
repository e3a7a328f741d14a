// Compiles every .py below a folder in place to sourceless .pyc, with the Python that will run it: node compile.mjs FOLDER
//
// Level 2 leaves out docstrings and asserts: half of the bytes. Paths in tracebacks are those inside the packages.

import { loadPyodide } from "pyodide";

const folder = process.argv[2];
const pyodide = await loadPyodide();
pyodide.FS.mkdirTree("/work");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, "/work");
pyodide.runPython(`
import pathlib, py_compile

for source in pathlib.Path("/work").rglob("*.py"):
    shown = str(pathlib.Path(*source.parts[3:]))
    target = str(source) + "c"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), target, shown, doraise=True, optimize=2, invalidation_mode=mode)
    source.unlink()
`);
