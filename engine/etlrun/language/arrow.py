"""Converts columns to Arrow schemas, in which rows enter and leave an engine, and writes such rows as Parquet."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.language.columns import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TIMESTAMPTZ,
    TINYINT,
    Columns,
    Type,
    array,
    decimal,
    mapping,
    struct,
)
from etlrun.language.type_texts import MAP_KEYS

if TYPE_CHECKING:
    import pyarrow


def arrow_type(kind: Type) -> pyarrow.DataType:
    """The Arrow type of a column; timestamps are microseconds without a zone; instants are too, as clock times in UTC."""
    import pyarrow as pa

    if kind.name == "decimal":
        return pa.decimal128(kind.precision, kind.scale)
    if kind.name == "array" and kind.element is not None:
        return pa.list_(arrow_type(kind.element))
    if kind.entry is not None:
        return pa.map_(*map(arrow_type, kind.entry))
    if kind.name == "struct":
        return pa.struct([(name, arrow_type(inner)) for name, inner in kind.fields])
    names = {
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "string": pa.string(),
        "binary": pa.binary(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us"),
        "null": pa.null(),
    }
    return names[kind.name]


def arrow_schema(columns: Columns) -> pyarrow.Schema:
    """The Arrow schema of a relation."""
    import pyarrow as pa

    return pa.schema([(item.name, arrow_type(item.type)) for item in columns])


def published_schema(columns: Columns) -> pyarrow.Schema:
    """The Arrow schema of a relation for other programs: instants have the zone UTC."""
    import pyarrow as pa

    return pa.schema(
        [
            (item.name, pa.timestamp("us", "UTC") if item.type == TIMESTAMPTZ else arrow_type(item.type))
            for item in columns
        ]
    )


def write_parquet(path: Path, columns: Columns, batches: Iterable[pyarrow.RecordBatch]) -> int:
    """Write the rows of a relation as one Parquet file; returns their number."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, arrow_schema(columns)) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


@cache
def _simple_types() -> dict[pyarrow.DataType, Type]:
    import pyarrow as pa

    return {
        pa.bool_(): BOOLEAN,
        pa.int8(): TINYINT,
        pa.int16(): SMALLINT,
        pa.int32(): INT,
        pa.int64(): BIGINT,
        pa.float32(): FLOAT,
        pa.float64(): DOUBLE,
        pa.string(): STRING,
        pa.large_string(): STRING,
        pa.string_view(): STRING,
        pa.binary(): BINARY,
        pa.large_binary(): BINARY,
        pa.date32(): DATE,
        pa.date64(): DATE,
        pa.uint64(): decimal(20, 0),
        pa.uint8(): SMALLINT,
        pa.uint16(): INT,
        pa.uint32(): BIGINT,
    }


def type_of_arrow(found: pyarrow.DataType) -> Type | None:
    """The column type of an Arrow type; None if there is none, as for a timestamp with a zone."""
    import pyarrow as pa

    simple = _simple_types()
    if found in simple:
        return simple[found]
    if pa.types.is_timestamp(found) and found.tz is None:
        return TIMESTAMP
    if pa.types.is_decimal(found):
        return decimal(found.precision, found.scale)
    if pa.types.is_dictionary(found):
        return type_of_arrow(found.value_type)
    if isinstance(found, pa.BaseExtensionType) and found.extension_name == "arrow.json":
        return type_of_arrow(found.storage_type)
    if pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found):
        element = type_of_arrow(found.value_type)
        return array(element) if element is not None else None
    if pa.types.is_map(found):
        key, value = type_of_arrow(found.key_type), type_of_arrow(found.item_type)
        return mapping(key, value) if key is not None and value is not None and key.name in MAP_KEYS else None
    if pa.types.is_struct(found):
        members = [(field.name, type_of_arrow(field.type)) for field in found]
        return (
            struct(*((name, kind) for name, kind in members if kind is not None))
            if all(kind for _, kind in members)
            else None
        )
    return None
