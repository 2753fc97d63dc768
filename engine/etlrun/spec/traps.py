"""Words, types and templates of other tools, and how to write them in etlrun."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from etlrun.diagnostics import Diagnostic
from etlrun.spec.located import Document, Keys

# Keys and kinds by the words that other tools use; every unknown word is looked up here.
WORDS = {
    "union": "write `from: [a, b]` to combine relations",
    "union_all": "write `from: [a, b]` to combine relations",
    "concat": "write `from: [a, b]` to combine relations",
    "where": "use `filter` to keep rows",
    "having": "write a `filter` after the `aggregate`",
    "with_column": "use `derive` to add columns",
    "with_columns": "use `derive` to add columns",
    "withcolumn": "use `derive` to add columns",
    "mutate": "use `derive` to add columns",
    "assign": "use `derive` to add columns",
    "group_by": "use `aggregate` with `by:` to group rows",
    "groupby": "use `aggregate` with `by:` to group rows",
    "pivot": "a pivot is part of `aggregate`",
    "sort": "relations have no order; `top` keeps the first rows of an order",
    "order_by": "relations have no order; `top` keeps the first rows of an order",
    "orderby": "relations have no order; `top` keeps the first rows of an order",
    "limit": "`top` keeps the first rows of an order",
    "distinct": "use `dedupe` to remove equal rows",
    "drop_duplicates": "use `dedupe` to remove equal rows",
    "fillna": 'fill nulls with `replace: {x: "coalesce(x, 0)"}`, or with `carry` by the last value',
    "fill": 'fill nulls with `replace: {x: "coalesce(x, 0)"}`, or with `carry` by the last value; add days without rows with `fill_days`',
    "fill_null": 'fill nulls with `replace: {x: "coalesce(x, 0)"}`, or with `carry` by the last value',
    "fill_na": 'fill nulls with `replace: {x: "coalesce(x, 0)"}`, or with `carry` by the last value',
    "dropna": "use `filter: x is not null` to remove rows with nulls",
    "drop_nulls": "use `filter: x is not null` to remove rows with nulls",
    "resample": "use `fill_days` to add days without rows, and `aggregate` to group the rows of a day",
    "complete": "use `fill_days` to add days without rows",
    "date_spine": "use `fill_days` to add days without rows, or a source `calendar` for a table of days",
    "rolling": "`window` takes `frame: 7 days`",
    "melt": "use `unpivot` to turn columns into rows",
    "head": "`top` keeps the first rows of an order",
    "sample": "`top` keeps the first rows of an order",
    "cross_join": "`join` takes `how: cross`",
    "ffill": "use `carry` to fill a null with the last value before it",
    "rename_columns": "use `rename` to rename columns",
    "asof_join": "`join` takes `as_of: {here: there}`",
    "merge_asof": "`join` takes `as_of: {here: there}`",
    "sessionize": "use `sessions` to number sessions",
    "scd2": "use `history` for versions of rows, and `write: scd2` of a sink to keep versions in a table",
    "case": "use `bucket` to name ranges of values, or CASE in `derive`",
    "pie": "use `donut` to show shares of a whole",
    "pie_chart": "use `donut` to show shares of a whole",
    "bar_chart": "use `bar` to draw a bar for each value of a column",
    "heatmap": "use `flow` to show how two columns relate",
    "sankey": "use `flow` to show how two columns relate",
    "scorecard": "use `kpi` to show one number",
    "big_number": "use `kpi` to show one number",
    "engine": "the engine is set in a profile of etlrun.yaml, or by --engine",
    "connections": "connections are set in a profile of etlrun.yaml",
    "profile": "the profile is chosen in etlrun.yaml, or by --profile",
    **dict.fromkeys(
        ("vars", "variables"),
        "write variables of all pipelines under `vars` in etlrun.yaml, those of one pipeline under its `params`; `--set NAME=VALUE` changes them",
    ),
    "transforms": "write chains of steps under `steps`",
    "transformations": "write chains of steps under `steps`",
    "models": "write chains of steps under `steps`",
    "tests": "write conditions for rows under `checks`, and tests in a file NAME.test.yaml",
    "schedule": "a scheduler such as cron calls `etlrun run`",
    "materialized": "`write` of the sink sets how a table is written",
    **dict.fromkeys(
        ("between", "accepted_range", "expect_column_values_to_be_between"), "write `range: {x: {min: 0, max: 9}}`"
    ),
    **dict.fromkeys(("expression_is_true", "assert"), "use the check `expression` for a condition of each row"),
    **dict.fromkeys(
        ("references", "foreign_key"), "use the check `relationships` to compare with the values of another relation"
    ),
    "accepted_values": "the check is called `accepted`",
    "delimiter": "the key is called `separator`",
    "sep": "the key is called `separator`",
    "dtypes": "write types under `columns`",
    "schema": "write types under `columns`",
}
# Values of closed lists by the words that other tools use.
VALUES = {
    "overwrite": "replace",
    "truncate": "replace",
    "full": "replace",
    "full_refresh": "replace",
    "insert": "append",
    "upsert": "merge",
    "update": "merge",
    "insert_overwrite": "replace_where",
    "incremental": "merge",
    "snapshot": "scd2",
    "history": "scd2",
    "warning": "warn",
    "fatal": "error",
    "outer": "full",
    "full_outer": "full",
    "left_outer": "left",
    "leftouter": "left",
}
FOR_PEOPLE = ("description", "owner", "tags")  # what these say is shown as it is
_PARAM = "declare a value under `params` and write `$name`"
_VARIABLE = "write the value itself, or `${NAME}` for a variable of the environment where a key takes one"


class Template(NamedTuple):
    """A template syntax of another tool, the name of the tool, and the same in a pipeline."""

    form: re.Pattern[str]
    tool: str
    fix: str = _PARAM


TEMPLATES = (
    Template(
        re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL),
        "Jinja",
        f"{_PARAM}; a table of another pipeline is a source `table: {{pipeline: NAME, sink: NAME}}`",
    ),
    Template(re.compile(r"<%.*?%>", re.DOTALL), "ERB"),
    Template(re.compile(r"#\{\s*[A-Za-z_][^{}]*\}"), "Ruby"),
    Template(
        re.compile(r"\$\(\s*[A-Za-z_][^()]*\)"),
        "a shell",
        f'{_PARAM}; the shell gives it to a run: `--set "name=$(...)"`',
    ),
    Template(re.compile(r"%\([A-Za-z_]\w*\)[sdfir]"), "Python"),
    Template(
        re.compile(r"@\{[^{}]*\}|@(?:pipeline|dataset|activity|variables|parameters|concat)\("), "Azure Data Factory"
    ),
    Template(
        re.compile(
            r"@(?:(?:start|end|execution)_(?:ds|dt|ts|tstz|dtntz|date|epoch|millis|hour)|this_model)\b|@(?:VAR|DEF|EACH|IF|EVAL|DATE_SPINE)\("
        ),
        "SQLMesh",
    ),
)


class PathTrap(NamedTuple):
    """A part of a path that other tools read differently, its effect here, and what to write."""

    form: re.Pattern[str]
    message: str
    fix: str


_HOME = PathTrap(
    re.compile(r"^~[\w.-]*(?=/|$)|^%\w+%"),
    "`{}` is not replaced: it would be the name of a folder",
    "only etlrun.yaml can use the environment: write `data: ${HOME}` there and `$data` here",
)
PATH_TRAPS = (
    _HOME,
    PathTrap(
        re.compile(r"%[YymdHjB](?:[-/_]?%[YymdHMSjB])*"),
        "`{}` is not filled in",
        "write the day as `{date:yyyyMMdd}`, and list the days in `dates`",
    ),
    PathTrap(re.compile(r"\*\*"), "`{}` does not match several folders: `*` matches only characters of one name", "write a `*` for each level: `*/*.csv`"),
    PathTrap(re.compile(r"\{[^{}:]*,[^{}]*\}"), "alternatives such as `{}` are not supported", "use `*`, or several sources and `from: [a, b]`"),
    PathTrap(re.compile(r"\\"), "`{}` does not separate folders", "write `/` between folders"),
    PathTrap(re.compile(r"^\s+|\s+$"), "the path begins or ends with a space", "remove it"),
)  # fmt: skip


def find_traps(document: Document) -> Iterator[Diagnostic]:
    """Templates of other tools in the texts and paths of a pipeline, which etlrun does not replace."""
    yield from _templates(document, "")
    for where, text in document.scalars.items():
        if len(where) == 4 and where[0] in ("sources", "sinks") and where[-1] == "path":
            traps = (
                PATH_TRAPS if where[0] == "sources" else (_HOME._replace(fix="write a path in the project's folder"),)
            )
            yield from _first(document, where, text, traps)


def find_traps_of_project(document: Document) -> Iterator[Diagnostic]:
    """Templates of other tools in a project file, which etlrun does not replace."""
    yield from _templates(document, _VARIABLE)
    home = (_HOME._replace(fix="write `${HOME}`"),)
    for where, text in document.scalars.items():
        if where[0] in ("data", "runs", "roots") or where[-1] in ("path", "duckdb"):
            yield from _first(document, where, text, home)


def _templates(document: Document, fix: str) -> Iterator[Diagnostic]:
    for where, text in document.scalars.items():
        if any(part in FOR_PEOPLE for part in where):
            continue
        for template in TEMPLATES:
            if found := template.form.search(text):
                message = f"`{found[0]}` is a template of another tool ({template.tool}), which etlrun does not replace"
                yield document.diagnose_inside(where, *found.span(), "wrong-value", message, fix or template.fix)
                break


def _first(document: Document, where: Keys, text: str, traps: tuple[PathTrap, ...]) -> Iterator[Diagnostic]:
    """The first of some traps that a path contains."""
    for trap in traps:
        if found := trap.form.search(text):
            yield document.diagnose_inside(where, *found.span(), "wrong-value", trap.message.format(found[0]), trap.fix)
            return
