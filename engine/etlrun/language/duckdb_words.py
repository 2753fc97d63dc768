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
    """Whether files for others must be written anew: those of a run hold instants as clocks in UTC."""
    return any(item.type == TIMESTAMPTZ for item in columns)


def published_value(item: Column, prefix: str = "") -> str:
    """A column of a run's files as other tools read it: an instant says that it is one."""
    column = f"{prefix}{name(item.name)}"
    return f"make_timestamptz(epoch_us({column})) AS {name(item.name)}" if item.type == TIMESTAMPTZ else column


def only_these_files(folders: Iterable[str], paths: Iterable[str]) -> str:
    """Statements after which a connection opens nothing but these files and what is below these folders, for good.

    The checker refuses SQL that names files. This holds where the checker has a fault: no other file, no folder listing, no ATTACH
    or COPY elsewhere, no extension and no setting.
    """
    folders, paths = tuple(folders), tuple(paths)
    folders, paths = (
        (*folders, *map(_escaped, folders)),
        (*paths, *map(_escaped, paths)),
    )  # a name is compared as it is given
    return (
        f"SET allowed_directories = [{', '.join(map(text, dict.fromkeys(folders)))}]; "
        f"SET allowed_paths = [{', '.join(map(text, dict.fromkeys(paths)))}]; "
        "SET enable_external_access = false; SET lock_configuration = true"
    )


def file_names(paths: Iterable[str | os.PathLike[str]]) -> str:
    """A list of file names in which no character is a pattern."""
    return f"[{', '.join(text(_escaped(os.fspath(path))) for path in paths)}]"


def parquet(paths: Iterable[str | os.PathLike[str]]) -> str:
    """The rows of Parquet files, whose columns are those in the files: a folder named `a=b` adds none."""
    return f"read_parquet({file_names(paths)}, hive_partitioning = false)"


def parquet_in(folder: str | os.PathLike[str]) -> str:
    """The rows of all Parquet files of a folder that etlrun has written."""
    return f"read_parquet({text(_escaped(os.fspath(folder)) + '/*.parquet')}, hive_partitioning = false)"


def parquet_below(folder: str, depth: int, file: str) -> str:
    """The rows of all Parquet files so many folders below one of etlrun's own; the column `file` is the path of each row's file."""
    pattern = _escaped(folder) + "/*" * depth + "/*.parquet"
    return f"read_parquet({text(pattern)}, hive_partitioning = false, filename = {text(file)})"


def can_be_named(path: str) -> bool:
    """Whether DuckDB can be given a path: it takes a `\\` for a `/` where the path has characters that could be patterns."""
    return "\\" not in path or not re.search(r"[*?\[]", path)


def _escaped(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)
