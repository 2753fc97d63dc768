"""Opens a catalog of Iceberg tables, and finds tables and the folders of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from etlrun.contracts.connection import Copy, Database, ReadOnlyDatabase
from etlrun.contracts.health import HealthFinding
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.lake.table_folder import LocalFolder, TableFolder, table_folder
from etlrun.language.columns import Columns
from etlrun.secrets import Secret
from etlrun.spec.urls import UrlError, is_url, read_url
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

SQLITE = "sqlite:///"
# Names of store settings in the Delta library, and in the Iceberg library.
S3_SETTINGS = {
    "aws_region": "s3.region",
    "aws_endpoint_url": "s3.endpoint",
    "aws_access_key_id": "s3.access-key-id",
    "aws_secret_access_key": "s3.secret-access-key",
    "aws_session_token": "s3.session-token",
    "aws_iam_role_arn": "s3.role-arn",
    "aws_skip_signature": "s3.anonymous",
}


@dataclass(frozen=True)
class CatalogSettings:
    """The settings to open a catalog. Relative paths start at `root`."""

    name: str
    uri: str
    warehouse: str
    root: Path
    token: str = field(default="", repr=False)
    credential: str = field(default="", repr=False)

    @property
    def is_rest(self) -> bool:
        return self.uri.startswith(("http://", "https://"))

    @property
    def file(self) -> Path | None:
        """The file of a catalog in a SQLite file."""
        return Path(self.uri.removeprefix(SQLITE)) if self.uri.startswith(SQLITE) else None

    @property
    def place(self) -> str:
        """The name of the catalog in messages, without a password."""
        return (
            str(self.file)
            if self.file
            else f"{self.uri.partition('://')[0]}://{self.uri.rpartition('@')[2].rpartition('//')[2]}"
        )

    @property
    def location(self) -> str:
        """The location of the warehouse for the library."""
        is_path = self.warehouse and not self.is_rest and "://" not in self.warehouse
        return (self.root / self.warehouse).resolve().as_uri() if is_path else self.warehouse


class IcebergCatalog(ReadOnlyDatabase):
    """An open catalog; it connects only when a table is requested."""

    def __init__(self, name: str, settings: CatalogSettings) -> None:
        super().__init__(name)
        self.settings = settings
        for text in (settings.token, settings.credential, _password(settings.uri)):
            Secret(text)

    @property
    def is_there(self) -> bool:
        """Whether the catalog exists: the first publish creates a catalog file."""
        return self.settings.file is None or self.settings.file.is_file()

    @cached_property
    def library(self) -> Catalog:
        """The library's catalog object. Raises RunFailure."""
        from pyiceberg.catalog import load_catalog

        settings, given = self.settings, {}
        if settings.file is not None:
            settings.file.parent.mkdir(parents=True, exist_ok=True)
        if not (settings.is_rest or settings.warehouse):
            message = f"connection `{self.name}` has no folder for new tables"
            raise RunFailure("connection", "connection-failed", message, "add `warehouse: lake/tables`")
        if settings.token or settings.credential:
            given = {"token": settings.token} if settings.token else {"credential": settings.credential}
        with catalog_failures(self):
            return load_catalog(
                settings.name,
                type="rest" if settings.is_rest else "sql",
                uri=settings.uri,
                **({"warehouse": settings.location} if settings.location else {}),
                **given,
            )

    def columns(self, table: str) -> Columns | None:
        raise self._only_iceberg(table)

    def copy(self, table: str, columns: Columns, folder: Path) -> Copy:
        raise self._only_iceberg(table)

    def _only_iceberg(self, table: str) -> RunFailure:
        message = f"connection `{self.name}` is a catalog of Iceberg tables"
        fix = f"read `{table}` with a source `iceberg`, publish to it with a sink `iceberg`"
        return RunFailure("usage", "unknown-connection", message, fix)

    def interrupt(self) -> None:
        """Does nothing: no call takes long."""

    def examine(self) -> Sequence[HealthFinding]:
        if not self.is_there:
            detail = f"{self.settings.place} does not exist yet; the first publish creates it"
            return (HealthFinding("ok", "catalog", detail),)
        with catalog_failures(self):
            found = self.library.list_namespaces()
        return (HealthFinding("ok", "catalog", f"{self.settings.place} listed {counted(len(found), 'namespace')}"),)

    def close(self) -> None:
        catalog = self.__dict__.pop("library", None)
        close = getattr(catalog, "close", None)
        if close is not None:
            close()


