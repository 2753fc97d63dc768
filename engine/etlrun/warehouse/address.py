"""Where a server is and who logs in, read from a URL; the password shows itself to nobody."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from etlrun.failures import RunFailure
from etlrun.secrets import Secret


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
        """Whether nothing leaves this machine on the way to the server."""
        if self.socket or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def place(self) -> str:
        """The server and database as messages name them."""
        if self.socket:
            return f"{self.socket}, database `{self.database}`"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}, database `{self.database}`"


def read_address(connection: str, url: str, password: str, form: UrlForm) -> Address:
    """The address that `url` writes; `password` stands in for the one that the URL leaves out. Raises RunFailure."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except (ArgumentError, ValueError):  # their texts may quote the URL, and with it the password
        raise RunFailure(
            "usage", "wrong-url", f"connection `{connection}`: its `url` is not a URL", f"write it as {form.example}"
        ) from None
    if found.drivername not in form.drivers:
        raise RunFailure(
            "usage",
            "wrong-url",
            f"connection `{connection}`: `{found.drivername}` is not {form.product}",
            f"write it as {form.example}",
        )
    if (
        "@" in f"{found.host} {found.database} {dict(found.query)}"
    ):  # what follows the first one may be the rest of a password
        raise RunFailure(
            "usage",
            "wrong-url",
            f"connection `{connection}`: its `url` has more than one `@`, so that its password has no end",
            "write an `@` of the password as %40, or give `password` a key of its own",
        )
    unknown = sorted(option for option in found.query if option not in form.options)
    if unknown:
        raise RunFailure(
            "usage",
            "wrong-url",
            f"connection `{connection}`: the URL has the unknown option `{unknown[0]}`",
            "leave it out; `tls`, `ca` and the timeouts are keys of the connection",
        )
    if found.query.get("charset", "utf8mb4") != "utf8mb4":
        raise RunFailure(
            "usage",
            "wrong-url",
            f"connection `{connection}`: the URL asks for a character set that cannot hold every text",
            "leave `charset` out; it is utf8mb4",
        )
    if not found.database or not found.username:
        missing = "database" if not found.database else "user"
        raise RunFailure(
            "usage",
            "wrong-url",
            f"connection `{connection}`: the URL names no {missing}",
            f"write it as {form.example}",
        )
    secret = Secret(str(found.password)) if found.password is not None else Secret(password)
    return Address(
        found.host or "localhost",
        found.port or form.port,
        str(found.query.get(form.socket, "")),
        found.database,
        found.username,
        secret,
    )
