"""Divide a large load into slices by key, so that one slice is sent while the next is sorted and the previous one is verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from etlrun.language.duckdb_words import text, type_name
from etlrun.warehouse.server import AnyServer
from etlrun.warehouse.stage import Stage, StageField

LEAST = 200_000  # rows that are worth it
CUTS = (
    0.2,
    0.5,
    0.8,
)  # small ones at the ends: nothing is sent before the first is sorted, and nobody is left to wait for but the last
SAMPLE = 10_000  # rows that show where to cut
TYPES = ("tinyint", "smallint", "int", "bigint", "decimal", "string", "date", "timestamp")


@dataclass(frozen=True)
class Slice:
    """A part of the rows: a condition on the stage and the same condition on the table; empty for all rows."""

    staged: str = ""
    there: str = ""


WHOLE = Slice()


def cut(
    server: AnyServer, stage: Stage, key: tuple[StageField, ...], ends: Mapping[str, tuple[str, str]]
) -> tuple[Slice, ...]:
    """The slices in the order of the key: by its first column that is not the same in every row. One where the rows are few, or cannot be cut.

    `ends` are the smallest and the largest value of each column of the key.
    """
    same: list[str] = []
    for field in key if stage.load.rows >= LEAST else ():
        if field.type.name not in TYPES:
            break
        bounds = _bounds(server, stage, field)
        if bounds:
            return tuple(
                _slice(server.name(field.name), field.staged, same, *ends)
                for ends in zip((None, *bounds), (*bounds, None), strict=True)
            )
        low, high = ends.get(field.staged, ("", "?"))
        if low != high:
            break
        same.append(f"{server.name(field.name)} = {low}")
    return (WHOLE,)


def _bounds(server: AnyServer, stage: Stage, field: StageField) -> list[tuple[str, str]]:
    """The limits of the slices, for the stage and for the server; empty if most rows are equal."""
    sample = f"SELECT {field.staged} AS bound FROM stage USING SAMPLE reservoir({SAMPLE} ROWS) REPEATABLE (1)"
    quantiles = f"SELECT unnest(quantile_disc(bound, {list(CUTS)})) AS bound, min(bound) AS low FROM ({sample})"
    shown = f"'CAST(' || {_quoted('CAST(bound AS VARCHAR)')} || ' AS {type_name(field.type)})', {server.literal(replace(field, staged='bound'))}"
    found = stage.rows(
        f"SELECT {shown} FROM (SELECT DISTINCT bound FROM ({quantiles}) WHERE bound > low) ORDER BY bound"
    )
    return [(str(here), str(there)) for here, there in found]


def _quoted(value: str) -> str:
    """A text as DuckDB writes one."""
    quote = text("'")
    return f"({quote} || replace({value}, {quote}, {quote} || {quote}) || {quote})"


def _slice(
    column: str, staged: str, same: list[str], low: tuple[str, str] | None, high: tuple[str, str] | None
) -> Slice:
    ends = [(sign, bound) for sign, bound in ((">=", low), ("<", high)) if bound is not None]
    here = [f"{staged} {sign} {value}" for sign, (value, _) in ends]
    there = [*same, *(f"{column} {sign} {value}" for sign, (_, value) in ends)]
    return Slice(" AND ".join(here), " AND ".join(there))
