"""What people bring along from other tools, and what it is called here: words, types and templates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from etlrun.diagnostics import Diagnostic
from etlrun.spec.located import Document, Keys

# Keys and kinds, by what stands there instead: an unknown word at any place is looked up here.
WORDS = {
    "union": "several relations are read together by `from: [a, b]`",
    "union_all": "several relations are read together by `from: [a, b]`",
    "concat": "several relations are read together by `from: [a, b]`",
    "where": "rows are kept by `filter`",
    "having": "write a `filter` after the `aggregate`",
    "with_column": "columns are added by `derive`",
    "with_columns": "columns are added by `derive`",
    "withcolumn": "columns are added by `derive`",
    "mutate": "columns are added by `derive`",
    "assign": "columns are added by `derive`",
    "group_by": "rows are grouped by `aggregate`, with `by:`",
    "groupby": "rows are grouped by `aggregate`, with `by:`",
    "pivot": "a pivot is part of `aggregate`",
    "sort": "relations have no order; `top` keeps the first rows of an order",
    "order_by": "relations have no order; `top` keeps the first rows of an order",
    "orderby": "relations have no order; `top` keeps the first rows of an order",
    "limit": "`top` keeps the first rows of an order",
    "distinct": "equal rows are removed by `dedupe`",
    "drop_duplicates": "equal rows are removed by `dedupe`",
    "fillna": "nulls are filled by `replace: {x: coalesce(x, 0)}`, or by `carry` with the last value",
    "fill": "nulls are filled by `replace: {x: coalesce(x, 0)}`, or by `carry` with the last value; days without rows by `fill_days`",
    "fill_null": "nulls are filled by `replace: {x: coalesce(x, 0)}`, or by `carry` with the last value",
    "fill_na": "nulls are filled by `replace: {x: coalesce(x, 0)}`, or by `carry` with the last value",
    "dropna": "rows with nulls are left out by `filter: x is not null`",
    "drop_nulls": "rows with nulls are left out by `filter: x is not null`",
    "resample": "days without rows are added by `fill_days`; rows of a day are grouped by `aggregate`",
    "complete": "days without rows are added by `fill_days`",
    "date_spine": "days without rows are added by `fill_days`; a source `calendar` gives days",
    "rolling": "`window` takes `frame: 7 days`",
    "melt": "columns become rows by `unpivot`",
    "head": "`top` keeps the first rows of an order",
    "sample": "`top` keeps the first rows of an order",
    "cross_join": "`join` takes `how: cross`",
    "ffill": "the last value before a null is put there by `carry`",
    "rename_columns": "columns are renamed by `rename`",
    "asof_join": "`join` takes `as_of: {here: there}`",
    "merge_asof": "`join` takes `as_of: {here: there}`",
    "sessionize": "visits are numbered by `sessions`",
    "scd2": "versions of rows are made by `history`, and kept in a table by `write: scd2` of a sink",
    "case": "bands are named by `bucket`, and `derive` takes CASE",
    "pie": "shares of a whole are shown by `donut`",
    "pie_chart": "shares of a whole are shown by `donut`",
    "bar_chart": "a bar for each value of a column is drawn by `bar`",
    "heatmap": "two columns against each other are shown by `flow`",
    "sankey": "two columns against each other are shown by `flow`",
    "scorecard": "one number is shown by `kpi`",
    "big_number": "one number is shown by `kpi`",
    "engine": "the engine is set in a profile of etlrun.yaml, or by --engine",
    "connections": "connections are set in a profile of etlrun.yaml",
    "profile": "the profile is chosen in etlrun.yaml, or by --profile",
    **dict.fromkeys(
        ("vars", "variables"),
        "those of all pipelines stand at the top of etlrun.yaml, below `vars`, those of one below its `params`; `--set NAME=VALUE` gives a run another value",
    ),
    "transforms": "chains of steps stand under `steps`",
    "transformations": "chains of steps stand under `steps`",
    "models": "chains of steps stand under `steps`",
    "tests": "statements about rows stand under `checks`; tests have a file of their own, NAME.test.yaml",
    "schedule": "a scheduler such as cron calls `etlrun run`",
    "materialized": "how a table is written is said by `write` of its sink",
    **dict.fromkeys(
        ("between", "accepted_range", "expect_column_values_to_be_between"), "write `range: {x: {min: 0, max: 9}}`"
    ),
    **dict.fromkeys(("expression_is_true", "assert"), "a condition of all rows is checked by `expression`"),
    **dict.fromkeys(("references", "foreign_key"), "values of another relation are checked by `relationships`"),
    "accepted_values": "the check is called `accepted`",
    "delimiter": "the key is called `separator`",
    "sep": "the key is called `separator`",
    "dtypes": "types stand under `columns`",
    "schema": "types stand under `columns`",
}
# Values of a closed list, by those that mean them elsewhere.
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
    """How another tool writes what it fills in, the tool, and what does the same in a pipeline."""

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
    """What a path of files holds that other tools read otherwise, what happens to it here, and what to write."""

    form: re.Pattern[str]
    message: str
    fix: str


_HOME = PathTrap(
    re.compile(r"^~[\w.-]*(?=/|$)|^%\w+%"),
    "`{}` is not filled in: it would be the name of a folder",
    "the environment is read in etlrun.yaml: `data: ${HOME}` there, and `$data` here",
)
PATH_TRAPS = (
    _HOME,
    PathTrap(
        re.compile(r"%[YymdHjB](?:[-/_]?%[YymdHMSjB])*"),
        "`{}` is not filled in",
        "write the day as `{date:yyyyMMdd}`, and name the days with `dates`",
    ),
    PathTrap(re.compile(r"\*\*"), "`{}` does not lead through folders: `*` stands for characters of one name", "write a `*` for each level: `*/*.csv`"),
    PathTrap(re.compile(r"\{[^{}:]*,[^{}]*\}"), "`{}` is not read as alternatives", "use `*`, or a source for each, and read them together by `from: [a, b]`"),
    PathTrap(re.compile(r"\\"), "`{}` does not stand between folders", "write `/` between folders"),
    PathTrap(re.compile(r"^\s+|\s+$"), "the path begins or ends with a blank", "remove it"),
)  # fmt: skip


def find_traps(document: Document) -> Iterator[Diagnostic]:
    """What other tools would fill into the texts and paths of a pipeline, and nothing fills in here."""
    yield from _templates(document, "")
    for where, text in document.scalars.items():
        if len(where) == 4 and where[0] in ("sources", "sinks") and where[-1] == "path":
            traps = (
                PATH_TRAPS if where[0] == "sources" else (_HOME._replace(fix="write a path in the project's folder"),)
            )
            yield from _first(document, where, text, traps)


def find_traps_of_project(document: Document) -> Iterator[Diagnostic]:
    """What other tools would fill into a project file, and nothing fills in here."""
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
                message = f"`{found[0]}` is a template of another tool ({template.tool}), and nothing fills it in here"
                yield document.diagnose_inside(where, *found.span(), "wrong-value", message, fix or template.fix)
                break


def _first(document: Document, where: Keys, text: str, traps: tuple[PathTrap, ...]) -> Iterator[Diagnostic]:
    """The first of some traps that a path holds."""
    for trap in traps:
        if found := trap.form.search(text):
            yield document.diagnose_inside(where, *found.span(), "wrong-value", trap.message.format(found[0]), trap.fix)
            return
