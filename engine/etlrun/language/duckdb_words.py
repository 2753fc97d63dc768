"""Names, texts and types as DuckDB writes them, for statements that are not built as trees."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from sqlglot import exp

from etlrun.language.columns import TIMESTAMPTZ, Column, Columns, Type
from etlrun.language.expressions import data_type


def name(text: str) -> str:
    """A quoted identifier."""
    return exp.to_identifier(text, quoted=True).sql(dialect="duckdb")


def text(value: str) -> str:
    """A quoted string."""
    return exp.Literal.string(value).sql(dialect="duckdb")


def type_name(kind: Type) -> str:
    """A type's name."""
    return data_type(kind).sql(dialect="duckdb")


def has_instants(columns: Columns) -> bool:
    """Whether files for other tools must be rewritten: files of a run store instants as clock times in UTC."""
    return any(item.type == TIMESTAMPTZ for item in columns)


def published_value(item: Column, prefix: str = "") -> str:
    """A column of a run's files for other tools: an instant gets a type with a time zone."""
    column = f"{prefix}{name(item.name)}"
    return f"make_timestamptz(epoch_us({column})) AS {name(item.name)}" if item.type == TIMESTAMPTZ else column


def only_these_files(folders: Iterable[str], paths: Iterable[str]) -> str:
    """Statements that permanently limit a connection to these files and to everything below these folders.

    The checker already refuses SQL that names files. This is a second protection if the checker has a bug: no other file, no folder
    listing, no ATTACH or COPY elsewhere, no extension and no setting.
    """
    folders, paths = tuple(folders), tuple(paths)
    folders, paths = (
        (*folders, *map(_escaped, folders)),
        (*paths, *map(_escaped, paths)),
    )  # names are compared exactly as given
    return (
        f"SET allowed_directories = [{', '.join(map(text, dict.fromkeys(folders)))}]; "
        f"SET allowed_paths = [{', '.join(map(text, dict.fromkeys(paths)))}]; "
        "SET enable_external_access = false; SET lock_configuration = true"
    )


def file_names(paths: Iterable[str | os.PathLike[str]]) -> str:
    """A list of file names in which no character is a pattern."""
    return f"[{', '.join(text(_escaped(os.fspath(path))) for path in paths)}]"


def parquet(paths: Iterable[str | os.PathLike[str]]) -> str:
    """The rows of Parquet files. A folder named `a=b` adds no column."""
    return f"read_parquet({file_names(paths)}, hive_partitioning = false)"


def parquet_in(folder: str | os.PathLike[str]) -> str:
    """The rows of all Parquet files of a folder that etlrun has written."""
    return f"read_parquet({text(_escaped(os.fspath(folder)) + '/*.parquet')}, hive_partitioning = false)"


def parquet_below(folder: str, depth: int, file: str) -> str:
    """The rows of all Parquet files at a given depth below a folder that etlrun wrote; the column `file` is the path of each row's file."""
    pattern = _escaped(folder) + "/*" * depth + "/*.parquet"
    return f"read_parquet({text(pattern)}, hive_partitioning = false, filename = {text(file)})"


def row_digests(columns: Iterable[str]) -> str:
    """SQL: the sum of a 64-bit digest of every row's text, as text. It is equal for equal rows in any order, and differs if rows are duplicated."""
    values = ", ".join(f"CAST({name(column)} AS VARCHAR)" for column in columns)
    return f"CAST(sum(CAST(md5_number_lower(CAST(row({values}) AS VARCHAR)) AS HUGEINT)) AS VARCHAR)"


def can_be_named(path: str) -> bool:
    """Whether DuckDB can open a path: in a path with pattern characters it reads `\\` as `/`."""
    return "\\" not in path or not re.search(r"[*?\[]", path)


def _escaped(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)
