"""Finds what an unknown word probably means: a misspelled kind, or a word of another tool."""

from __future__ import annotations

from collections.abc import Iterable

from etlrun.diagnostics import closest, nearest
from etlrun.spec.traps import WORDS

_TOP = "`top` keeps the first rows of an order"
_WINDOW = "use `window` for columns over other rows: `window: {per: [a], order: [b], columns: {n: row_number()}}`"
_SEVERAL = "`join` takes `how: semi` for rows that are in another relation, and `how: anti` for rows that are not"
# Steps of other tools. As a key below a step such a word means something else.
_STEPS = {
    **dict.fromkeys(("agg", "summarize", "summarise", "group", "count", "value_counts", "sum"), WORDS["group_by"]),
    **dict.fromkeys(("add_column", "add_columns", "new_column", "calculate", "compute"), WORDS["with_column"]),
    **dict.fromkeys(("keep", "keep_columns", "project", "select_columns"), "use `select` to choose columns"),
    **dict.fromkeys(("drop_columns", "drop_column", "remove", "exclude"), "use `drop` to remove columns"),
    **dict.fromkeys(("astype", "cast_columns", "convert", "change_type"), "use `cast` to change types"),
    **dict.fromkeys(("query", "filter_rows", "delete", "remove_rows"), WORDS["where"]),
    **dict.fromkeys(("drop_na", "na_drop"), WORDS["dropna"]),
    **dict.fromkeys(("append", "bind_rows", "rbind"), WORDS["union"]),
    **dict.fromkeys(("pivot_longer", "gather", "wide_to_long"), WORDS["melt"]),
    "arrange": WORDS["order_by"],
    **dict.fromkeys(("nunique", "count_distinct"), "use `aggregate` with `count(distinct x)`"),
    **dict.fromkeys(("upsert", "insert", "incremental"), "steps make rows, and `write: merge` of a sink adds them to a table by key"),
    **dict.fromkeys(("sql_query", "spark_sql"), "use `sql` to write a SELECT"),
    **dict.fromkeys(("ref", "source", "read"), "use `from` to read a source or chain"),
    **dict.fromkeys(("separate", "split"), "use `derive` with the function `split`"),
    "relocate": "use `select` to list the columns in another order",
    **dict.fromkeys(("flatten", "unnest", "lateral_view"), "use `explode` to make a row of each element of an array"),
    **dict.fromkeys(("tail", "take", "first", "last", "nlargest", "nsmallest", "sorted", "slice", "slice_max", "slice_min", "top_n"), _TOP),
    **dict.fromkeys(("rank", "row_number", "cumsum", "shift", "lag", "lead", "diff", "over"), _WINDOW),
    "qualify": "write a `window` step and then a `filter`; `top` keeps the first rows of each group",
    **dict.fromkeys(("coalesce", "replace_nulls", "replace_na", "if_null", "nvl", "interpolate"), WORDS["fillna"]),
    **dict.fromkeys(("intersect", "except", "minus"), _SEVERAL),
    **dict.fromkeys(("pivot_table", "crosstab"), WORDS["pivot"]),
    "merge": "use `join` to join relations, and `write: merge` of a sink to merge rows into a table",
    **{
        f"{how}_join": f"`join` takes `how: {how}`"
        for how in ("left", "right", "inner", "full", "semi", "anti", "outer")
    },
    "outer_join": "`join` takes `how: full`",
    **dict.fromkeys(("apply", "map", "transform", "udf"), "use `derive` to add columns, or `python` to call a function"),
}  # fmt: skip
_DATABASES = ("mysql", "mariadb", "postgres", "postgresql", "duckdb", "jdbc", "database", "db", "sql")
_STORES = ("s3", "gcs", "gs", "azure", "abfss", "blob")
_SINKS = {
    **dict.fromkeys(_DATABASES, "use `table` with `connection: NAME`, a connection of the profile"),
    **dict.fromkeys(_STORES, "use `files` with a URL as its `path`"),
    **dict.fromkeys(("csv", "excel", "xlsx"), "use `files` with a `path` that ends in `.csv`"),
    **dict.fromkeys(("json", "jsonl", "ndjson"), "use `files` with a `path` that ends in `.json`"),
    "parquet": "use `files` with a `path` that ends in `.parquet`",
}  # fmt: skip
_SOURCES = {
    **dict.fromkeys(_DATABASES, "use `table` with `connection: NAME`, a connection of the profile"),
    **dict.fromkeys(_STORES, "use `csv`, `json`, `parquet` or another format, with a URL as its `path`"),
    **dict.fromkeys(("jsonl", "ndjson", "json_lines"), "use `json`: it reads one object per line"),
    **dict.fromkeys(("excel", "xlsx"), "save the sheet as CSV UTF-8, and use `csv`"),
}  # fmt: skip
_OF_FAMILY = {"step": _STEPS, "sink": _SINKS, "source": _SOURCES}


def word_here(name: str, family: str = "") -> str:
    """The word of etlrun for `name` of another tool, in any spelling (`groupBy`, `group_by`); empty for an unknown word."""
    return _folded(family).get(_fold(name), "")


def near_word(name: str, family: str, known: Iterable[str]) -> str:
    """What a misspelled kind, or a step of another tool, probably means; empty if no word is near."""
    words = _folded(family) if family == "step" else {}
    kinds = {_fold(kind): kind for kind in known}
    near = closest(_fold(name), (*kinds, *words))
    return words[near] if near in words and near not in kinds else nearest(name, kinds.values())


def _folded(family: str) -> dict[str, str]:
    words = WORDS | _OF_FAMILY.get(family, {})
    return {_fold(word): meaning for word, meaning in words.items()}


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
