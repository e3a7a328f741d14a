"""A proxy that lets nothing through and remembers what was asked: proof that the page asks no other host."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Chromium's own start-up look-ups. Its flags stop most of them, and none comes from a page.
BROWSERS_OWN = ("google.com", "googleapis.com", "gstatic.com", "gvt1.com")


class Catcher(ThreadingHTTPServer):
    """`with Catcher() as catcher:`; .address is the proxy's, .hosts the hosts that were asked for. The
    browser has to be told to leave localhost out."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Refuser)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.hosts: list[str] = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Refuser(BaseHTTPRequestHandler):
    def refuse(self):
        host = self.path.removeprefix("http://").split("/")[0].split(":")[0]
        if not host.endswith(BROWSERS_OWN):
            self.server.hosts.append(host)
        self.send_error(502)

    do_CONNECT = do_GET = do_HEAD = do_POST = do_OPTIONS = refuse

    def log_message(self, *_):
        """Quiet: the tests read `hosts`."""
