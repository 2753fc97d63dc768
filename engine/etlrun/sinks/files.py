"""`files` - publishes a relation as one file or as a folder of files, in one atomic step.

A reader sees the old file or the new file. Rows are sorted by `order` (default: by all columns), so the same rows give
the same bytes. The path is in the project, or in a store that `storage:` of `etlrun.yaml` names:
`s3://lake/out/profile.csv`. In Parquet files, every column may be null, whatever its values are.

A spreadsheet may run a text of a CSV file as a formula if it starts with `=`, `+`, `-` or `@` (also as full-width
characters, such as `＝`), a tab or a line break. By default such texts are written unchanged. `formulas: escape` writes
`'` before them. Use it if people open the file in a spreadsheet and its texts come from others. Programs that read the
file also get the `'`.

```yaml
sinks:
  profile_export:
    files: {from: profile, path: out/profile.csv}
```

If `path` ends in `/`, the sink writes a folder of files, and `partition_by` divides it: `month=2022-04/part-0.parquet`.
The files do not contain the partition columns; their values are in the folder names.

```yaml
sinks:
  profile_months:
    files: {from: profile, path: out/profile/, partition_by: [month]}
```

Each run writes its own subfolder, such as `_20220501T020304Z-.../`, and then the small file `_etlrun/current.json`. In
this file, `folder` is the current subfolder, and `files` lists its files with size and SHA-256. A program must read
this file first. Most tools ignore names that start with `_`, so a tool that reads the folder directly finds no rows
instead of the rows of two runs. The last `keep` subfolders stay, so that a reader can finish. An older run never
replaces a newer run. If two runs publish at the same moment, the later one wins; if you need conflicts to be detected,
use `delta`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from etlrun.contracts.partitions import verify_partitions
from etlrun.contracts.sink import (
    Publication,
    Sink,
    canonical_place,
    how_to_flatten,
    published_file,
    replacing,
    verify_place,
)
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.lake.file_sets import current, publish, remove_forgotten_objects
from etlrun.lake.table_folder import StoreFolder, TableFolder, store_folder, table_folder
from etlrun.language.columns import TIMESTAMPTZ, Column, Columns
from etlrun.language.duckdb_words import name, parquet, published_value, text
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope
from etlrun.spec.urls import is_url, read_url
from etlrun.stopping import cancelling, finishing

if TYPE_CHECKING:
    import duckdb

FORMATS: tuple[Literal["parquet", "csv", "json"], ...] = ("parquet", "csv", "json")


@dataclass(frozen=True)
class Files(Sink):
    """Publishes a relation as one file, which is replaced in one step."""

    from_: str = key("the relation to publish", yaml="from")
    path: str = key(
        "the file, relative to the project, or a URL in a store. The ending selects the format: `.parquet`, `.csv`, "
        "`.json` (one object per line), or `/` for a folder"
    )
    partition_by: tuple[str, ...] = key("for a folder: the partition columns", default=(), example=("month",))
    format: Literal["parquet", "csv", "json", ""] = key(
        "for a folder: the format of its files; default: `parquet`", default="", example="csv"
    )
    keep: int = key("for a folder: how many published sets of files are kept, including the current one", default=2)
    order: tuple[str, ...] = key(
        "the columns to sort the rows by; default: all columns", default=(), example=("shop", "day")
    )
    formulas: Literal["keep", "escape"] = key(
        "a text in a CSV file that a spreadsheet would run as a formula: `keep` writes it unchanged, `escape` writes "
        "`'` before it",
        default="keep",
    )
    min_rows: int = key("the run stops before it publishes if there are fewer rows", default=1)

    @property
    def is_folder(self) -> bool:
        """Whether files of a folder are written, not one."""
        return self.path.endswith("/")

    @property
    def form(self) -> Literal["parquet", "csv", "json"] | None:
        """The format; None where the path of a file does not say it."""
        if self.is_folder:
            return self.format or "parquet"
        return next((form for form in FORMATS if self.path.endswith(f".{form}")), None)

    @property
    def is_parquet_file(self) -> bool:
        """Whether one Parquet file of the project is written, which the commands of a project read again."""
        return self.form == "parquet" and not self.is_folder and not is_url(self.path)

    def verify(self, columns: Columns, scope: Scope) -> None:
        for index, column in enumerate(self.order):
            scope.column(columns, column, ("order", index))
        verify_place(self.path, scope)
        self._verify_folder(columns, scope)
        if self.formulas == "escape" and self.form in ("parquet", "json"):
            scope.error("formulas", "wrong-value", "`formulas` is only for CSV files", "leave it out")
        if self.form is None:
            scope.error(
                "path",
                "wrong-value",
                "the ending of the path is not that of a known format",
                "use a name that ends in `.parquet`, `.csv` or `.json`",
            )
        for item in columns:
            if item.type.is_nested and self.form == "csv":
                fix = f"choose another format, or {how_to_flatten(item)}"
                scope.error(
                    "path", "type-mismatch", f"`{item.name}` is {item.type}, which a CSV file cannot store", fix
                )

    def _verify_folder(self, columns: Columns, scope: Scope) -> None:
        verify_partitions(self.partition_by, columns, scope)
        if self.keep < 1:
            scope.error("keep", "wrong-value", f"`keep` is {self.keep}", "write a number from 1")
        if self.is_folder:
            return
        for key_, given in (("partition_by", self.partition_by), ("format", self.format)):
            if given:
                message = f"`{key_}` is only for a folder of files, but `path` is one file"
                scope.error(
                    key_,
                    "wrong-value",
                    message,
                    "write a `path` that ends in `/`, such as `out/profile/`, or remove `{key_}`",
                )

    def place(self, name: str) -> tuple[str, str, str]:
        return "", canonical_place(self.path), ""

    def table_written(self, name: str) -> tuple[str, str] | None:
        return self.place(name)[:2] if self.is_folder else None

    def replaces_all(self) -> bool:
        return True

    def look_ahead(self, publication: Publication) -> str:
        if self.is_folder:
            is_there = current(self._folder(publication)) is not None
            return f"{'replaces' if is_there else 'writes'} the files of {self.path}"
        if is_url(self.path):
            folder, name_ = self._object(publication)
            return f"{'replaces' if name_ in folder.names() else 'writes'} the object {self.path}"
        is_there = published_file(publication.root, self.path).exists()
        return f"{'replaces' if is_there else 'writes'} the file {self.path}"

    def publish(self, publication: Publication) -> dict[str, Any]:
        if self.is_folder:
            columns = {item.name: str(item.type) for item in publication.columns}
            about = {"format": self.form, "partition_by": self._keys(publication), "columns": columns}
            write = partial(self._write_folder, publication)
            publish(self._folder(publication), publication, self.keep, about, write)
        elif is_url(self.path):
            self._publish_object(publication)
        else:
            with replacing(published_file(publication.root, self.path)) as (connection, new):
                self._copy(connection, publication, new)
        return {"file": self.path, "write": "replace", "rows": publication.rows, "checksum": publication.checksum}

    def _publish_object(self, publication: Publication) -> None:
        """Upload the file under a temporary name, then let the store give it its final name in one step."""
        folder, name_ = self._object(publication)
        remove_forgotten_objects(folder)
        new = f".etlrun-{publication.run_id}-{uuid4().hex[:8]}"
        with folder.workspace(new) as work:
            self._written(folder.uri, lambda connection: self._copy(connection, publication, work / name_))
            try:
                folder.add(work / name_, f"{new}/{name_}")
                with finishing():
                    folder.move(f"{new}/{name_}", name_)
            except BaseException:
                folder.remove(new)
                raise

    def _write_folder(self, publication: Publication, work: Path) -> None:
        keys = self._keys(publication)
        by = f", PARTITION_BY ({', '.join(map(name, keys))}), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'part-{{i}}'"
        target = work if keys else work / f"part-0.{self.form}"

        def write(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute("SET threads = 1")  # in the order of the rows
            self._refuse_empty_texts(connection, publication, keys)
            self._copy(connection, publication, target, by if keys else "")

        self._written(str(work.parent), write)

    def _keys(self, publication: Publication) -> list[str]:
        return [item.name for key_ in self.partition_by if (item := publication.columns.get(key_)) is not None]

    def _refuse_empty_texts(
        self, connection: duckdb.DuckDBPyConnection, publication: Publication, keys: Sequence[str]
    ) -> None:
        """Raises RunFailure for an empty text, which the name of a folder cannot tell from null."""
        for key_ in keys:
            rows = f"SELECT 1 FROM {parquet(publication.files)} WHERE CAST({name(key_)} AS VARCHAR) = '' LIMIT 1"
            if publication.files and connection.execute(rows).fetchall():
                message = f"`{key_}` contains an empty text, which would be the same as null in a partition"
                fix = f"make it null before: `replace: {{{key_}: \"nullif({key_}, '')\"}}`, or do not partition by it"
                raise RunFailure("sink", "value-refused", message, fix)

    def _written(self, place: str, write: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        import duckdb

        from etlrun.lake.adoption import unwritten

        try:
            with duckdb.connect() as connection, cancelling(connection.interrupt):
                write(connection)
        except (duckdb.Error, OSError) as error:
            raise unwritten(place, str(error)) from error

    def _copy(
        self, connection: duckdb.DuckDBPyConnection, publication: Publication, target: Path, options: str = ""
    ) -> None:
        how = f"{_OPTIONS[self.form or 'parquet']}{options}"
        # Else a Parquet file declares those columns `not null` in which DuckDB knows of no null, which depends on how rows were staged.
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        (written,) = connection.execute(
            f"COPY ({self._sorted_rows(publication)}) TO {text(str(target))} ({how})"
        ).fetchall()[0]
        if written != publication.rows:
            message = (
                f"`{self.path}` was not published: only {counted(written, 'row')} of {publication.rows:,} were written"
            )
            raise RunFailure(
                "sink",
                "rows-differ",
                message,
                "run the pipeline again; if it fails again, report this bug with `run.json` of the run",
            )

    def _folder(self, publication: Publication) -> TableFolder:
        if not is_url(self.path):
            published_file(publication.root, self.path)
        return table_folder(publication.root, self.path, publication.stores, publication.scratch)

    def _object(self, publication: Publication) -> tuple[StoreFolder, str]:
        """The folder of the object, and its name there."""
        url = read_url(self.path)
        return store_folder(url.parent, publication.stores, publication.scratch), url.parts[-1]

    def _sorted_rows(self, publication: Publication) -> str:
        escapes = self.form == "csv" and self.formulas == "escape"
        values = ", ".join(self._value(item, escapes=escapes) for item in publication.columns)
        rest = [item.name for item in publication.columns if item.name not in self.order]
        order = ", ".join(name(column) for column in (*self.order, *rest))
        return f"SELECT {values} FROM (SELECT * FROM {parquet(publication.files)} ORDER BY {order})"

    def _value(self, item: Column, *, escapes: bool) -> str:
        if item.type == TIMESTAMPTZ and self.form != "parquet":
            return f"CAST({name(item.name)} AS VARCHAR) || 'Z' AS {name(item.name)}"
        return _escaped(item.name) if item.type.name == "string" and escapes else published_value(item)


_OPTIONS = {"parquet": "FORMAT parquet", "csv": "FORMAT csv, HEADER true", "json": "FORMAT json"}
_FORMULA = "^[-=+@－＝＋＠\t\r\n]"


def _escaped(column: str) -> str:
    """A text, with a `'` in front where a spreadsheet would take it for a formula."""
    quoted = name(column)
    return f"CASE WHEN regexp_matches({quoted}, {text(_FORMULA)}) THEN {text(chr(39))} || {quoted} ELSE {quoted} END AS {quoted}"