@dataclass(frozen=True)
class CatalogTable:
    """An existing or new table of a catalog, by namespace and name. `scratch` is a local folder for files to upload."""

    catalog: IcebergCatalog
    name: str
    stores: Stores = field(repr=False, default_factory=Stores)
    scratch: Path = Path()

    @property
    def shown(self) -> str:
        return f"{self.catalog.name}.{self.name}"

    def load(self) -> Table | None:
        """The current table; None if it does not exist. Raises RunFailure if it cannot be read."""
        if not self.catalog.is_there:
            return None
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        self._use_store(self.catalog.settings.location)
        with catalog_failures(self.catalog):
            try:
                table = self.catalog.library.load_table(self.name)
                if self._use_store(table.location()):
                    table = self.catalog.library.load_table(self.name)
            except (NoSuchTableError, NoSuchNamespaceError):
                return None
            except FileNotFoundError as error:
                message = (
                    f"the Iceberg table {self.shown} cannot be read: its file {error.filename or error} is missing"
                )
                fix = "restore the file, or drop the table from the catalog"
                raise RunFailure("sink", "unreadable-table", message, fix) from error
        return table

    def _use_store(self, location: str) -> bool:
        """Configure the library to open files at a location with the settings of `storage:`; returns whether this changed anything. Raises RunFailure."""
        options = self._options(location)
        properties = self.catalog.library.properties
        is_news = any(properties.get(name) != value for name, value in options.items())
        properties.update(options)
        return is_news

    def _options(self, location: str) -> Mapping[str, str]:
        if not location or location.startswith(("file:", "/")) or not is_url(location):
            return {}
        folder = self.folder(location)
        return {S3_SETTINGS[name]: value for name, value in folder.options.items() if name in S3_SETTINGS}

    def folder(self, location: str) -> TableFolder:
        """The folder at a location of the library. Raises RunFailure if its store cannot be opened."""
        if location.startswith(("file:", "/")):
            return LocalFolder(local_path(location))
        try:
            url = read_url(location)
        except UrlError as error:
            raise RunFailure("sink", "storage-failed", f"{self.shown}: {error}", error.fix) from error
        if url.scheme != "s3":
            message = f"the Iceberg table {self.shown} is at {url}, but etlrun supports only local disks and S3"
            raise RunFailure("sink", "storage-failed", message, "choose another `warehouse`, or a sink `delta`")
        return table_folder(Path(), str(url), self.stores, self.scratch)


def local_path(location: str) -> Path:
    """The local path of a location of the library."""
    return Path(
        unquote(location.removeprefix("file:").removeprefix("//")) if location.startswith("file:") else location
    )


def catalog_table(database: Database, name: str, stores: Stores, scratch: Path = Path()) -> CatalogTable:
    """A table of a connection. Raises RunFailure for one of another kind."""
    if not isinstance(database, IcebergCatalog):
        message = f"`{name}` is an Iceberg table, but its connection is not an Iceberg catalog"
        raise RunFailure("usage", "unknown-connection", message, "use a connection of the kind `iceberg`")
    return CatalogTable(database, name, stores, scratch)


@contextmanager
def catalog_failures(catalog: IcebergCatalog) -> Iterator[None]:
    """In this block, failures between this machine and the catalog become RunFailure."""
    from pyiceberg.exceptions import ForbiddenError, OAuthError, UnauthorizedError

    try:
        yield
    except (UnauthorizedError, ForbiddenError, OAuthError) as error:
        message = (
            f"connection `{catalog.name}`: the catalog {catalog.settings.place} refuses access: {first_line(error)}"
        )
        fix = "correct `token` or `credential` of the connection, or its rights in the catalog"
        raise RunFailure("connection", "connection-failed", message, fix) from error
    except catalog_errors() as error:
        message = (
            f"connection `{catalog.name}`: the catalog {catalog.settings.place} does not answer: {first_line(error)}"
        )
        fix = "check that the catalog is running, and correct `uri`"
        raise RunFailure("connection", "connection-failed", message, fix) from error


def catalog_errors() -> tuple[type[Exception], ...]:
    """The exceptions of the libraries if a catalog, or the connection to it, fails."""
    import requests
    import sqlalchemy
    from pyiceberg.exceptions import RESTError

    return RESTError, requests.RequestException, sqlalchemy.exc.SQLAlchemyError, OSError


def first_line(error: BaseException) -> str:
    return next(iter(str(getattr(error, "orig", None) or error).splitlines()), "") or type(error).__name__


def _password(uri: str) -> str:
    account = uri.partition("://")[2].rpartition("@")[0]
    return unquote(account.partition(":")[2])
