"""Serve the site with its share service: `python3 build.py share-server`.

Put it behind a reverse proxy that speaks https: without https, browsers offer neither encryption nor tilt.
"""

import argparse
import os
from pathlib import Path

import uvicorn

from builder.common import DIST
from sharing.service import Limits, application
from sharing.vault import Vault, open_store

STORE = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tiefblick" / "shares"
MOST_CONNECTIONS = 200  # each may hold an upload in memory


def parse(arguments: list[str] | None) -> argparse.Namespace:
    defaults = Limits()
    parser = argparse.ArgumentParser(prog="build.py share-server", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=8000, help="default: %(default)s")
    store = "folder, or s3://, gs://, az:// address with credentials in the environment (default: %(default)s)"
    add("--store", default=str(STORE), help=store)
    add("--days", type=float, default=defaults.days, help="until a photo is deleted (default: %(default)s)")
    add("--largest", type=int, default=defaults.largest, help="bytes of one photo (default: %(default)s)")
    add("--uploads", type=int, default=defaults.uploads, help="of one address in an hour (default: %(default)s)")
    proxy = "take the client's address from the X-Forwarded-For of this proxy (its address)"
    add("--proxy", metavar="ADDRESS", default=None, help=proxy)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    limits = Limits(largest=options.largest, days=options.days, uploads=options.uploads)
    app = application(Vault(open_store(options.store), limits.days), DIST, limits)
    print(f"Tiefblick with its share service is at http://{options.host}:{options.port}/ (Ctrl-C ends it)", flush=True)
    uvicorn.Server(configuration(app, options.host, options.port, options.proxy)).run()


def configuration(app, host: str, port: int, proxy: str | None = None) -> uvicorn.Config:
    """How the server runs: no log of addresses, no name of the program, and X-Forwarded-For from one proxy alone."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=proxy is not None,
        forwarded_allow_ips=proxy or "",
        limit_concurrency=MOST_CONNECTIONS,
    )


if __name__ == "__main__":
    main()
