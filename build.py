"""Tiefblick's one entrance. Needs Python 3.11+ and Node 20+; everything else is set up on first use.

python3 build.py serve               build the site if needed and serve it on this machine
python3 build.py convert PHOTO...    make 3D photos on the command line (convert --help tells more)
python3 build.py share-server        serve it with the optional share service (share-server --help tells more)
python3 build.py build               make dist/, a static site for any host (build --help tells more)
python3 build.py test [-- PYTEST]    set up all that the tests need and run them
python3 build.py bench               time each stage, here and in the browser
python3 build.py clean               remove what this made (not the cache shared between clones)
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - the one file that an older Python can still read
    sys.exit("Tiefblick needs Python 3.11 or newer.")

from builder import depth, parts, site
from builder.common import DIST, NODE_MODULES, ROOT, WORK, Failure, say, venv_python
from builder.server import Server


def serve(port: int, isolated: bool, release: Path | None) -> int:
    site.build(release)
    try:
        server = Server(DIST, port, isolated=isolated)
    except OSError as error:
        raise Failure(f"Port {port} cannot be used ({error.strerror}): choose another with --port.") from error
    say(f"Tiefblick is at {server.address} (Ctrl-C ends it)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


def build(release: Path | None) -> int:
    site.build(release)
    size = sum(path.stat().st_size for path in DIST.rglob("*") if path.is_file())
    say(f"dist/ is ready: {size / 1e6:.1f} MB")
    return 0


def convert(arguments: list[str]) -> int:
    parts.python_parts("run")
    return _python("-m", "app.cli", *arguments)


def share_server(arguments: list[str]) -> int:
    parts.python_parts("share")
    site.build()
    return _python("-m", "sharing", *arguments)


def test(arguments: list[str]) -> int:
    """ruff, then pytest with every ring, whatever ruff says; the status is that of the first that fails."""
    parts.python_parts("run", "share", "test")
    parts.chromium()
    parts.firefox()
    site.build()
    checks = (("-m", "ruff", "check", "."), ("-m", "ruff", "format", "--check", "."), ("-m", "pytest", *arguments))
    return next(filter(None, [_python(*check) for check in checks]), 0)


def bench(arguments: list[str]) -> int:
    parts.python_parts("run", "test")
    parts.chromium()
    site.build()
    return _python("-m", "tests.bench", *arguments)


def clean() -> int:
    for folder in (DIST, WORK, NODE_MODULES, ROOT / ".venv"):
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _python(*arguments: str) -> int:
    """Run the project's own interpreter where the person stands, so that paths mean what they typed."""
    # The project's folder goes first on the path: `-m app.cli` works from any folder.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([venv_python(), *arguments], env=environment).returncode


# What follows these commands is for the program behind them.
PASSED_ON = {"convert": convert, "share-server": share_server, "test": test, "bench": bench}


DEPTH_HELP = "the depth network: Tiefblick's own (default), or the published one, which is loaded and converted"


def port_number(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serving = commands.add_parser("serve")
    serving.add_argument("--port", type=port_number, default=8000, help="0 takes a free one (default: 8000)")
    serving.add_argument("--no-isolation", action="store_true", help="leave the isolation to the service worker")
    for command in (serving, commands.add_parser("build")):
        command.add_argument("--depth", choices=(depth.OWN, depth.PUBLISHED), default=depth.OWN, help=DEPTH_HELP)
        command.add_argument("--release", type=Path, metavar="FOLDER", help="where the published network's files are")
    for name in ("clean", *PASSED_ON):
        commands.add_parser(name)
    options = parser.parse_args(arguments)
    if getattr(options, "release", None) and options.depth != depth.PUBLISHED:
        parser.error("--release goes with --depth published")
    return options


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] in PASSED_ON:
        rest = arguments[1:]
        return PASSED_ON[arguments[0]](rest[1:] if rest[:1] == ["--"] else rest)
    options = parse(arguments)
    if options.command == "clean":
        return clean()
    release = depth.release(options.release) if options.depth == depth.PUBLISHED else None
    if options.command == "serve":
        return serve(options.port, not options.no_isolation, release)
    return build(release)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit(130)
