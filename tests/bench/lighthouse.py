"""What Lighthouse says of the pages: `python -m tests.bench.lighthouse`, after `build.py build`.

Ends with an error where accessibility or best practices are below what the project promises. Performance is only told:
it is that of a slow phone which Lighthouse works out from this machine, whose other work it cannot know. The host
compresses, as hosts do. The pages are asked for less motion: Chromium draws in software here, so that each frame of the
sway would count as a pause, which a phone's GPU does not make.
"""

import gzip
import io
import json
import os
import shutil
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path

from builder.common import DIST, WORK, Failure, digest, once, run, step
from builder.parts import chromium
from builder.server import Handler, Server
from tests.conftest import CHROMIUM_FLAGS

PAGES = ("", "view.html?src=static/samples/coffee.glb", "embed.html")
PROMISED = {"accessibility": 95, "best-practices": 95}
CATEGORIES = ("performance", *PROMISED)
PARTS = Path(__file__).with_name("lighthouse_parts")  # 114 packages that nothing else needs
HOME = WORK / "lighthouse"
COMMAND = HOME / "node_modules" / "lighthouse" / "cli" / "index.js"
PATIENCE = 300  # seconds


def install() -> None:
    with step("Installing Lighthouse"):
        shutil.copytree(PARTS, HOME, dirs_exist_ok=True)
        npm = [shutil.which("npm") or "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        run(npm, "npm could not install Lighthouse: is the npm registry within reach?", cwd=HOME)


def send_compressed(handler: Handler):
    """In place of the server's own answer: the file as gzip makes it."""
    path = Path(handler.translate_path(handler.path))
    path = path / "index.html" if path.is_dir() else path
    if not path.is_file():
        handler.send_error(HTTPStatus.NOT_FOUND)
        return None
    body = gzip.compress(path.read_bytes(), 6)
    handler.send_response(HTTPStatus.OK)
    headers = {"Content-Type": handler.guess_type(path), "Content-Encoding": "gzip", "Content-Length": len(body)}
    for name, value in headers.items():
        handler.send_header(name, str(value))
    handler.end_headers()
    return io.BytesIO(body)


def look(address: str) -> dict:
    """Lighthouse's report on one page."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        flags = " ".join(("--headless=new", "--force-prefers-reduced-motion", *CHROMIUM_FLAGS))
        options = [
            f"--only-categories={','.join(CATEGORIES)}",
            f"--chrome-flags={flags}",
            "--no-enable-error-reporting",
        ]
        command = ["node", COMMAND, address, "--quiet", "--output=json", f"--output-path={report}", *options]
        browser = {**os.environ, "CHROME_PATH": chromium()}
        run(command, f"Lighthouse could not look at {address}.", env=browser, timeout=PATIENCE)
        return json.loads(report.read_text(encoding="utf-8"))


def tell(page: str, report: dict) -> list[str]:
    """Print the scores of a page, and what cost it points; which promises are broken."""
    scores = {name: round(100 * report["categories"][name]["score"]) for name in CATEGORIES}
    print(f"{page or 'index.html':42} " + "  ".join(f"{name} {score}" for name, score in scores.items()), flush=True)
    for name in CATEGORIES:
        for part in report["categories"][name]["auditRefs"]:
            audit = report["audits"][part["id"]]
            if part["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                print(f"    {name}: {audit['title']} {audit.get('displayValue', '')}")
    return [f"{page or 'index.html'}: {name} {scores[name]}" for name in PROMISED if scores[name] < PROMISED[name]]


def main() -> None:
    once("lighthouse", digest(PARTS), install, COMMAND)
    Handler.send_head = send_compressed
    Server.handle_error = lambda *_: None  # Lighthouse leaves in the middle of downloads
    with Server(DIST) as server:
        broken = [text for page in PAGES for text in tell(page, look(server.address + page))]
    if broken:
        raise Failure(f"Below what is promised: {'; '.join(broken)}.")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
