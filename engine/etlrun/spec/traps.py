"""What people bring along from other tools, and what it is called here: words, types and templates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from etlrun.diagnostics import Diagnostic
from etlrun.spec.located import Document

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
    "vars": "variables of all pipelines stand in etlrun.yaml, those of one under `params`",
    "variables": "variables of all pipelines stand in etlrun.yaml, those of one under `params`",
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
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def find_templates(document: Document) -> Iterator[Diagnostic]:
    """Templates of other tools, which nothing fills in here."""
    for where, text in document.scalars.items():
        found = TEMPLATE.search(text) if "{" in text else None
        if found is not None:
            message = f"`{found[0]}` is a template of another tool (Jinja), and nothing fills it in here"
            fix = "declare a value under `params` and write `$name`; a table of another pipeline is a source `table: {pipeline: NAME, sink: NAME}`"
            yield document.diagnose_inside(where, found.start(), found.end(), "wrong-value", message, fix)
