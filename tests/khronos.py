"""The Khronos glTF validator (npm `gltf-validator`) for the tests."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
const { validateBytes } = require("gltf-validator");
const chunks = [];
process.stdin.on("data", chunk => chunks.push(chunk));
process.stdin.on("end", async () => {
  const report = await validateBytes(new Uint8Array(Buffer.concat(chunks)));
  process.stdout.write(JSON.stringify(report.issues.messages));
});
"""


def messages(glb: bytes) -> list[dict]:
    """Everything the validator has to say about a GLB, hints included; needs node and the installed npm packages."""
    done = subprocess.run(["node", "-e", SCRIPT], input=glb, capture_output=True, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"The Khronos validator did not run: {done.stderr.decode()}")
    return json.loads(done.stdout)
