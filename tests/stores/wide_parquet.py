"""Parquet files with a column of every type, which store the same columns in different ways."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etlrun.sources.parquet import Parquet, ParquetColumn


def bytes_of(table: pa.Table, **options: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def wide(letters: str, start: int, **more: Any) -> pa.Table:
    """A row for each letter, and a last one of nulls, in every type."""
    numbers = range(start, start + len(letters))
    moments = [datetime.datetime(1969, 12, 31, 23, 59, 59, 123456) + datetime.timedelta(days=each) for each in numbers]
    values: dict[str, Any] = {
        "id": pa.array([*numbers, start - 1], pa.int32()),
        "letter": [*letters, None],
        "flag": [*(each % 2 == 0 for each in numbers), None],
        "price": pa.array([*(Decimal(each) / 4 for each in numbers), None], pa.decimal128(9, 2)),
        "share": pa.array([*(each / 8 for each in numbers), None], pa.float32()),
        "raw": pa.array([*(letter.encode("utf-16") for letter in letters), None], pa.binary()),
        "day": pa.array([*(moment.date() for moment in moments), None], pa.date32()),
        "clock": pa.array([*moments, None], pa.timestamp("us")),
        "at": pa.array([*moments, None], pa.timestamp("us", "UTC")),
        "tags": pa.array([*([letter, None] for letter in letters), None], pa.list_(pa.string())),
        "who": [*({"name": letter, "inner": {"n": each}} for letter, each in zip(letters, numbers, strict=True)), None],
        "counts": pa.array([*([(letter, 1)] for letter in letters), None], pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(len(letters) + 1),
    }
    return pa.table({**values, **{name: [each] * (len(letters) + 1) for name, each in more.items()}})


WIDE = Parquet(
    path="*",
    columns={
        "id": ParquetColumn("bigint not null"), "letter": ParquetColumn("string"), "flag": ParquetColumn("boolean"),
        "price": ParquetColumn("decimal(12,2)"), "share": ParquetColumn("double"), "raw": ParquetColumn("binary"),
        "day": ParquetColumn("date"), "clock": ParquetColumn("timestamp", optional=True), "at": ParquetColumn("timestamptz"),
        "utc": ParquetColumn("timestamp utc", path="at"), "tags": ParquetColumn("array<string>"),
        "who": ParquetColumn("struct<name string, inner struct<n bigint>>"),
        "n": ParquetColumn("bigint", path="who.inner.n"), "counts": ParquetColumn("map<string,bigint>"),
        "nothing": ParquetColumn("string"), "late": ParquetColumn("bigint", optional=True),
    },
)  # fmt: skip


def wide_files() -> dict[str, bytes]:
    """Files that store the same columns in different ways, in partition folders."""
    plain, late = wide("abcdé", 1), wide("xyz", 100, late=7)
    fine = late.set_column(7, "clock", late["clock"].cast(pa.timestamp("ns")))
    floats = plain.set_column(4, "share", plain["share"].cast(pa.float64())).set_column(1, "LETTER", plain["letter"])
    old = plain.drop_columns(["clock"])
    without_statistics = {"write_statistics": False, "row_group_size": 2, "compression": "zstd"}
    return {
        "dt=2024-01-01/kind=a b/0.parquet": bytes_of(plain),
        "dt=2024-01-01/kind=a b/1.parquet": bytes_of(plain, **without_statistics),
        "dt=2024-01-02/kind=__HIVE_DEFAULT_PARTITION__/0.parquet": bytes_of(fine, compression="brotli"),
        "dt=2024-01-02/kind=c/0.parquet": bytes_of(floats),
        "dt=2024-01-03/kind=c/0.parquet": bytes_of(old, use_deprecated_int96_timestamps=True),
        "dt=2024-01-03/kind=c/1.parquet": bytes_of(plain.slice(0, 0)),
    }
