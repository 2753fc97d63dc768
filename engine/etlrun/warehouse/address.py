"""The address and account of a server, read from a URL; the password is never shown."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etlrun.failures import RunFailure
from etlrun.secrets import Secret

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


@dataclass(frozen=True)
class UrlForm:
    """The URLs of a kind of server."""

    product: str
    drivers: tuple[str, ...]
    port: int
    options: tuple[str, ...]
    socket: str  # the option that names the server's socket
    example: str


@dataclass(frozen=True)
class Address:
    """A database on a server, and the account that uses it. With `socket` the server is reached through that file."""

    host: str
    port: int
    socket: str
    database: str
    user: str
    password: Secret

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        if self.socket or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def place(self) -> str:
        """The server and the database, for messages."""
        if self.socket:
            return f"{self.socket}, database `{self.database}`"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}, database `{self.database}`"


def read_address(connection: str, url: str, password: str, form: UrlForm) -> Address:
    """The address in `url`; `password` is used if the URL has no password. Raises RunFailure."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except (ArgumentError, ValueError):  # their texts may quote the URL, and with it the password
        message, fix = "its `url` is not a URL", f"write it as {form.example}"
        raise _wrong_url(connection, message, fix) from None
    for message, fix in _mistakes(found, form):
        raise _wrong_url(connection, message, fix)
    secret = Secret(str(found.password)) if found.password is not None else Secret(password)
    return Address(
        found.host or "localhost",
        found.port or form.port,
        str(found.query.get(form.socket, "")),
        found.database or "",
        found.username or "",
        secret,
    )


def _wrong_url(connection: str, message: str, fix: str) -> RunFailure:
    return RunFailure("usage", "wrong-url", f"connection `{connection}`: {message}", fix)


def _mistakes(url: URL, form: UrlForm) -> Iterator[tuple[str, str]]:
    """What is wrong with a URL, and what to do."""
    if url.drivername not in form.drivers:
        yield f"`{url.drivername}` is not {form.product}", f"write it as {form.example}"
    if (
        "@" in f"{url.host} {url.database} {dict(url.query)}"
    ):  # what follows the first one may be the rest of a password
        fix = "write an `@` in the password as %40, or move the password to the key `password`"
        yield "its `url` has more than one `@`, so it is not clear where the password ends", fix
    for option in sorted(url.query):
        if option not in form.options:
            fix = "leave it out; `tls`, `ca` and the timeouts are keys of the connection"
            yield f"the URL has the unknown option `{option}`", fix
    if url.query.get("charset", "utf8mb4") != "utf8mb4":
        yield "the URL asks for a character set that cannot hold every text", "leave `charset` out; it is utf8mb4"
    for part, name in (("database", url.database), ("user", url.username)):
        if not name:
            yield f"the URL has no {part}", f"write it as {form.example}"
