"""An HTTP client for untrusted services: the size and time of a reply are limited, and the key is sent to one address only."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2

from etlrun.contracts.model import ModelError
from etlrun.models._sanitize import safe_text

MOST_BYTES = 8 * 2**20  # of a reply, both as sent and decompressed; a hundred labels need a thousandth of it
MOST_BYTES_OF_JOBS = 128 * 2**20  # of the replies of a whole job, or a list of such jobs
ANY_GZIP = 32 + zlib.MAX_WBITS  # gzip or zlib, by the first bytes


class ReplyTooLarge(httpx2.DecodingError):
    """A reply that is larger than any valid answer."""


@cache
def trusted() -> ssl.SSLContext:
    """The trusted certificate authorities, read once, because that takes longer than a request."""
    return httpx2.create_ssl_context()


class BoundedClient(httpx2.AsyncClient):
    """A client that reads every reply completely, within `seconds` from the first byte sent to the last byte read."""

    def __init__(self, seconds: float, concurrency: int, large: tuple[str, ...] = (), **settings: Any) -> None:
        limits = httpx2.Limits(max_connections=concurrency + 4, max_keepalive_connections=concurrency + 4)
        super().__init__(limits=limits, timeout=seconds, follow_redirects=False, verify=trusted(), **settings)
        self.headers["accept-encoding"] = "gzip"
        self.seconds = seconds
        self.large = large  # parts of paths whose replies contain those of a whole job

    async def send(self, request: httpx2.Request, **settings: Any) -> httpx2.Response:
        """Send a request; returns the decompressed reply. Raises ModelError if the service redirects, and the errors of httpx2."""
        most_bytes = MOST_BYTES_OF_JOBS if any(part in request.url.path for part in self.large) else MOST_BYTES
        settings |= {"stream": True, "follow_redirects": False}
        try:
            async with asyncio.timeout(self.seconds):
                response = await super().send(request, **settings)
                try:
                    raw = await _raw(response, most_bytes)
                    body = decoded(raw, response.headers.get("content-encoding", ""), most_bytes)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise httpx2.ReadTimeout("the reply did not arrive in time", request=request) from None
        if response.is_redirect:
            raise _redirected(response)
        return httpx2.Response(response.status_code, headers=_kept(response), content=body, request=request)


REPLACED = (b"content-encoding", b"content-length", b"content-type", b"transfer-encoding")


def _kept(response: httpx2.Response) -> list[tuple[bytes, bytes]]:
    """The response headers as bytes, adapted to the body, which is decompressed and read as UTF-8 JSON, whatever the service declares."""
    others = [(name, value) for name, value in response.headers.raw if name.lower() not in REPLACED]
    return [(b"content-type", b"application/json; charset=utf-8"), *others]


async def _raw(response: httpx2.Response, most_bytes: int) -> bytes:
    found = bytearray()
    async for chunk in response.aiter_raw():
        found += chunk
        if len(found) > most_bytes:
            raise ReplyTooLarge(f"the reply has more than {most_bytes:,} bytes")
    return bytes(found)


def decoded(raw: bytes, encoding: str, most_bytes: int = MOST_BYTES) -> bytes:
    """Decompress the body `raw`. Raises DecodingError if that is not possible, and ReplyTooLarge if the result is too large."""
    if encoding.strip().lower() in ("", "identity") or not raw:
        return raw
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        raise httpx2.DecodingError("the reply has a compression that was not requested")
    reader = zlib.decompressobj(ANY_GZIP)
    try:
        body = reader.decompress(raw, most_bytes + 1)
    except zlib.error as error:
        raise httpx2.DecodingError(str(error)) from None
    if len(body) > most_bytes:
        raise ReplyTooLarge(f"the reply has more than {most_bytes:,} bytes")
    if not reader.eof:
        raise httpx2.DecodingError("the reply ends before it is complete")
    return body


def _redirected(response: httpx2.Response) -> ModelError:
    """The error for a redirect, which would send the key to another address."""
    message = f"the service redirects to {_shown_target(response)}, and the key is not sent there"
    return ModelError("setup", message, "set `url` of the model to the address without a redirect")


def _shown_target(response: httpx2.Response) -> str:
    """The target of a redirect, without user name and without everything after the host."""
    target = safe_text(response.headers.get("location"))
    try:
        parts = urlsplit(target)
    except ValueError:
        return "an address that cannot be read"
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else parts.path
    return shown or "an unknown address"
