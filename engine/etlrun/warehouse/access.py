"""The YAML keys that all connections to servers share: address, account, TLS and timeouts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from etlrun.contracts.connection import Connection
from etlrun.failures import RunFailure
from etlrun.spec.fields import key
from etlrun.warehouse.address import Address, UrlForm, read_address

Tls = Literal["auto", "verify_identity", "verify_ca", "insecure"]
LARGE = 100_000  # rows that are worth the start of several connections
MOST_READERS = 4


@dataclass(frozen=True)
class SessionSettings:
    """How a session is opened: `ca` is a file, and the timeouts are in seconds."""

    tls: Tls = "auto"
    ca: str = ""
    connect_timeout: int = 10
    timeout: int = 600
    lock_timeout: int = 30


@dataclass(frozen=True)
class Parallel:
    """How many connections read a table of at least `least` rows."""

    readers: int | None = None
    least: int = LARGE

    @property
    def count(self) -> int:
        return max(1, self.readers) if self.readers is not None else min(MOST_READERS, len(os.sched_getaffinity(0)))

    @property
    def on_executors(self) -> Parallel:
        """The same for connections of other machines, whatever the number of cores here."""
        return self if self.readers is not None else replace(self, readers=MOST_READERS)


@dataclass(frozen=True)
class ServerConnection(Connection):
    """A database on a server, over the network or a socket. Each kind defines the form of its URLs in `form`."""

    short: ClassVar[str] = "url"
    form: ClassVar[UrlForm]

    url: str = key("the server, database and user; recommended: `${WAREHOUSE_URL}`")
    password: str = key(
        "the password, as `${NAME}`, if it is not part of the URL", default="", example="${WAREHOUSE_PASSWORD}"
    )
    tls: Tls = key(
        "`verify_identity` verifies the certificate and the host name, `verify_ca` only the certificate, `insecure` "
        "nothing; `auto` is `verify_identity`, unless the server is on this machine",
        default="auto",
    )
    ca: str = key(
        "a PEM file with the CA certificate that signed the server's certificate; default: the CA certificates of the "
        "system",
        default="",
        example="/etc/ssl/warehouse-ca.pem",
    )
    readers: int | None = key(
        "the number of connections that read a large table at the same time; default: the number of cores, at most 4",
        default=None,
        example=4,
    )
    connect_timeout: int = key("timeout in seconds for connecting to the server", default=10)
    timeout: int = key("timeout of one statement in seconds", default=600)
    lock_timeout: int = key("timeout in seconds for rows that another transaction has locked", default=30)

    def target(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[Address, SessionSettings]:
        """Where the server is, and how its sessions are opened. Raises RunFailure."""
        address = read_address(name, environment(self.url), environment(self.password), self.form)
        ca = str(root / environment(self.ca)) if self.ca else ""
        return address, SessionSettings(self.tls, ca, self.connect_timeout, self.timeout, self.lock_timeout)


def tls_warnings(label: str, address: Address, settings: SessionSettings) -> Iterator[str]:
    """Warnings of every run if TLS does not fully verify the server."""
    if settings.tls == "insecure":
        yield f"connection `{label}`: the certificate of {address.host} is not verified (`tls: insecure`)"
    if settings.tls == "verify_ca":
        yield f"connection `{label}`: the host name in the certificate of {address.host} is not verified (`tls: verify_ca`)"


def wrong_ca(path: str, why: str) -> RunFailure:
    """The failure of a CA certificate file that cannot be used."""
    return RunFailure(
        "usage",
        "wrong-ca",
        f"the certificate {path} cannot be read ({why})",
        "`ca` must name a file of certificates in PEM format",
    )
