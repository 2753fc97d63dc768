"""Sends OpenLineage events to a service: one POST for each event, with a short timeout. Messages never contain the address or the key."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from etlrun.secrets import Secret
from etlrun.working import in_background

SECONDS = 5.0  # the most seconds for an event
ENDPOINT = "/api/v1/lineage"


class EventNotTakenError(Exception):
    """The reason why an event was not accepted."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, which would send the key, without the event, to another server."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


@dataclass(frozen=True)
class EventService:
    """A service at `url`, such as `http://localhost:5000`."""

    url: str
    key: Secret

    def send(self, event: dict[str, Any]) -> None:
        """Raises EventNotTakenError, after SECONDS at the latest."""
        _refuse_address(self.url)
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key.reveal()}"
        request = urllib.request.Request(self.url.rstrip("/") + ENDPOINT, json.dumps(event).encode(), headers)
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            in_background(lambda: opener.open(request, timeout=SECONDS).close()).result(SECONDS)
        except HTTPError as error:
            error.close()
            raise EventNotTakenError(f"it answered {error.code}") from error
        except TimeoutError as error:
            raise EventNotTakenError(f"no answer within {SECONDS:g} seconds") from error
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise EventNotTakenError(getattr(reason, "strerror", None) or "no connection to it") from error
        except HTTPException as error:
            raise EventNotTakenError("its answer is not HTTP") from error
        except ValueError as error:
            message = "OPENLINEAGE_API_KEY contains a line break or another character that HTTP does not allow"
            raise EventNotTakenError(message) from error


def _refuse_address(url: str) -> None:
    """Raises EventNotTakenError if the address is not a plain server address."""
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_plain = False
    if (
        not is_plain
        or "@" in url
        or "?" in url
        or "#" in url
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise EventNotTakenError(
            "expected an address such as `http://localhost:5000`, without user name, password and query"
        )
