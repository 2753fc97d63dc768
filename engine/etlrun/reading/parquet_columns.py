"""Decides how each declared column is read from one Parquet file: its path and type there, and the changes that its values need.

No value is changed silently: a declared type that cannot hold all values of the type in the file is refused here, or each value is
checked if only some may not fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from etlrun.contracts.engine import ABSENT, Change, FileColumn
from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import NULL, TIMESTAMP, TIMESTAMPTZ, Column, Type
from etlrun.reading.lookalikes import look_of
from etlrun.reading.parquet_nesting import nested_type
from etlrun.reading.parquet_types import Misfit, fits, members_of

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet


@dataclass(frozen=True)
class WantedColumn:
    """A declared column: its path in a file, whether it is a UTC clock time of instants, and whether it may be absent from a file."""

    column: Column
    place: tuple[str, ...]
    is_clock_of_instants: bool = False
    may_be_absent: bool = False

    @property
    def is_instant(self) -> bool:
        """Whether the times in the file are instants (points in time, not clock times)."""
        return self.is_clock_of_instants or self.column.type == TIMESTAMPTZ


@dataclass(frozen=True)
class FileSchema:
    """The columns of one file."""

    footer: pyarrow.parquet.ParquetFile

    def column(self, wanted: WantedColumn) -> FileColumn:
        """How `wanted` is read from the file. Raises Misfit."""
        place, found = self._find(wanted.place)
        if found is None and not wanted.may_be_absent:
            raise Misfit(
                f"there is no column `{'.'.join(wanted.place)}`", "declare it `optional: true` if some files lack it"
            )
        if found is None:
            return ABSENT
        if _is_null(found):
            if not wanted.column.nullable:
                raise Misfit(f"`{wanted.column.name}` is null in all rows, but `not null` is declared")
            return FileColumn(place, NULL)
        name = wanted.column.name
        if wanted.column.type.is_nested:
            read = nested_type(name, found, wanted.column.type, self._refuse_nested_time)
            return FileColumn(place, read, tuple(self._null_changes(wanted, place, found)))
        kind = type_of_arrow(_without_zone(found))
        if kind == TIMESTAMP and wanted.column.type == TIMESTAMPTZ:
            kind = TIMESTAMPTZ  # `_time_changes` refuses a clock time without a zone
        if kind is None:
            raise Misfit(f"`{name}` is {found}, which is not supported")
        changes = (*self._time_changes(wanted, place, found), *_widening(name, kind, wanted.column.type))
        return FileColumn(place, kind, (*changes, *self._null_changes(wanted, place, found)))

    def _find(self, place: tuple[str, ...]) -> tuple[tuple[str, ...], pyarrow.DataType | None]:
        """The path as the file spells it, and the type there; None if the file has no such column. Raises Misfit."""
        whole = self._members.get(".".join(place).lower())
        if whole is not None and len(place) > 1:
            place = (".".join(place),)
        inside: Mapping[str, list[pyarrow.Field]] | None = self._members
        found: pyarrow.DataType | None = None
        names: list[str] = []
        for index, part in enumerate(place):
            if inside is None:
                raise Misfit(f"`{'.'.join(place[:index])}` is {found}, which has no fields")
            fields = inside.get(part.lower(), [])
            if len(fields) > 1:
                raise Misfit(
                    f"`{part}` exists twice, with different letter case", "write the files with different names"
                )
            if not fields:
                _refuse_lookalike(part, names, self._looks if inside is self._members else _looks_of(inside))
                return place, None
            found, names = fields[0].type, [*names, fields[0].name]
            inside = members_of(found) if _is_struct(found) else None
        return tuple(names), found

    @cached_property
    def _looks(self) -> Mapping[str, str]:
        return _looks_of(self._members)

    @cached_property
    def _members(self) -> Mapping[str, list[pyarrow.Field]]:
        return members_of(self.footer.schema_arrow)

    def _time_changes(self, wanted: WantedColumn, place: tuple[str, ...], found: pyarrow.DataType) -> Iterator[Change]:
        import pyarrow as pa

        name = wanted.column.name
        if pa.types.is_date(found) and self._is_julian("legacyDateTime", 3, 0):
            yield "julian_date"
        if not pa.types.is_timestamp(found):
            if wanted.is_instant:
                raise Misfit(f"`{name}` is {type_of_arrow(found) or found}, but {_declared(wanted)} is declared")
            return
        is_int96 = self._is_int96(place)
        if (found.tz or is_int96) and not wanted.is_instant:
            what = "an INT96, whose time zone is not known" if is_int96 else "an instant, in UTC"
            raise Misfit(
                f"`{name}` is {what}", f"declare `{name}: timestamptz`, or `{name}: timestamp utc` for the time in UTC"
            )
        if wanted.is_instant and not (found.tz or is_int96):
            raise Misfit(f"`{name}` is a timestamp without a time zone", f"declare `{name}: timestamp`")
        if found.unit == "ns" and not is_int96:
            yield "nanoseconds"
        elif wanted.is_instant:
            yield "instant"
        if self._is_julian("legacyINT96", 3, 1) if is_int96 else found.tz and self._is_julian("legacyDateTime", 3, 0):
            yield "after_1900"

    def _refuse_nested_time(self, name: str, found: pyarrow.DataType) -> None:
        is_old = self._is_julian("legacyDateTime", 3, 0) or self._is_julian("legacyINT96", 3, 1)
        if is_old or getattr(found, "tz", None) or getattr(found, "unit", "") == "ns":
            raise Misfit(f"`{name}` is {found}: such times cannot be inside arrays, structs or maps")

    def _null_changes(self, wanted: WantedColumn, place: tuple[str, ...], found: pyarrow.DataType) -> Iterator[Change]:
        """Every value of a `not null` column is checked, unless the footer says that there are no nulls."""
        if wanted.column.nullable:
            return
        counted = self._nulls(place) if not (_is_struct(found) or _is_list(found)) else None
        if counted:
            name = wanted.column.name
            raise Misfit(
                f"`{name}` has {counted:,} nulls, but `not null` is declared", f"remove `not null` of `{name}`"
            )
        if counted is None:
            yield "required"

    def _nulls(self, place: tuple[str, ...]) -> int | None:
        """The number of nulls in the file's statistics; None if they do not have it."""
        footer = self.footer.metadata
        index = next(
            (at for at in range(footer.num_columns) if self.footer.schema.column(at).path == ".".join(place)), None
        )
        if index is None:
            return None
        groups = [footer.row_group(number).column(index).statistics for number in range(footer.num_row_groups)]
        if any(found is None or not found.has_null_count for found in groups):
            return None
        return sum(int(found.null_count) for found in groups)

    def _is_int96(self, place: tuple[str, ...]) -> bool:
        schema, path = self.footer.schema, ".".join(place)
        return any(
            schema.column(index).physical_type == "INT96"
            for index in range(self.footer.metadata.num_columns)
            if schema.column(index).path == path
        )

    def _is_julian(self, mark: str, major: int, minor: int) -> bool:
        """Whether Spark wrote the file with the Julian calendar before 1582: the footer says so, or names an old version of Spark."""
        file_metadata = self.footer.metadata.metadata or {}
        version = file_metadata.get(b"org.apache.spark.version", b"").decode("ascii", "replace").split(".")
        numbers = [int(part) for part in version[:2] if part.isdigit()]
        return f"org.apache.spark.{mark}".encode() in file_metadata or (len(numbers) == 2 and numbers < [major, minor])


