"""Look at the staged rows before anything is sent: every value must be one that its column keeps as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etlrun.connections._mysql.encode import Field, has_special, literal
from etlrun.connections._mysql.stage import Stage
from etlrun.connections._mysql.tables import Definition
from etlrun.connections._mysql.types import BLOBS, TEXTS, WITH_SPACES, Stored
from etlrun.failures import RunFailure
from etlrun.language.columns import Column

FIRST, LAST = "0001-01-01", "9999-12-31"


@dataclass(frozen=True)
class Facts:
    """What is known of a stage: its columns as they travel, in the order of the load, and the literals between which its first key lies."""

    fields: tuple[Field, ...]
    first_key: tuple[str, str] | None


@dataclass(frozen=True)
class _Rule:
    """What must hold for no row: `bad` is a condition on the stage, `why` completes `column` ...; `is_padded` says that it is a space too much."""

    column: str
    bad: str
    why: str
    fix: str
    is_padded: bool = False


def inspect(stage: Stage, there: Definition) -> Facts:
    """The facts of the stage. Raises RunFailure for values that the table would not keep."""
    rules = [rule for item in stage.load.columns for rule in _rules(stage, item, there)]
    texts = [item for item in stage.load.columns if item.type.name == "string"]
    counts = [f"count(*) FILTER ({rule.bad})" for rule in rules]
    specials = [f"coalesce(bool_or({has_special(stage.staged(item.name))}), false)" for item in texts]
    nulls = [f"count(*) - count({stage.staged(item.name)})" for item in stage.load.columns]
    rows, *found = stage.one(f"SELECT {', '.join(['count(*)', *counts, *specials, *nulls])} FROM stage")
    if rows != stage.load.rows:
        raise RunFailure(
            "sink",
            "stage-damaged",
            f"the stage holds {rows:,} rows, and {stage.load.rows:,} were written",
            "run the pipeline again",
        )
    for rule, count in zip(rules, found, strict=False):
        if count:
            raise _refused(stage, there, rule, int(count))
    special, missing = found[len(rules) : -len(nulls)], found[-len(nulls) :]
    escaped = {item.name for item, is_special in zip(texts, special, strict=True) if is_special}
    fields = tuple(
        _field(stage, item, there, is_special=item.name in escaped, has_nulls=count > 0)
        for item, count in zip(stage.load.columns, missing, strict=True)
    )
    return Facts(fields, _first_key(stage, fields) if rows else None)


def _field(stage: Stage, item: Column, there: Definition, *, is_special: bool, has_nulls: bool) -> Field:
    stored = there.column(item.name)
    assert stored is not None
    return Field(stored.name, item.type, stage.staged(item.name), is_special, has_nulls)


def _rules(stage: Stage, item: Column, there: Definition) -> Iterator[_Rule]:
    staged, stored, kind = stage.staged(item.name), there.column(item.name), item.type.name
    assert stored is not None
    is_key = item.name.lower() in {key.lower() for key in stage.load.key}
    if not stored.is_nullable or is_key:
        yield _Rule(item.name, f"{staged} IS NULL", "is null", "give it a value, or `filter` such rows out")
    if kind in ("string", "binary"):
        limit, unit, length = _limit(stored, staged, is_text=kind == "string")
        fix = f"make the column of the table wider; it is {stored.written}"
        yield _Rule(item.name, f"{length} > {limit}", f"is longer than {limit:,} {unit}", fix)
    if kind == "string" and is_key and stored.collation not in WITH_SPACES:
        yield _Rule(
            item.name,
            f"ends_with({staged}, ' ')",
            "ends with a space, which MySQL takes for the same key as without",
            "`trim` it",
            is_padded=True,
        )
    if kind in ("float", "double"):
        yield _Rule(
            item.name,
            f"NOT isfinite({staged})",
            "is not a number or is infinite",
            "make it null, or `filter` such rows out",
        )
    if kind in ("date", "timestamp"):
        day = f"CAST({staged} AS DATE)"
        bad = f"NOT isfinite({staged}) OR {day} < DATE '{FIRST}' OR {day} > DATE '{LAST}'"
        yield _Rule(item.name, bad, f"is outside {FIRST} to {LAST}", "make it null, or `filter` such rows out")


def _limit(stored: Stored, staged: str, *, is_text: bool) -> tuple[int, str, str]:
    """How much a column takes, in which unit, and how that is counted in the stage."""
    bytes_ = f"strlen({staged})" if is_text else f"octet_length({staged})"
    if stored.kind in TEXTS or stored.kind in BLOBS:
        return {**TEXTS, **BLOBS}[stored.kind], "bytes", bytes_
    return stored.limit or 0, "characters" if is_text else "bytes", f"length({staged})" if is_text else bytes_


def _refused(stage: Stage, there: Definition, rule: _Rule, count: int) -> RunFailure:
    keys = stage.load.key or (rule.column,)
    pair = _twins(stage, there, rule) if rule.is_padded else None
    sample, twin = pair or (
        stage.rows(f"SELECT {_shown(stage, keys)} FROM stage WHERE {rule.bad} ORDER BY ALL LIMIT 1")[0],
        None,
    )
    found = sample_key(keys, sample) + (f"; another row has {sample_key(keys, twin)}" if twin else "")
    named = f"the table `{stage.load.table}` was not published"
    rows = f"{count:,} {'row' if count == 1 else 'rows'}"
    return RunFailure(
        "sink", "value-refused", f"{named}: in {rows} `{rule.column}` {rule.why}, e.g. where {found}", rule.fix
    )


def _twins(stage: Stage, there: Definition, rule: _Rule) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The keys of two rows that differ in spaces at the end only, the first of which breaks `rule`; None where there are none."""
    keys = stage.load.key
    staged = [stage.staged(key) for key in keys]
    alike = " AND ".join(f"{_padded(stage, there, key, 'a')} = {_padded(stage, there, key, 'b')}" for key in keys)
    others = " OR ".join(f"a.{column} <> b.{column}" for column in staged)
    pairs = f"(SELECT {', '.join(staged)} FROM stage WHERE {rule.bad}) a JOIN stage b ON {alike}"
    shown = f"{_shown(stage, keys, 'a.')}, {_shown(stage, keys, 'b.')}"
    found = stage.rows(f"SELECT {shown} FROM {pairs} WHERE {others} ORDER BY ALL LIMIT 1") if keys else []
    return (found[0][: len(keys)], found[0][len(keys) :]) if found else None


