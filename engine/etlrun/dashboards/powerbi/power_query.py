"""Where a Power BI project reads its rows: a MySQL server or a Parquet file, as Power Query (M)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etlrun.dashboards.powerbi.dax import LINE_BREAKING
from etlrun.language.columns import Column, Type


@dataclass(frozen=True)
class Parameter:
    """A text that the user enters when opening the project, and its default."""

    name: str
    value: str


@dataclass(frozen=True)
class RowSource:
    """Where the rows of a table come from: parameters, and the lines of M up to the step `Data`."""

    parameters: tuple[Parameter, ...]
    lines: tuple[str, ...]


def from_mysql(table: str, server: str, database: str) -> RowSource:
    """A table of a MySQL or MariaDB server. Power BI asks for the account, which is never part of the project."""
    options = "[ReturnSingleDatabase = true, CreateNavigationProperties = false]"
    lines = (
        f"Source = MySQL.Database(Server, Database, {options}),",
        f"Data = Source{{[Schema = Database, Item = {literal(table)}]}}[Data],",
    )
    return RowSource((Parameter("Server", server), Parameter("Database", database)), lines)


def from_parquet(file: str) -> RowSource:
    """A Parquet file in a folder that the user enters."""
    line = f"Data = Parquet.Document(File.Contents(Folder & {literal(file)})),"
    return RowSource((Parameter("Folder", "C:\\data\\"),), (line,))


def query(source: RowSource, columns: Sequence[Column], key: Sequence[str]) -> list[str]:
    """The lines of the query: only the columns of the model, in their types, sorted by the key.

    A new column of the table changes nothing. Power BI shows the spelling of a text that it loads first, so the order is fixed.
    """
    names = ", ".join(literal(column.name) for column in columns)
    types = ", ".join(f"{{{literal(column.name)}, {_type(column.type)}}}" for column in columns)
    order = ", ".join(f"{{{literal(name)}, Order.Ascending}}" for name in key)
    steps = [
        *source.lines,
        f"Kept = Table.SelectColumns(Data, {{{names}}}),",
        f'Typed = Table.TransformColumnTypes(Kept, {{{types}}}, "en-US"),',
        f"Sorted = Table.Sort(Typed, {{{order}}})",
    ]
    return ["let", *(f"    {step}" for step in steps), "in", "    Sorted"]


def literal(text: str) -> str:
    """A text in M."""
    escaped = text.replace('"', '""').replace("#(", "#(#)(")
    return '"' + LINE_BREAKING.sub(lambda found: f"#({ord(found[0]):04X})", escaped) + '"'


def _type(kind: Type) -> str:
    if kind.is_integer:
        return "Int64.Type"
    if kind.is_numeric:
        return "Currency.Type" if is_fixed(kind) else "type number"
    return {
        "boolean": "type logical",
        "date": "type date",
        "timestamp": "type datetime",
        "timestamptz": "type datetimezone",
    }.get(kind.name, "type text")


def is_fixed(kind: Type) -> bool:
    """Whether Power BI's fixed decimal number, of 15 digits before the point and 4 after it, holds every value."""
    return kind.name == "decimal" and kind.scale <= 4 and kind.precision - kind.scale <= 14
