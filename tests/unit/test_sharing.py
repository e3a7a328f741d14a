"""The share service over HTTP: what it stores, what it answers, what it refuses."""

import asyncio
import hashlib
import json
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

if sys.platform == "emscripten":
    pytest.skip("the service runs outside of Pyodide", allow_module_level=True)

import uvicorn

from sharing.__main__ import configuration
from sharing.limits import Buckets
from sharing.service import Limits, application
from sharing.vault import DAY, Vault, open_store

LIMITS = Limits(largest=50_000, days=2, uploads=6, reads=1000, bytes=500_000)
CIPHERTEXT = bytes(range(256)) * 4


class Clock:
    def __init__(self):
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Running:
    """A server on a free port, its storage and its clock."""

    def __init__(self, folder, site, limits=LIMITS):
        self.folder, self.clock = folder, Clock()
        self.vault = Vault(open_store(str(folder)), limits.days, self.clock)
        app = application(self.vault, site, limits)
        self.server = uvicorn.Server(configuration(app, "127.0.0.1", 0))
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(10)

    def ask(self, path, method="GET", body=None, **headers):
        """(status, headers, body)"""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def put(self, body=CIPHERTEXT, **headers):
        return self.ask("shares/", "POST", body, **{"Content_Type": "application/octet-stream"} | headers)

    def receipt(self, body=CIPHERTEXT) -> dict:
        status, _, answer = self.put(body)
        assert status == 201
        return json.loads(answer)


@pytest.fixture
def service(tmp_path):
    site = tmp_path / "site"
    (site / "static").mkdir(parents=True)
    (site / "index.html").write_text("the page")
    (site / "static" / "share.json").write_text('{"service": null}')
    (tmp_path / "secret.txt").write_text("not for anybody")
    with Running(tmp_path / "store", site) as running:
        yield running


def test_what_was_stored_comes_back(service):
    receipt = service.receipt()
    assert len(receipt["id"]) == 22
    assert receipt["expires"] == pytest.approx(time.time() + 2 * DAY, abs=60)
    status, headers, body = service.ask("shares/" + receipt["id"])
    assert (status, body) == (200, CIPHERTEXT)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Cache-Control"] == "no-store"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert receipt["id"] != service.receipt()["id"]


def test_the_token_is_not_stored_and_alone_deletes(service):
    receipt = service.receipt()
    stored = (service.folder / receipt["id"]).read_bytes()
    assert receipt["token"].encode() not in stored
    assert hashlib.sha256(receipt["token"].encode()).digest() in stored
    path = "shares/" + receipt["id"]
    assert service.ask(path, "DELETE")[0] == 403
    assert service.ask(path, "DELETE", Authorization="Bearer " + receipt["token"][:-1])[0] == 403
    assert service.ask(path)[0] == 200
    assert service.ask(path, "DELETE", Authorization="Bearer " + receipt["token"])[0] == 204
    assert service.ask(path)[0] == 404
    assert service.ask(path, "DELETE", Authorization="Bearer " + receipt["token"])[0] == 404
    assert list(service.folder.iterdir()) == []


def test_expired(service):
    receipt = service.receipt()
    service.clock.now += 2 * DAY - 60
    assert service.ask("shares/" + receipt["id"])[0] == 200
    service.clock.now += 61
    assert service.ask("shares/" + receipt["id"])[0] == 404
    assert list(service.folder.iterdir()) == []


def test_sweeping_deletes_what_nobody_asks_for(service):
    service.receipt()
    (service.folder / "another-file").write_text("not ours")
    assert asyncio.run(service.vault.sweep()) == 0
    service.clock.now += 2 * DAY + 60
    assert asyncio.run(service.vault.sweep()) == 1
    assert [path.name for path in service.folder.iterdir()] == ["another-file"]


def test_too_large_and_too_small(service):
    assert service.put(bytes(LIMITS.largest))[0] == 201
    assert service.put(bytes(LIMITS.largest + 1))[0] == 413
    assert service.put(b"")[0] == 400
    assert len(list(service.folder.iterdir())) == 1


