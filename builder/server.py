"""A static server for `dist/`: what `build.py serve` and the browser tests use. Not meant for the open internet."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# With these the page is cross-origin isolated: SharedArrayBuffer, and with it threads in WebAssembly.
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {
    ".glb": "model/gltf-binary",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".onnx": "application/octet-stream",
    ".py": "text/x-python; charset=utf-8",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".whl": "application/zip",
}


class Handler(SimpleHTTPRequestHandler):
    """Files of one folder below a path prefix, revalidated at each request so that a rebuild is seen at once."""

    protocol_version = "HTTP/1.1"  # keeps connections: the page asks for some fifty files
    extensions_map = SimpleHTTPRequestHandler.extensions_map | TYPES

    def __init__(self, *arguments, prefix: str, isolated: bool, **options):
        self.prefix = prefix
        self.isolated = isolated
        super().__init__(*arguments, **options)

    def send_head(self):
        if not self.path.startswith(self.prefix):
            self.send_error(404)
            return None
        self.path = "/" + self.path.removeprefix(self.prefix)
        return super().send_head()

    def end_headers(self):
        self.send_header("Cache-Control", "no-cache")
        for name, value in ISOLATION.items() if self.isolated else ():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_):
        """Quiet: the browser's own tools show requests better."""


class Server(ThreadingHTTPServer):
    """Listens on this machine alone. `with Server(folder) as server:` serves from a thread until the block ends."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0, prefix: str = "/", isolated: bool = True):
        """port 0 takes a free one; prefix begins and ends with a slash; isolated adds the isolation headers."""
        handler = partial(Handler, directory=str(folder), prefix=prefix, isolated=isolated)
        super().__init__(("127.0.0.1", port), handler)
        self.address = f"http://localhost:{self.server_port}{prefix}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
