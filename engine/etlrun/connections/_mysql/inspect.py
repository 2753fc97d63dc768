"""Rules for the staged rows: values that a MySQL table would change or refuse."""

from __future__ import annotations

from collections.abc import Iterator

from etlrun.connections._mysql.types import BLOBS, TEXTS, WITH_SPACES, MysqlColumn
from etlrun.language.columns import Column
from etlrun.warehouse.inspection import day_rule, null_rule
from etlrun.warehouse.server import Rule
from etlrun.warehouse.stage import Stage
from etlrun.warehouse.tables import Definition


def rules(stage: Stage, there: Definition[MysqlColumn]) -> Iterator[Rule]:
    """The rules for values that a MySQL table would change or refuse."""
    for item in stage.load.columns:
        yield from _rules(stage, item, there)


def _rules(stage: Stage, item: Column, there: Definition[MysqlColumn]) -> Iterator[Rule]:
    staged, stored, kind = stage.staged(item.name), there.column(item.name), item.type.name
    assert stored is not None
    is_key = item.name.lower() in {key.lower() for key in stage.load.key}
    if not stored.is_nullable or is_key:
        yield null_rule(stage, item)
    if kind in ("string", "binary"):
        limit, unit, length = _limit(stored, staged, is_text=kind == "string")
        fix = f"make the column of the table wider; it is {stored.written}"
        yield Rule(item.name, f"{length} > {limit}", f"is longer than {limit:,} {unit}", fix)
    if kind == "string" and is_key and stored.collation not in WITH_SPACES:
        yield Rule(
            item.name,
            f"ends_with({staged}, ' ')",
            "ends with a space, and MySQL ignores spaces at the end of a key",
            "`trim` it",
            tuple(key for key in stage.load.key if _is_padded(stage, there, key)),
        )
    if kind in ("float", "double"):
        yield Rule(
            item.name,
            f"NOT isfinite({staged})",
            "is not a number or is infinite",
            "make it null, or `filter` such rows out",
        )
    if kind in ("date", "timestamp", "timestamptz"):
        yield day_rule(stage, item)


def _limit(stored: MysqlColumn, staged: str, *, is_text: bool) -> tuple[int, str, str]:
    """The size limit of a column, its unit, and how it is counted in the stage."""
    bytes_ = f"strlen({staged})" if is_text else f"octet_length({staged})"
    if stored.kind in TEXTS or stored.kind in BLOBS:
        return {**TEXTS, **BLOBS}[stored.kind], "bytes", bytes_
    return stored.limit or 0, "characters" if is_text else "bytes", f"length({staged})" if is_text else bytes_


def _is_padded(stage: Stage, there: Definition[MysqlColumn], key: str) -> bool:
    stored, wanted = there.column(key), stage.load.columns.get(key)
    is_text = wanted is not None and wanted.type.name == "string"
    return is_text and stored is not None and stored.collation not in WITH_SPACES