def test_too_large_without_saying_so(service):
    """Chunked, so that no Content-Length warns; the service stops reading at its limit."""
    host, port = service.socket.getsockname()
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(
            b"POST /shares/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
        for _ in range(5):
            connection.sendall(chunk)
        assert b" 413 " in connection.recv(100)
    assert list(service.folder.iterdir()) == []


def test_flood_of_uploads(service):
    answers = [service.put()[:2] for _ in range(LIMITS.uploads + 2)]
    assert [status for status, _ in answers] == [201] * LIMITS.uploads + [429] * 2
    assert 0 < int(answers[-1][1]["Retry-After"]) <= 600
    assert len(list(service.folder.iterdir())) == LIMITS.uploads


def test_flood_of_bytes_from_everywhere(tmp_path):
    limits = Limits(largest=50_000, uploads=100, bytes=120_000)
    (tmp_path / "site").mkdir()
    with Running(tmp_path / "store", tmp_path / "site", limits) as running:
        assert [running.put(bytes(50_000))[0] for _ in range(3)] == [201, 201, 429]


def test_only_ciphertexts_that_no_form_can_send(service):
    assert service.put(Content_Type="application/x-www-form-urlencoded")[0] == 415
    assert service.put(Content_Type="text/plain")[0] == 415
    status, headers, _ = service.ask("shares/", "OPTIONS", Origin="https://evil.example")
    assert status == 405
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [
        "shares/../secret.txt",
        "shares/..%2Fsecret.txt",
        "shares/%2e%2e%2f%2e%2e%2fsecret.txt",
        "shares/" + "A" * 22,
        "shares/" + "A" * 23,
        "shares/" + "A" * 21 + "%00",
        "shares/C:%5Csecret.txt",
        "../secret.txt",
        "%2e%2e/secret.txt",
        "static/..%2f..%2fsecret.txt",
    ],
)
def test_path_tricks(service, path):
    status, _, body = service.ask(path)
    assert status == 404
    assert b"not for anybody" not in body


def test_a_foreign_file_in_the_storage_is_not_served(service):
    name = "B" * 22
    (service.folder / name).write_bytes(b"something that another program keeps here, long enough for a header")
    assert service.ask("shares/" + name)[0] == 404


def test_only_the_viewer_page_may_stand_in_a_frame(service):
    for path in ("", "shares/", "static/share.json", "VIEW.HTML", "view.html/", "x/../view.html/x", "shares/view.html"):
        assert service.ask(path)[1]["X-Frame-Options"] == "DENY", path
    headers = service.ask("view.html")[1]
    assert headers["X-Frame-Options"] is None
    assert headers["Content-Security-Policy"] == "frame-ancestors *"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_site_with_strict_headers(service):
    status, headers, body = service.ask("")
    assert (status, body) == (200, b"the page")
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Server"] is None
    configuration = json.loads(service.ask("static/share.json")[2])
    assert configuration == {"service": "shares/", "days": LIMITS.days, "bytes": LIMITS.largest}


def test_buckets_fill_again_and_forget_addresses():
    clock = Clock()
    buckets = Buckets(burst=2, rate=0.5, clock=clock)
    assert [buckets.take("192.0.2.1") for _ in range(3)] == [0, 0, pytest.approx(2)]
    assert buckets.take("192.0.2.2") == 0
    clock.now += 2
    assert [buckets.take("192.0.2.1") for _ in range(2)] == [0, pytest.approx(2)]
    assert [buckets.take(f"2001:db8::{i}") for i in range(3)] == [0, 0, pytest.approx(2)]  # one household
    assert "192.0.2" not in repr(buckets.__dict__)


def test_no_address_is_printed(tmp_path, capfd):
    (tmp_path / "site").mkdir()
    with Running(tmp_path / "store", tmp_path / "site") as running:
        running.receipt()
        running.ask("shares/nothing")
    printed = capfd.readouterr()
    assert "127.0.0.1" not in printed.out + printed.err
