"""Computes the numbers of a page: sums for every combination of its filters, the labels of filter values, and the rows of its tables.

Everything is computed by DuckDB over a copy of the published table, so a page is the same for every kind of server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.dashboards.checked import CheckedDashboard, order_of, row_columns
from etlrun.dashboards.column_uses import columns_read
from etlrun.dashboards.measures import ROWS, Formula, SumMeasure, quoted
from etlrun.dashboards.packed_rows import Packed, pack_table
from etlrun.dashboards.page_limits import check_cells, held_sum, shown_values
from etlrun.dashboards.spec import Bar, RowTable
from etlrun.language.columns import TIMESTAMPTZ
from etlrun.language.duckdb_words import parquet, text, type_name
from etlrun.spec.project import Use

if TYPE_CHECKING:
    import duckdb

UNKNOWN = 0  # the code of a missing value; labels count from 1


@dataclass(frozen=True)
class Cube:
    """Sums for each combination of the values of `dimensions`: their codes, and the parts of the measures, cell by cell."""

    dimensions: tuple[str, ...]
    codes: Mapping[str, Sequence[int]]
    parts: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class PageData:
    """What a page holds: labels by column, cubes, the largest keys of every cell by card, rows by table, whose values are in `packed`,
    and how many rows there are."""

    labels: Mapping[str, Sequence[str]]
    cubes: Sequence[Cube]
    tops: Mapping[str, Sequence[Sequence[Any]]]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    packed: Sequence[bytes]
    total: int


def collect(dashboard: CheckedDashboard, files: Sequence[Path]) -> PageData:
    """Compute the data of a dashboard's page from the Parquet files of its table. Raises RunFailure if it is too large."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE VIEW published AS SELECT {_instants(dashboard)} FROM {_source(dashboard, files)}")
        return _Collector(dashboard, connection).page()


def _source(dashboard: CheckedDashboard, files: Sequence[Path]) -> str:
    if files:
        return parquet(files)
    nothing = ", ".join(f"CAST(NULL AS {type_name(item.type)}) AS {quoted(item.name)}" for item in dashboard.columns)
    return f"(SELECT {nothing} WHERE false)"


def _instants(dashboard: CheckedDashboard) -> str:
    """All columns, with instants in a type with a time zone, whether or not their files have one."""
    names = [quoted(item.name) for item in columns_read(dashboard) if item.type == TIMESTAMPTZ]
    replaced = ", ".join(f"CAST({name} AS TIMESTAMPTZ) AS {name}" for name in names)
    return f"* REPLACE ({replaced})" if names else "*"


