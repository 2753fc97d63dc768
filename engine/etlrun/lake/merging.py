"""`merge`: finds the files of a lake table that have rows with the keys of a run, and writes them again without these rows.

This machine reads the key columns of the table, and all rows of the files that it writes again. Files without such keys stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from etlrun.contracts.sink import Publication
from etlrun.diagnostics import counted
from etlrun.failures import NO_ROOM, RunFailure
from etlrun.lake.adoption import AT_ONCE, AdoptedFile, add_files, new_folder, unwritten, with_footers
from etlrun.lake.commits import Write
from etlrun.lake.snapshot import FILE, LakeFile, Snapshot, select_rows
from etlrun.lake.table_folder import TableFolder
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, parquet, published_value, text
from etlrun.stopping import cancelling

if TYPE_CHECKING:
    import duckdb

MOST_BYTES = 10_000_000_000  # of the files that one merge writes again


@dataclass(frozen=True)
class FileChanges:
    """The files of a version that a commit removes, and the files that it adds."""

    removed: tuple[LakeFile, ...] = ()
    added: tuple[AdoptedFile, ...] = ()


@contextmanager
def rewritten(
    folder: TableFolder,
    snapshot: Snapshot,
    publication: Publication,
    write: Write,
    new: Sequence[AdoptedFile],
    inside: Columns,
) -> Iterator[FileChanges]:
    """Write the files with rows that the files `new` replace into a folder of the table; it is removed if the block raises that they are not
    published. The files have the columns `inside`. Raises RunFailure.
    """
    import duckdb

    keys = publication.columns.keep(item.name for item in publication.columns if item.name.lower() in _lower(write.key))
    publication.scratch.mkdir(parents=True, exist_ok=True)
    with new_folder(folder, publication, write.application(publication)) as target:
        try:
            with (
                TemporaryDirectory(dir=publication.scratch) as scratch,
                duckdb.connect(config={"temp_directory": f"{scratch}/spilled"}) as connection,
                cancelling(connection.interrupt),
            ):
                candidates = replace(snapshot, files=_candidates(snapshot, write, new))
                merge = _Merge(connection, candidates, keys, Path(scratch))
                changes = FileChanges()
                if found := merge.find(publication):
                    with folder.workspace(target) as work:
                        files = with_footers(merge.rewrite(found, inside, work), publication)
                        kept = tuple(add_files(folder, target, files, publication))
                    changes = FileChanges(tuple(each.file for each in found), kept)
        except duckdb.Error as error:
            raise _unreadable(folder, str(error).splitlines()[0]) from error
        yield changes


def _unreadable(folder: TableFolder, detail: str) -> RunFailure:
    """The failure of a statement over the files of a table; the table is unchanged."""
    if any(sign in detail for sign in NO_ROOM):
        return unwritten(folder.uri, detail)
    message = f"the table {folder.uri} was not changed, because a merge cannot read its rows: {detail}"
    fix = "restore the file from a copy, or publish all rows with `write: replace`"
    return RunFailure("sink", "unreadable-table", message, fix)


@dataclass(frozen=True)
class _Touched:
    """A file of a table, and how many of its rows are replaced."""

    file: LakeFile
    replaced: int


@dataclass(frozen=True)
class _Merge:
    """A merge by the columns `keys`. `snapshot` has the files that may have rows with the keys of the run; `scratch` is for copies of them."""

    connection: duckdb.DuckDBPyConnection
    snapshot: Snapshot
    keys: Columns
    scratch: Path

    def find(self, publication: Publication) -> list[_Touched]:
        """The files with rows that have keys of the publication. Raises RunFailure if the files are too large."""
        values = ", ".join(published_value(item) for item in self.keys)
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute(f"CREATE TEMP TABLE keys AS SELECT {values} FROM {parquet(publication.files)}")
        wanted = [item.name for item in self.keys if item.name not in self.snapshot.partition_by]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            paths = list(threads.map(self._local, count(), self.snapshot.files, repeat(wanted)))
        files = dict(zip(paths, self.snapshot.files, strict=True))
        rows = select_rows(self.connection, self.snapshot, paths, self.keys, with_file=True)
        query = f"SELECT {FILE}, count(*) FROM ({rows}) SEMI JOIN keys USING ({self._names}) GROUP BY 1 ORDER BY 1"
        found = [_Touched(files[path], rows) for path, rows in self.connection.execute(query).fetchall()]
        size = sum(each.file.size for each in found)
        if size > MOST_BYTES:
            message = (
                f"{counted(len(found), 'file')} of {self.snapshot.folder.uri} with {size / 1e9:,.1f} GB have rows with keys of the relation; "
                f"a merge writes at most {MOST_BYTES / 1e9:,.0f} GB again"
            )
            fix = "replace whole partitions with `write: {replace_where: ...}`, or publish fewer keys in each run"
            raise RunFailure("sink", "merge-too-large", message, fix)
        return found

    def rewrite(
        self, found: Sequence[_Touched], inside: Columns, folder: Path
    ) -> Iterator[tuple[Path, str, Mapping[str, str | None]]]:
        """Write the other rows of each file into `folder`; returns the new files, with the partition of each. Raises RunFailure."""
        columns = ", ".join(name(item.name) for item in inside)
        for number, each in enumerate(found):
            path, target = self._local(number, each.file), folder / f"kept-{number:05}.parquet"
            rows = select_rows(
                self.connection, replace(self.snapshot, files=(each.file,)), [path], self.snapshot.columns
            )
            query = f"SELECT {columns} FROM ({rows}) ANTI JOIN keys USING ({self._names})"
            ((kept,),) = self.connection.execute(f"COPY ({query}) TO {text(str(target))} (FORMAT parquet)").fetchall()
            if kept + each.replaced != _rows_in(path):
                message = f"{each.file.path} of {self.snapshot.folder.uri} changed while it was read"
                raise RunFailure("sink", "publish-failed", message, "run the pipeline again")
            yield target, target.name, each.file.partition

    @property
    def _names(self) -> str:
        return ", ".join(name(item.name) for item in self.keys)

    def _local(self, number: int, file: LakeFile, columns: Sequence[str] | None = None) -> str:
        """The local path of a file, or of a copy of those `columns`."""
        part = "whole" if columns is None else "keys"
        return str(self.snapshot.local_file(file, self.scratch / f"{part}-{number:05}.parquet", columns))


def _candidates(snapshot: Snapshot, write: Write, new: Sequence[AdoptedFile]) -> tuple[LakeFile, ...]:
    """The files that may have rows with the keys of the files `new`: those of the same partitions, if the key has all partition columns."""
    by = snapshot.partition_by
    if not by or not _lower(by) <= _lower(write.key):
        return snapshot.files
    partitions = {tuple(file.partition[name] for name in by) for file in new}
    return tuple(file for file in snapshot.files if tuple(file.partition.get(name) for name in by) in partitions)


def _lower(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


def _rows_in(path: str) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
