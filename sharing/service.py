"""The share service as an ASGI application: the site, and beside it three calls.

POST   shares/         a ciphertext, application/octet-stream -> 201 {"id", "token", "expires"}
GET    shares/ID       the ciphertext
DELETE shares/ID       with Authorization: Bearer TOKEN -> 204

It sees ciphertexts, their sizes and times, and the addresses of who asks; it writes none of that down. The page must
come from the same origin: no other site can make a visitor's browser upload, because that type of content needs a CORS
preflight, which nothing here answers.
"""

import asyncio
import math
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from builder.server import ISOLATION
from sharing.limits import Buckets
from sharing.vault import Vault

SEALED = "application/octet-stream"
SMALLEST = 12 + 16 + 1  # bytes: nonce, tag, and something
SWEEP_EVERY = 3600  # seconds
STRICT = {
    **ISOLATION,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
# The one page that others may show in a frame: a click that is stolen there uploads, deletes and tells nothing, since
# the page only shows what its own address names, and knows no user. Isolated pages may hold it, too.
FRAMED = "/view.html"
FOR_FRAMES = {"Content-Security-Policy": "frame-ancestors *", "Cross-Origin-Resource-Policy": "cross-origin"}
SEALED_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; sandbox"}


@dataclass(frozen=True)
class Limits:
    """largest: bytes of one ciphertext; 3D photos have 0.05 to 0.5 MB, and 3 MB at most.
    days: until a photo is deleted.
    uploads, reads: of one address in an hour. bytes: of all uploads together in an hour.
    patience: seconds that an upload may take.
    """

    largest: int = 8_000_000
    days: float = 30
    uploads: int = 30
    reads: int = 1200
    bytes: int = 1_000_000_000
    patience: float = 60


class Service:
    """The calls on one vault."""

    def __init__(self, vault: Vault, limits: Limits):
        self.vault, self.limits = vault, limits
        self.uploads = Buckets(limits.uploads, limits.uploads / 3600)
        self.reads = Buckets(limits.reads, limits.reads / 3600)
        self.volume = Buckets(limits.bytes, limits.bytes / 3600)

    async def describe(self, request: Request) -> Response:
        """static/share.json: tells the page that there is a service, and its limits."""
        return JSONResponse({"service": "shares/", "days": self.limits.days, "bytes": self.limits.largest})

    async def store(self, request: Request) -> Response:
        if request.headers.get("content-type") != SEALED:
            return _refuse(415, "Send a ciphertext.")
        if wait := self.uploads.take(_client(request)):
            return _refuse(429, "Too many uploads.", wait)
        try:
            async with asyncio.timeout(self.limits.patience):
                body = await _read_limited(request, self.limits.largest)
        except (TimeoutError, ClientDisconnect):
            return _refuse(408, "The upload took too long.")
        if body is None:
            return _refuse(413, "Too large.")
        if len(body) < SMALLEST:
            return _refuse(400, "Too short.")
        if wait := self.volume.take("everyone", len(body)):
            return _refuse(429, "Too much is being uploaded.", wait)
        name, token, expires = await self.vault.put(body)
        return JSONResponse({"id": name, "token": token, "expires": expires}, 201, headers=SEALED_HEADERS)

    async def fetch(self, request: Request) -> Response:
        if wait := self.reads.take(_client(request)):
            return _refuse(429, "Too many requests.", wait)
        body = await self.vault.get(request.path_params["name"])
        if body is None:
            return _refuse(404, "Expired, deleted, or never there.")
        return Response(body, media_type=SEALED, headers=SEALED_HEADERS)

    async def delete(self, request: Request) -> Response:
        if wait := self.reads.take(_client(request)):
            return _refuse(429, "Too many requests.", wait)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        done = await self.vault.delete(request.path_params["name"], token if scheme == "Bearer" else "")
        if done is None:
            return _refuse(404, "Expired, deleted, or never there.")
        return Response(status_code=204, headers=SEALED_HEADERS) if done else _refuse(403, "Another's token.")


def application(vault: Vault, site: Path, limits: Limits = Limits()) -> Starlette:
    """The ASGI application that serves the folder `site` and the share service."""
    service = Service(vault, limits)

    @asynccontextmanager
    async def lifespan(_):
        sweeper = asyncio.create_task(_sweep_forever(vault))
        yield
        sweeper.cancel()

    routes = [
        Route("/shares/", service.store, methods=["POST"]),
        Route("/shares/{name}", service.fetch, methods=["GET"]),
        Route("/shares/{name}", service.delete, methods=["DELETE"]),
        Route("/static/share.json", service.describe),
        Mount("/", StaticFiles(directory=site, html=True)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_middleware(StrictHeaders)
    return app


class StrictHeaders:
    """ASGI middleware: the headers of STRICT on every answer, but for the page that may stand in a frame."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def strict(message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(STRICT)
                if scope["path"] == FRAMED:
                    del headers["X-Frame-Options"]
                    headers.update(FOR_FRAMES)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self.app(scope, receive, strict if scope["type"] == "http" else send)


async def _sweep_forever(vault: Vault) -> None:
    while True:
        with suppress(Exception):  # a storage that is away for a while: the next round finds the same
            await vault.sweep()
        await asyncio.sleep(SWEEP_EVERY)


async def _read_limited(request: Request, most: int) -> bytes | None:
    """The body, or None as soon as it is known to be larger."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > most:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            return None
    return bytes(body)


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _refuse(status: int, sentence: str, wait: float = 0) -> Response:
    headers = SEALED_HEADERS | ({"Retry-After": str(math.ceil(wait))} if wait else {})
    return JSONResponse({"error": sentence}, status, headers=headers)
