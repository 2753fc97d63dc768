"""The interface of sinks: where a relation is published, atomically."""

from __future__ import annotations

import glob
import os
import posixpath
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from etlrun.contracts.connection import TABLES, Database, Load, may_lose
from etlrun.failures import NO_ROOM, RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.spec.fields import Described
from etlrun.spec.paths import OUTSIDE, fix_of_url, path_inside
from etlrun.spec.scope import Scope
from etlrun.spec.urls import UrlError, is_url, read_url
from etlrun.stopping import cancelling, finishing
from etlrun.storage.staging_area import StagedObject
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    import duckdb

ABANDONED = 24 * 3600.0  # seconds


class Sink(Described):
    """Publishes the relation `from_`. `connects_to` is what its connection must hold; fewer rows than `min_rows` are not published."""

    connects_to: ClassVar[str] = TABLES
    from_: str
    min_rows: int

    def verify(self, columns: Columns, scope: Scope) -> None:
        """Report the sink's mistakes to `scope`."""
        raise NotImplementedError

    def place(self, name: str) -> tuple[str, str, str]:
        """The target of the sink: connection, table or file, and the part of it (empty: all). Two sinks cannot have the same target."""
        raise NotImplementedError

    def table_name(self, name: str) -> str:
        """The table that the sink writes, as it is spelled; empty if it writes no table."""
        return ""

    def table_written(self, name: str) -> tuple[str, str] | None:
        """The connection (none for a folder) and the table that a sink of that name writes and a source can read; None for other sinks."""
        table = self.table_name(name)
        return (self.place(name)[0], table) if table else None

    def published(self, columns: Columns) -> Columns:
        """The columns of the relation as they are published, with the descriptions of the sink."""
        return columns

    def divided_by(self) -> tuple[str, ...]:
        """The partition columns of what it publishes, if each of its files holds one partition."""
        return ()

    def is_view(self) -> bool:
        """Whether the sink is a view: the database computes the relation at each read, by `Publication.query`."""
        return False

    def required(self) -> tuple[str, ...]:
        """The columns that the sink declares `not null`."""
        return ()

    def identified_by(self) -> tuple[str, ...]:
        """The columns that must identify each row before it is published. (The key of a database table is verified there.)"""
        return ()

    def replaces_all(self) -> bool:
        """Whether a run replaces everything that earlier runs published."""
        return False

    def look_ahead(self, publication: Publication) -> str:
        """One line about what publishing will do, before anything is computed. Raises RunFailure if it is not possible."""
        raise NotImplementedError

    def appends(self) -> bool:
        """Whether a run only adds rows, so that a second run would add the same rows again."""
        return False

    def load(self, publication: Publication) -> Load | None:
        """The relation on its way into a table of a connection, all of whose sinks are published together; None for a sink that is no table."""
        return None

    def publish(self, publication: Publication) -> dict[str, Any]:
        """Publish a relation that has no `load`; returns its entry for the run record. Raises RunFailure; then nothing has changed."""
        raise NotImplementedError


@dataclass(frozen=True)
class Publication:
    """A relation to publish: its columns, its Parquet files with the number and checksum of their rows, and the run it belongs to.

    `open_database` opens a connection of the profile for writing, `stores` the store of a URL; `scratch` is a folder of the run, which may not be
    there yet, for what is written before it moves. Before anything is computed the files are empty. `query` is what a view is made of.
    If the runs are in a store, `uploaded` are the copies there of `paths`. Files that are only there are copied by `fetch` when `files` is read.
    `partitions` are the values that all rows of a file share, as text.
    """

    sink: str
    columns: Columns
    paths: tuple[Path, ...]
    rows: int
    checksum: str
    run_id: str
    pipeline: str
    description: str
    spec_hash: str
    root: Path
    scope: Scope
    open_database: Callable[[str], Database]
    query: str = ""
    stores: Stores = field(default_factory=Stores)
    scratch: Path = field(kw_only=True)
    uploaded: Mapping[Path, StagedObject] = field(default_factory=dict)
    partitions: Mapping[Path, Mapping[str, str | None]] = field(default_factory=dict)
    fetch: Callable[[], None] = lambda: None

    @property
    def files(self) -> tuple[Path, ...]:
        """The Parquet files, which are on this machine now. Raises RunFailure."""
        self.fetch()
        return self.paths


