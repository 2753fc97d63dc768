"""Partition columns: reads their values from folder names such as `dt=2024-01-01`."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from etlrun.language.columns import Column
from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.records import Field, decoded, read_texts

NULL = "__HIVE_DEFAULT_PARTITION__"  # the folder of rows in which the column is null
PLAIN = "a column of an array, struct or map cannot be read from a folder name"


class PartitionError(ValueError):
    """A path whose folders do not give each column one value; `fix` says what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def partition_values(path: str, columns: Sequence[Column]) -> tuple[object, ...]:
    """The value of each column, from the folders of a file's path; `path` starts at the project or the store. Raises PartitionError."""
    folders = [folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder]
    return tuple(_value([value for key, _, value in folders if _is_named(key, item)], item) for item in columns)


def _is_named(key: str, column: Column) -> bool:
    return unquote_to_bytes(key) == column.name.encode() or key.lower() == column.name.lower()


def _value(texts: Sequence[str], column: Column) -> object:
    name = column.name
    if len(texts) != 1:
        found = f"no folder `{name}=...`" if not texts else f"{len(texts)} folders `{name}=...`"
        fix = f"put the file into one folder such as `{name}=2024`, or remove `{name}` from `partitions`"
        raise PartitionError(f"its path has {found}", fix)
    (text,) = texts
    if not text:
        raise PartitionError(
            f"the folder `{name}=` has no value", f"name the folder of rows without one `{name}={NULL}`"
        )
    try:
        value = None if text == NULL else decoded(unquote_to_bytes(text))
        (read,) = read_texts([value], [Field(name, (name,), column.type, not column.nullable)])
    except BrokenRecordError as error:
        fix = f"declare another type of `{name}` under `partitions`, such as string; or rename the folder"
        raise PartitionError(f"the folder `{name}={text}`: {error}", fix) from None
    return read