def _looks_of(members: Mapping[str, list[pyarrow.Field]]) -> dict[str, str]:
    """The names of columns or members by what they look like."""
    return {look_of(found[0].name): found[0].name for found in members.values()}


def _refuse_lookalike(name: str, outer: Sequence[str], looks: Mapping[str, str]) -> None:
    """Raises Misfit if a name that the file does not have, below the names `outer`, looks like one that it has."""
    other = looks.get(look_of(name))
    if other is not None:
        message = f"there is no column `{'.'.join([*outer, name])}`, but there is one that looks the same and has other characters"
        raise Misfit(message, f"write it as `path: {json.dumps('.'.join([*outer, other]))}`")


def _declared(wanted: WantedColumn) -> str:
    return "timestamptz" if wanted.column.type == TIMESTAMPTZ else "`timestamp utc`"


def _widening(name: str, kind: Type, declared: Type) -> Iterator[Change]:
    """The change after which `declared` can hold the values of `kind`. Raises Misfit if it cannot hold all of them."""
    if fits(kind, declared):
        return
    if kind.name == "bigint" and declared.name == "double":
        yield "fits_double"
        return
    raise Misfit(f"`{name}` is {kind}, but {declared} is declared")


def _without_zone(found: pyarrow.DataType) -> pyarrow.DataType:
    import pyarrow as pa

    return pa.timestamp(found.unit) if pa.types.is_timestamp(found) else found


def _is_null(found: pyarrow.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_null(found))


def _is_struct(found: pyarrow.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(found))


def _is_list(found: pyarrow.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found))