def misfit(what: str, connection: str, load: Load, problems: Sequence[tuple[str, str]]) -> RunFailure:
    """The failure of a load that does not match the existing table: the differences, each with the statement that corrects it."""
    why = "; ".join(problem for problem, _ in problems)
    statements = " ".join(f"{statement};" for _, statement in problems)
    loss = " --allow-loss" if any(may_lose(statement) for _, statement in problems) else ""
    return RunFailure(
        "sink",
        "table-mismatch",
        f"the {what} `{load.table}` of `{connection}` does not fit: {why}",
        f"run: {statements} `etlrun migrate {load.pipeline} --apply{loss}` does it",
    )


def verify_key(key: Sequence[str], columns: Columns, scope: Scope) -> None:
    """Report columns of the key `key` that do not exist, or cannot identify a row."""
    for index, name in enumerate(key):
        found = scope.column(columns, name, ("key", index))
        if name in columns and not found.type.is_orderable:
            message = f"`{found.name}` is {found.type}, which cannot be a key"
            scope.error(("key", index), "type-mismatch", message, "choose columns of texts, numbers, dates or times")


def verify_place(path: str, scope: Scope) -> None:
    """Report a `path` where sinks cannot write. They write inside the project, or in a store under `storage`."""
    if not is_url(path):
        if path_inside(scope.root, path) is None:
            scope.error("path", "file-unreadable", OUTSIDE, "choose a path inside it")
        return
    try:
        url = read_url(path)
    except UrlError as error:
        scope.error("path", "wrong-value", str(error), error.fix)
        return
    if not url.key:
        scope.error("path", "wrong-value", "the URL names a whole bucket", f"add the name of a folder: `{url}/NAME`")
    elif not scope.places.may_write(url):
        message = "no store under `storage` in etlrun.yaml matches the URL"
        scope.error("path", "path-outside", message, fix_of_url(url.parent))


def canonical_place(path: str) -> str:
    """A path or URL in canonical form: the same for all spellings of one place."""
    if is_url(path):
        with suppress(UrlError):
            return str(read_url(path))
    return posixpath.normpath(path)


def published_file(root: Path, path: str) -> Path:
    """The file that a sink publishes. Raises RunFailure where it is outside the project."""
    target = path_inside(root, path)
    if target is None:
        raise RunFailure("sink", "path-outside", f"{path} is outside the project's folder", "choose a path inside it")
    return target


@contextmanager
def replacing(target: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A connection of DuckDB and a new file to write with it, which takes the place of `target` in one step at the end.

    Raises RunFailure where it cannot be written, and then the old file is as it was.
    """
    import duckdb

    new = target.with_name(f".{target.name}.{uuid4().hex[:8]}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        with duckdb.connect() as connection, cancelling(connection.interrupt):
            yield connection, new
        with new.open("rb") as stream:
            os.fsync(stream.fileno())
        with finishing():
            new.replace(target)
    except (duckdb.Error, OSError) as error:
        detail = str(error).split("\n", 1)[0]
        sign = next((sign for sign in NO_ROOM if sign in detail), "")
        fix = f"free space on the disk of {target.parent}" if sign else f"check {target.parent} and its permissions"
        message = f"{target} was not written, the old file is unchanged ({sign or detail})"
        raise RunFailure("sink", "publish-failed", message, fix) from error
    finally:
        with suppress(OSError):  # most often it is in its place by now
            new.unlink()


def _remove_abandoned(target: Path) -> None:
    """Remove new files of `target` that killed runs left: nobody has written to them for a day."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.????????.new"):
        with suppress(FileNotFoundError):  # another run has removed it
            if time.time() - path.lstat().st_mtime > ABANDONED:
                path.unlink()


def how_to_flatten(column: Column) -> str:
    """The fix for a nested column in a sink with flat rows."""
    kind = column.type
    if kind.element is not None and kind.element.name == "string":
        return "convert it to text first, e.g. with `array_join`"
    if kind.element is not None:
        return f"turn each element into a row: `explode: {{column: {column.name}, empty: keep}}`"
    if kind.fields:
        return f"derive its fields, such as `{column.name}.{kind.fields[0][0]}`, and `drop` it"
    return f"derive its values, such as `{column.name}['key']`, and `drop` it" if kind.entry else "`drop` it"
