"""Inspect the staged rows before anything is sent: the table must store every value unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice

from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.language.columns import Column
from etlrun.warehouse.server import AnyServer, Rule
from etlrun.warehouse.stage import Stage, StageField
from etlrun.warehouse.tables import Definition, StoredColumn
from etlrun.warehouse.text_lines import has_special

FIRST, LAST = "0001-01-01", "9999-12-31"


@dataclass(frozen=True)
class Facts:
    """Facts about a stage: `fields` are its columns as they are sent, in the order of the load.

    `ends` holds the smallest and the largest value of each column of the key, as literals of the server, by its name in the stage.
    """

    fields: tuple[StageField, ...]
    ends: Mapping[str, tuple[str, str]]


def inspect(server: AnyServer, stage: Stage, there: Definition[StoredColumn]) -> Facts:
    """The facts about the stage. Raises RunFailure for values that the table would change."""
    rules = list(server.rules(stage, there))
    texts = [item for item in stage.load.columns if item.type.name == "string"]
    counts = [f"count(*) FILTER ({rule.bad})" for rule in rules]
    specials = [f"coalesce(bool_or({has_special(stage.staged(item.name))}), false)" for item in texts]
    nulls = [f"count(*) - count({stage.staged(item.name)})" for item in stage.load.columns]
    keys = () if server.is_embedded else stage.load.key
    ends = [end for key in keys for end in _ends(server, stage, stage.column(key), there)]
    asked = (counts, specials, nulls, ends)
    rows, *values = stage.one(f"SELECT {', '.join(['count(*)', *chain(*asked)])} FROM stage")
    found = iter(values)
    broken, special, missing, low_and_high = (tuple(islice(found, len(part))) for part in asked)
    if rows != stage.load.rows:
        raise RunFailure(
            "sink",
            "stage-damaged",
            f"the stage holds {counted(rows, 'row')}, and {stage.load.rows:,} were written",
            "run the pipeline again",
        )
    for rule, count in zip(rules, broken, strict=True):
        if count:
            raise _refused(stage, rule, int(count))
    escaped = {item.name for item, is_special in zip(texts, special, strict=True) if is_special}
    fields = tuple(
        _field(stage, item, there, is_special=item.name in escaped, has_nulls=count > 0)
        for item, count in zip(stage.load.columns, missing, strict=True)
    )
    pairs = zip(map(stage.staged, keys), low_and_high[::2], low_and_high[1::2], strict=True)
    return Facts(fields, {staged: (str(low), str(high)) for staged, low, high in pairs} if rows else {})


def _ends(server: AnyServer, stage: Stage, item: Column, there: Definition[StoredColumn]) -> Iterator[str]:
    """The smallest and the largest value of a column, as expressions that write literals of the server."""
    field = _field(stage, item, there, is_special=True, has_nulls=True)
    return (server.literal(replace(field, staged=f"{end}({field.staged})")) for end in ("min", "max"))


def _field(
    stage: Stage, item: Column, there: Definition[StoredColumn], *, is_special: bool, has_nulls: bool
) -> StageField:
    stored = there.column(item.name)
    assert stored is not None
    return StageField(stored.name, item.type, stage.staged(item.name), is_special, has_nulls)


def null_rule(stage: Stage, item: Column) -> Rule:
    return Rule(
        item.name, f"{stage.staged(item.name)} IS NULL", "is null", "give it a value, or `filter` such rows out"
    )


def day_rule(stage: Stage, item: Column) -> Rule:
    """The rule for days before year 1 and after 9999, which systems write differently."""
    staged = stage.staged(item.name)
    day = f"CAST({staged} AS DATE)"
    bad = f"NOT isfinite({staged}) OR {day} < DATE '{FIRST}' OR {day} > DATE '{LAST}'"
    return Rule(item.name, bad, f"is outside {FIRST} to {LAST}", "make it null, or `filter` such rows out")


def _refused(stage: Stage, rule: Rule, count: int) -> RunFailure:
    keys = stage.load.key or (rule.column,)
    pair = _twins(stage, rule) if rule.padded else None
    sample, twin = pair or (
        stage.rows(f"SELECT {shown_values(stage, keys)} FROM stage WHERE {rule.bad} ORDER BY ALL LIMIT 1")[0],
        None,
    )
    found = sample_key(keys, sample) + (f"; another row has {sample_key(keys, twin)}" if twin else "")
    example = "" if sample == (None,) else f", e.g. where {found}"
    named = f"the table `{stage.load.table}` was not published"
    rows = f"{count:,} {'row' if count == 1 else 'rows'}"
    return RunFailure("sink", "value-refused", f"{named}: in {rows} `{rule.column}` {rule.why}{example}", rule.fix)


def _twins(stage: Stage, rule: Rule) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The keys of two rows that differ only in spaces at the end, where the first one violates `rule`; None if there are none."""
    keys = stage.load.key
    staged = [stage.staged(key) for key in keys]
    alike = " AND ".join(f"{_padded(stage, rule, key, 'a')} = {_padded(stage, rule, key, 'b')}" for key in keys)
    others = " OR ".join(f"a.{column} <> b.{column}" for column in staged)
    pairs = f"(SELECT {', '.join(staged)} FROM stage WHERE {rule.bad}) a JOIN stage b ON {alike}"
    shown = f"{shown_values(stage, keys, 'a.')}, {shown_values(stage, keys, 'b.')}"
    found = stage.rows(f"SELECT {shown} FROM {pairs} WHERE {others} ORDER BY ALL LIMIT 1") if keys else []
    return (found[0][: len(keys)], found[0][len(keys) :]) if found else None


def _padded(stage: Stage, rule: Rule, key: str, side: str) -> str:
    """A column of the key in the form in which the table compares it."""
    staged = f"{side}.{stage.staged(key)}"
    return f"rtrim({staged}, ' ')" if key in rule.padded else staged


def shown_values(stage: Stage, keys: tuple[str, ...], side: str = "") -> str:
    return ", ".join(f"CAST({side}{stage.staged(key)} AS VARCHAR)" for key in keys)


def equal_rows(stage: Stage, columns: tuple[str, ...]) -> str:
    """Rows of the stage with the same values in these columns, none of them null, with masked values; empty if there are none."""
    staged = [stage.staged(column) for column in columns]
    shown = shown_values(stage, columns)
    known = " AND ".join(f"{column} IS NOT NULL" for column in staged)
    groups = f"WHERE {known} GROUP BY {', '.join(staged)}, {shown} HAVING count(*) > 1"
    found = stage.rows(f"SELECT {shown}, count(*) FROM stage {groups} ORDER BY ALL LIMIT 1")
    return f"{found[0][-1]} rows have {sample_key(columns, found[0][:-1])}" if found else ""


def sample_key(keys: tuple[str, ...], values: tuple[str | None, ...]) -> str:
    """`Contract` = HN*****12: enough to find the row, but not its full value."""
    return ", ".join(f"`{key}` = {masked_value(value)}" for key, value in zip(keys, values, strict=True))


def masked_value(value: str | None) -> str:
    """A value with all but its ends as `*`."""
    if value is None:
        return "null"
    shown = "".join(character if character.isprintable() else "?" for character in value[:20])
    if len(shown) <= 4:
        return shown[:1] + "*" * (len(shown) - 1)
    return shown[:2] + "*" * (len(shown) - 4) + shown[-2:] + ("…" if len(value) > len(shown) else "")
