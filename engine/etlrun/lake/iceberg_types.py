"""Maps column types to Iceberg types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from itertools import count
from typing import TYPE_CHECKING, Any

from etlrun.language.columns import Columns, Type

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType

EPOCH = date(1970, 1, 1)
_IDS = re.compile(r"\b\d+: (?:optional |required )?")


def iceberg_schema(columns: Columns) -> Schema:
    """The Iceberg schema of a relation; every column is optional, as in its Parquet files."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    ids = count(len(columns) + 1)
    fields = [
        NestedField(number, item.name, _iceberg_type(item.type, ids), required=False)
        for number, item in enumerate(columns, 1)
    ]
    return Schema(*fields)


def partition_spec(schema: Schema, partition_by: Sequence[str]) -> PartitionSpec:
    """The partition spec by values of columns."""
    from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
    from pyiceberg.transforms import IdentityTransform

    return PartitionSpec(
        *(
            PartitionField(
                schema.find_field(name).field_id, PARTITION_FIELD_ID_START + number, IdentityTransform(), name
            )
            for number, name in enumerate(partition_by)
        )
    )


def identity_columns(schema: Schema, spec: PartitionSpec) -> tuple[str, ...]:
    """The columns with identity partitions."""
    from pyiceberg.transforms import IdentityTransform

    fields = (field for field in spec.fields if isinstance(field.transform, IdentityTransform))
    return tuple(schema.find_field(field.source_id).name for field in fields)


def shown_type(found: IcebergType) -> str:
    """A type without its field ids."""
    return _IDS.sub("", str(found))


def partition_value(text: str | None, kind: IcebergType) -> Any:
    """Convert a partition value from text to the library's value."""
    from pyiceberg.types import BooleanType, DateType, IntegerType, LongType

    if text is None:
        return None
    if isinstance(kind, BooleanType):
        return text == "true"
    if isinstance(kind, (IntegerType, LongType)):
        return int(text)
    if isinstance(kind, DateType):
        return (date.fromisoformat(text) - EPOCH).days
    return text


def _iceberg_type(found: Type, ids: Any) -> IcebergType:
    from pyiceberg import types

    if found.element is not None:
        return types.ListType(next(ids), _iceberg_type(found.element, ids), element_required=False)
    if found.entry:
        key, value = found.entry
        return types.MapType(
            next(ids), _iceberg_type(key, ids), next(ids), _iceberg_type(value, ids), value_required=False
        )
    if found.fields:
        inner = [(next(ids), name, _iceberg_type(kind, ids)) for name, kind in found.fields]
        return types.StructType(*(types.NestedField(*field, required=False) for field in inner))
    if found.name == "decimal":
        precision, scale = found.precision, found.scale
        return types.DecimalType(precision, scale)
    return _SIMPLE[found.name](types)


_SIMPLE: dict[str, Any] = {
    "boolean": lambda types: types.BooleanType(),
    "tinyint": lambda types: types.IntegerType(),
    "smallint": lambda types: types.IntegerType(),
    "int": lambda types: types.IntegerType(),
    "bigint": lambda types: types.LongType(),
    "float": lambda types: types.FloatType(),
    "double": lambda types: types.DoubleType(),
    "string": lambda types: types.StringType(),
    "binary": lambda types: types.BinaryType(),
    "date": lambda types: types.DateType(),
    "timestamp": lambda types: types.TimestampType(),
    "timestamptz": lambda types: types.TimestamptzType(),
}
