"""A service with a JSON API over HTTP: one call is one request, and every failure has a cause."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from etlrun.contracts.model import ModelError
from etlrun.models._sanitize import safe_text
from etlrun.secrets import shown_address

try:
    import httpx2

    from etlrun.models._http import BoundedClient
except ImportError as error:
    raise ModelError("setup", "the package httpx2 is not installed", "pip install 'httpx2>=2,<3'") from error


class JsonApi:
    """An open connection to a service at `url`, which gets `headers` with every request."""

    def __init__(
        self, url: str, seconds: float, concurrency: int, headers: Mapping[str, str], large: tuple[str, ...] = ()
    ) -> None:
        self.url = url
        self.client = BoundedClient(seconds, concurrency, large, base_url=url.rstrip("/"), headers=dict(headers))

    async def call(self, method: str, path: str, **content: Any) -> httpx2.Response:
        """Send a request; returns the response with any status. Raises ModelError if there is none."""
        try:
            return await self.client.request(method, path, **content)
        except httpx2.ConnectError as error:
            fix = f"check the network and `url: {shown_address(self.url)}`"
            raise ModelError("service", f"the service cannot be reached: {safe_text(str(error))}", fix) from None
        except httpx2.TransportError as error:
            what = "did not answer in time" if isinstance(error, httpx2.TimeoutException) else "closed the connection"
            raise ModelError("service", f"the service {what}", may_be_billed=bool(content)) from None
        except httpx2.RequestError as error:  # a body that cannot be decompressed, or is too large
            raise ModelError("unreadable", f"the reply cannot be read: {error}", may_be_billed=bool(content)) from None

    async def close(self) -> None:
        await self.client.aclose()


def as_object(response: httpx2.Response) -> Mapping[str, Any]:
    """The JSON object of a response. Raises ModelError if it is not an object."""
    found = _parsed(response)
    if found is None:
        raise ModelError("unreadable", "the reply is not JSON", may_be_billed=True)
    if not isinstance(found, dict):
        raise ModelError("unreadable", "the reply contains no answer", may_be_billed=True)
    return found


def error_of(response: httpx2.Response) -> Mapping[str, Any]:
    """The description of an error: the object under `error`, or the whole body."""
    found = _parsed(response)
    error = found.get("error", found) if isinstance(found, dict) else {}
    return error if isinstance(error, dict) else {"message": error}


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema without additional properties, as strict services require."""
    found = dict(schema)
    if found.get("type") == "object":
        found["properties"] = {name: closed(inner) for name, inner in schema["properties"].items()}
        found["additionalProperties"] = False
    if "items" in found:
        found["items"] = closed(schema["items"])
    return found


def _parsed(response: httpx2.Response) -> object:
    """The JSON of a reply; None if it is not valid, or nested too deeply."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def result_lines(content: bytes) -> Iterator[Mapping[str, Any]]:
    """The results in a file of JSON lines that have a `custom_id`; lines that are not valid are skipped, and their keys asked again."""
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and isinstance(line.get("custom_id"), str):
            yield line
