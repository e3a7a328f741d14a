"""The share service's storage on a server that speaks S3, run by moto on this machine."""

import asyncio
import sys
import time
import urllib.request

import pytest

if sys.platform == "emscripten":
    pytest.skip("the service runs outside of Pyodide", allow_module_level=True)

import obstore
from moto.server import ThreadedMotoServer

from sharing.vault import DAY, Vault, open_store

BUCKET = "photos"
CIPHERTEXT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def address():
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(address, monkeypatch):
    settings = {"ENDPOINT_URL": address, "ALLOW_HTTP": "true", "REGION": "us-east-1"}
    for name, value in (settings | {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    urllib.request.urlopen(f"{address}/moto-api/reset", b"").close()
    urllib.request.urlopen(urllib.request.Request(f"{address}/{BUCKET}", method="PUT")).close()
    return open_store(f"s3://{BUCKET}")


def names(store) -> list[str]:
    return [entry["path"] for page in obstore.list(store) for entry in page]


def test_photos_come_back_until_their_token_deletes_them(store):
    async def run():
        vault = Vault(store, days=2)
        first, second = await vault.put(CIPHERTEXT), await vault.put(b"another")
        assert sorted(names(store)) == sorted((first.name, second.name))
        assert await vault.get(first.name) == CIPHERTEXT
        assert await vault.get("A" * 22) is None
        assert await vault.delete(first.name, second.token) is False
        assert await vault.delete(first.name, first.token) is True
        assert await vault.get(first.name) is None
        assert await vault.delete(first.name, first.token) is None
        assert await vault.get(second.name) == b"another"

    asyncio.run(run())


def test_expired_photos_are_gone_asked_for_or_not(store):
    async def run():
        now = time.time()
        vault = Vault(store, days=2, clock=lambda: now)
        asked, forgotten = await vault.put(CIPHERTEXT), await vault.put(CIPHERTEXT)
        now += 2 * DAY + 60
        assert await vault.get(asked.name) is None
        assert names(store) == [forgotten.name]
        assert await vault.sweep() == 1
        assert names(store) == []

    asyncio.run(run())