def _padded(stage: Stage, there: Definition, key: str, side: str) -> str:
    """A column of the key as the table compares it."""
    stored, wanted, staged = there.column(key), stage.load.columns.get(key), f"{side}.{stage.staged(key)}"
    is_text = (
        wanted is not None
        and wanted.type.name == "string"
        and stored is not None
        and stored.collation not in WITH_SPACES
    )
    return f"rtrim({staged}, ' ')" if is_text else staged


def _shown(stage: Stage, keys: tuple[str, ...], side: str = "") -> str:
    return ", ".join(f"CAST({side}{stage.staged(key)} AS VARCHAR)" for key in keys)


def equal_rows(stage: Stage, columns: tuple[str, ...]) -> str:
    """Rows of the stage with the same values in these columns, none of them null, with the values masked; nothing where there are none."""
    staged = [stage.staged(column) for column in columns]
    shown = _shown(stage, columns)
    known = " AND ".join(f"{column} IS NOT NULL" for column in staged)
    groups = f"WHERE {known} GROUP BY {', '.join(staged)}, {shown} HAVING count(*) > 1"
    found = stage.rows(f"SELECT {shown}, count(*) FROM stage {groups} ORDER BY ALL LIMIT 1")
    return f"{found[0][-1]} rows have {sample_key(columns, found[0][:-1])}" if found else ""


def nearly_equal_texts(stage: Stage, columns: tuple[str, ...]) -> str:
    """Two rows of the stage whose texts in these columns differ in case, accents and blanks at the end only; nothing where none are found."""
    alike = [_folded(stage, column) for column in columns]
    known = " AND ".join(f"{value} IS NOT NULL" for value in alike)
    rows = f"SELECT DISTINCT row({', '.join(alike)}) AS alike, {_shown(stage, columns)} FROM stage WHERE {known}"
    pairs = f"SELECT * FROM ({rows}) QUALIFY count(*) OVER (PARTITION BY alike) > 1"
    found = stage.rows(f"SELECT * FROM ({pairs}) ORDER BY ALL LIMIT 2")
    return " and ".join(sample_key(columns, row[1:]) for row in found)


def _folded(stage: Stage, column: str) -> str:
    """A value of the stage; of a text what is left without case, accents and blanks at the end."""
    item, staged = stage.load.columns.get(column), stage.staged(column)
    is_text = item is not None and item.type.name == "string"
    return f"lower(strip_accents(rtrim({staged}, ' ')))" if is_text else staged


def sample_key(keys: tuple[str, ...], values: tuple[str | None, ...]) -> str:
    """`Contract` = HN*****12: enough to find the row, too little to give it away."""
    return ", ".join(f"`{key}` = {masked_value(value)}" for key, value in zip(keys, values, strict=True))


def masked_value(value: str | None) -> str:
    """A value with all but its ends as `*`."""
    if value is None:
        return "null"
    shown = "".join(character if character.isprintable() else "?" for character in value[:20])
    if len(shown) <= 4:
        return shown[:1] + "*" * (len(shown) - 1)
    return shown[:2] + "*" * (len(shown) - 4) + shown[-2:] + ("…" if len(value) > len(shown) else "")


def _first_key(stage: Stage, fields: tuple[Field, ...]) -> tuple[str, str] | None:
    """The smallest and the largest value of the first key column, as literals."""
    if not stage.load.key:
        return None
    wanted = stage.load.columns.get(stage.load.key[0])
    field = next(field for field in fields if wanted and field.staged == stage.staged(wanted.name))
    query = f"SELECT min({field.staged}) AS low, max({field.staged}) AS high FROM stage"
    low, high = (literal(Field(field.name, field.type, side, field.is_special, False)) for side in ("low", "high"))
    found = stage.one(f"SELECT {low}, {high} FROM ({query})")
    return str(found[0]), str(found[1])
