"""Rows on their way into a Delta table, without a run around them, and what another reader finds there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from etlrun.contracts.sink import Publication
from etlrun.lake.table_folder import LocalFolder, TableFolder, table_folder
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import BIGINT, STRING, Column, Columns
from etlrun.spec.project import Use
from etlrun.spec.urls import read_url
from etlrun.storage.stores import Stores
from etlrun.storages.s3 import S3

Row = tuple[Any, ...]
COLUMNS = Columns((Column("month", STRING), Column("units", BIGINT)))
FIRST, SECOND, THIRD = (f"2022050{day}T000000Z-a" for day in (1, 2, 3))


def publication(
    folder: Path, rows: Sequence[Row], run_id: str = FIRST, columns: Columns = COLUMNS, pipeline: str = "p"
) -> Publication:
    """Rows in two staged files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [item.name for item in columns]
    files = tuple(folder / f"{run_id}-{pipeline}-{part}.parquet" for part in (0, 1))
    for part, path in enumerate(files):
        found = [dict(zip(names, row, strict=True)) for row in rows[part::2]]
        pq.write_table(pa.Table.from_pylist(found, arrow_schema(columns)), path)
    checksum = str(hash(tuple(sorted(map(repr, rows)))))
    nothing = cast(Any, None)
    return Publication(
        "out",
        columns,
        files,
        len(rows),
        checksum,
        run_id,
        pipeline,
        "",
        "0123",
        folder,
        nothing,
        nothing,
        scratch=folder,
    )


def in_store(endpoint: str, url: str, scratch: Path) -> TableFolder:
    """A folder of a store of S3's kind."""
    settings = S3(endpoint=endpoint, region="us-east-1", access_key="key", secret_key="s3cr3t")
    stores = Stores({read_url(url).parent: Use("s3", settings, ())})
    return table_folder(Path(), url, stores, scratch)


def at(root: Path) -> TableFolder:
    return LocalFolder(root)


def rows_of(root: Path) -> list[Row]:
    """The rows of a table as the library of Delta reads them."""
    return rows_in(at(root))


def rows_in(folder: TableFolder) -> list[Row]:
    table = DeltaTable(folder.uri, storage_options=dict(folder.options) or None)
    found = table.to_pyarrow_table().to_pylist()
    return sorted((tuple(row.values()) for row in found), key=repr)
