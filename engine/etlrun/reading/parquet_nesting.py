"""Nested columns of Parquet files: which members are read, and with which types. Only declared members of a struct are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import Type, array, mapping, struct
from etlrun.reading.parquet_types import Misfit, fits, members_of

if TYPE_CHECKING:
    import pyarrow

RefuseTime = Callable[[str, "pyarrow.DataType"], None]


def nested_type(name: str, found: pyarrow.DataType, declared: Type, refuse_time: RefuseTime) -> Type:
    """The type under which a nested column is read from a file that holds `found`: the shape is the declared one, the leaves are the file's.

    `refuse_time` raises Misfit for a date or timestamp that cannot be read inside a column. Raises Misfit if a value might not fit.
    """
    import pyarrow as pa

    if declared.element is not None and (
        pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
    ):
        return array(nested_type(f"{name}[]", found.value_type, declared.element, refuse_time))
    if declared.entry is not None and pa.types.is_map(found):
        key, value = declared.entry
        return mapping(
            nested_type(f"{name}[key]", found.key_type, key, refuse_time),
            nested_type(f"{name}[value]", found.item_type, value, refuse_time),
        )
    if declared.fields and pa.types.is_struct(found):
        there = members_of(found)
        fields = (_member(f"{name}.{field}", there.get(field.lower(), []), inner) for field, inner in declared.fields)
        return struct(
            *((member.name, nested_type(place, member.type, inner, refuse_time)) for place, member, inner in fields)
        )
    if pa.types.is_date(found) or pa.types.is_timestamp(found):
        refuse_time(name, found)
    kind = type_of_arrow(found)
    if kind is None or not fits(kind, declared):
        raise Misfit(f"`{name}` is {kind or found}, but {declared} is declared")
    return kind


def _member(place: str, found: list[pyarrow.Field], declared: Type) -> tuple[str, pyarrow.Field, Type]:
    if len(found) > 1:
        raise Misfit(f"`{place}` exists twice, with different letter case", "write the files with different names")
    if not found:
        raise Misfit(f"there is no `{place}`", "leave it out of the declared type where files lack it")
    return place, found[0], declared