class _Collector:
    def __init__(self, dashboard: CheckedDashboard, connection: duckdb.DuckDBPyConnection) -> None:
        self.dashboard = dashboard
        self.connection = connection
        self.labels: dict[str, list[str]] = {}
        self.packed = Packed()

    def page(self) -> PageData:
        for values in shown_values(self.dashboard):
            self.code(values.column)
            values.check(len(self.labels[values.column]), self.dashboard)
        cubes = [self.cube(names) for names in self.dashboard.dimensions]
        tops = {
            _place(use.where): self.top(use.value)
            for use in self.dashboard.file.cards
            if isinstance(use.value, Bar) and self.dashboard.is_key(use.value.of)
        }
        rows = {
            _place(use.where): self.rows(use) for use in self.dashboard.file.cards if isinstance(use.value, RowTable)
        }
        ((total,),) = self.ask("SELECT count(*) FROM published")
        return PageData(self.labels, cubes, tops, rows, self.packed.parts, total)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def code(self, column: str) -> str:
        """SQL for the code of a column's value: 0 if it is null. Makes the table of its labels at first use."""
        table = quoted(f"labels of {column}")
        if column not in self.labels:
            self.make_labels(column, table)
        return f"coalesce((SELECT code FROM {table} WHERE value = published.{quoted(column)}), {UNKNOWN})"

    def folded(self, column: str) -> str:
        """A value as it is compared: text without case, and without blanks at its end."""
        found = self.dashboard.columns.get(column)
        value = f"CAST({quoted(column)} AS VARCHAR)"
        return f"lower(rtrim({value}))" if found and found.type.name == "string" else value

    def make_labels(self, column: str, table: str) -> None:
        """Number the values of a column, in the declared order or from the most frequent one on."""
        found = self.dashboard.columns.get(column)
        order = list(found.domain or ()) if found else []
        place = f"coalesce(list_position({_list(order)}, label), {len(order) + 1})" if order else "1"
        self.connection.execute(
            f"""CREATE TEMP TABLE {table} AS
            WITH spelled AS (
                SELECT {quoted(column)} AS value, {self.folded(column)} AS folded, CAST(value AS VARCHAR) AS label, count(*) AS n
                FROM published WHERE {quoted(column)} IS NOT NULL GROUP BY ALL
            ), chosen AS (
                SELECT folded, first(label ORDER BY n DESC, label) AS label, sum(n) AS n FROM spelled GROUP BY folded
            ), numbered AS (
                SELECT folded, label, row_number() OVER (ORDER BY {place}, n DESC, label)::INT AS code FROM chosen
            )
            SELECT value, code, numbered.label FROM spelled JOIN numbered USING (folded)"""
        )
        self.labels[column] = [
            label for (label,) in self.ask(f"SELECT any_value(label) FROM {table} GROUP BY code ORDER BY code")
        ]

    def cube(self, names: tuple[str, ...]) -> Cube:
        parts = {ROWS: ("count(*)", ""), **_parts(self.dashboard.formulas)}
        codes = [f"{self.code(name)} AS d{index}" for index, name in enumerate(names)]
        sums = [f"{sql} AS p{index}" for index, (sql, _) in enumerate(parts.values())]
        grouped = "GROUP BY ALL ORDER BY ALL" if names else "HAVING count(*) > 0"
        found = self.ask(f"SELECT {', '.join([*codes, *sums])} FROM published {grouped}")
        check_cells(len(found), names, self.dashboard)
        columns = list(zip(*found, strict=True)) or [()] * (len(codes) + len(sums))
        return Cube(
            names,
            dict(zip(names, columns, strict=False)),
            {
                part: [held_sum(value, name, self.dashboard) for value in values]
                for (part, (_, name)), values in zip(parts.items(), columns[len(codes) :], strict=True)
            },
        )

    def top(self, card: Bar) -> list[tuple[Any, ...]]:
        """The rows with the largest sums in every cell of the filters: their codes, the key, the sum. Each selection's largest are among them."""
        formula = self.dashboard.formulas[card.value]
        assert isinstance(formula, SumMeasure)
        known = " + ".join(f"CAST({quoted(column)} IS NOT NULL AS INT)" for column in formula.columns)
        added = " + ".join(f"coalesce({quoted(column)}, 0)" for column in formula.columns)
        codes = [self.code(self.dashboard.column(name)) for name in self.dashboard.spec.filters]
        cell = f"row({', '.join(codes or ('0',))})"
        key = f"CAST({quoted(self.dashboard.column(card.of))} AS VARCHAR)"
        found = self.ask(
            f"""WITH summed AS (SELECT {cell} AS cell, {key} AS key, CASE WHEN {known} > 0 THEN {added} END AS value FROM published),
            least AS (SELECT cell, list_min(max(value, {card.top})) AS least FROM summed GROUP BY cell)
            SELECT {"".join(f"cell[{index + 1}], " for index in range(len(codes)))}key, value
            FROM summed JOIN least USING (cell) WHERE value >= least
            QUALIFY row_number() OVER (PARTITION BY cell ORDER BY value DESC, key) <= {card.top}
            ORDER BY value DESC, key"""
        )
        return [(*row[:-1], held_sum(row[-1], card.value, self.dashboard)) for row in found]

    def rows(self, use: Use) -> list[dict[str, Any]]:
        """The packed rows of a table: the codes of the filters, then its columns. All rows come in the order of the key, which packs best."""
        order, limit = order_of(self.dashboard, use.value), f" LIMIT {use.value.rows}"
        if use.value.rows == "all":
            order, limit = ", ".join(map(quoted, self.dashboard.key or self.dashboard.columns.names)), ""
        items = [self.code(self.dashboard.column(name)) for name in self.dashboard.spec.filters]
        items += [self.exact(name) for name in row_columns(self.dashboard, use)]
        selected = ", ".join(f"{item} AS c{index}" for index, item in enumerate(items))
        query = self.connection.sql(f"SELECT {selected} FROM published ORDER BY {order}{limit}")
        return pack_table(query.to_arrow_table(), len(self.dashboard.spec.filters), self.packed)

    def exact(self, column: str) -> str:
        """A column for the page: a decimal becomes the nearest double; other types than numbers and texts are written like labels."""
        found = self.dashboard.columns.get(column)
        if found and found.type.name == "decimal":
            return f"CAST({quoted(column)} AS DOUBLE)"
        is_plain = found and (found.type.is_numeric or found.type.name == "string")
        return quoted(column) if is_plain else f"CAST({quoted(column)} AS VARCHAR)"


def _parts(formulas: Mapping[str, Formula]) -> dict[str, tuple[str, str]]:
    """The SQL of each part, with a measure that uses it."""
    return {part: (sql, name) for name, formula in formulas.items() for part, sql in formula.parts().items()}


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(text(value) for value in values)}]"


def _place(where: Sequence[str | int]) -> str:
    return f"{where[1]}.{where[2]}"
