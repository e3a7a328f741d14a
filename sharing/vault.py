"""What is stored: for each photo one object, whose name is random and whose content only the link's key can read.

An object is MAGIC, the time at which it expires (8 bytes, seconds since 1970), the SHA-256 of its delete token, and the
ciphertext as the browser sent it. The token itself is not stored: who reads the storage cannot delete by it.
"""

import hashlib
import hmac
import re
import secrets
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

MAGIC = b"TBS1"
HEADER = struct.Struct(">4sQ32s")
NAME_BYTES, TOKEN_BYTES = 16, 24  # random: names cannot be guessed
NAME = re.compile(r"[A-Za-z0-9_-]{22}")  # NAME_BYTES as base64url
DAY = 24 * 3600


class Receipt(NamedTuple):
    """What the person who uploaded gets: the photo's name, the token that deletes it, and when it expires."""

    name: str
    token: str
    expires: int


def open_store(place: str) -> ObjectStore:
    """A folder of this machine, or what obstore knows by address: s3://, gs://, az:// ... with credentials from the
    environment."""
    if "://" in place:
        return from_url(place)
    Path(place).mkdir(parents=True, exist_ok=True)
    return LocalStore(Path(place).resolve())


class Vault:
    """Ciphertexts with an end. `clock` gives seconds since 1970."""

    def __init__(self, store: ObjectStore, days: float, clock: Callable[[], float] = time.time):
        self.store, self.days, self.clock = store, days, clock

    async def put(self, ciphertext: bytes) -> Receipt:
        name, token = secrets.token_urlsafe(NAME_BYTES), secrets.token_urlsafe(TOKEN_BYTES)
        expires = int(self.clock() + self.days * DAY)
        header = HEADER.pack(MAGIC, expires, _digest(token))
        await obstore.put_async(self.store, name, header + ciphertext, mode="create")
        return Receipt(name, token, expires)

    async def get(self, name: str) -> bytes | None:
        """The ciphertext, or None if there is none of that name (any more)."""
        found = await self._read(name)
        return None if found is None else found[1]

    async def delete(self, name: str, token: str) -> bool | None:
        """True: deleted. False: the token is another's. None: there is nothing of that name."""
        found = await self._read(name)
        if found is None:
            return None
        if not hmac.compare_digest(found[0], _digest(token)):
            return False
        await obstore.delete_async(self.store, name)
        return True

    async def sweep(self) -> int:
        """Delete what expired, also what nobody asked for since; how many that were."""
        oldest = datetime.fromtimestamp(self.clock() - self.days * DAY, UTC)
        gone = 0
        async for page in obstore.list(self.store):
            names = [
                entry["path"] for entry in page if entry["last_modified"] < oldest and NAME.fullmatch(entry["path"])
            ]
            if names:
                await obstore.delete_async(self.store, names)
            gone += len(names)
        return gone

    async def _read(self, name: str) -> tuple[bytes, bytes] | None:
        """(digest of the token, ciphertext)"""
        if not NAME.fullmatch(name):
            return None
        try:
            data = bytes(await (await obstore.get_async(self.store, name)).bytes_async())
        except (NotFoundError, FileNotFoundError):
            return None
        if len(data) < HEADER.size:
            return None
        magic, expires, digest = HEADER.unpack_from(data)
        if magic != MAGIC:
            return None
        if expires <= self.clock():
            await obstore.delete_async(self.store, name)
            return None
        return digest, data[HEADER.size :]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
