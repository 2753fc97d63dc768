"""The contract of a sink: the names, types and descriptions of the columns that it publishes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from etlrun.diagnostics import closest
from etlrun.language.columns import NULL, Columns, Type
from etlrun.spec.fields import Described, TypeText, key
from etlrun.spec.scope import HIDDEN, Scope

_NOT_NULL = re.compile(r"(?i)\s+not\s+null\s*\Z")


@dataclass(frozen=True)
class PublishedColumn(Described):
    """A column that is published: its type, and what it means. `not null` after the type is a check."""

    short: ClassVar[str] = "type"

    type: TypeText = key("the type, such as `bigint` or `string not null`")
    description: str = key(
        "the meaning of the column; a new table stores it as a column comment, if the database supports comments",
        default="",
        example="the shop's name, as printed on the bill",
    )


PublishedColumns = Mapping[str, PublishedColumn]


def published_columns_key() -> Any:
    return key(
        "a contract: the type of every column. If the relation has other columns or types, `etlrun check` reports a "
        "mistake",
        factory=dict,
        example={"shop": "string not null", "units": "int"},
    )


def verify_columns(promised: PublishedColumns, columns: Columns, scope: Scope) -> None:
    """Report differences between the relation and the declared columns."""
    if promised and columns.awaits_labels:
        message = "`columns` must list every column, but the columns of labels are known only during a run"
        fix = "leave `columns` out, or list the labels of the pivot: `labels: [...]`"
        scope.error_at_key("columns", "not-allowed-here", message, fix)
        return
    shown = [item for item in columns if not item.name.startswith(HIDDEN)]
    meant = {name.lower() for name in promised}
    for name, column in promised.items():
        kind = scope.type(_NOT_NULL.sub("", column.type).strip(), ("columns", name))
        found = columns.get(name)
        if found is None:
            meant.add((closest(name, [item.name for item in shown]) or "").lower())
            scope.column(columns, name, ("columns", name))
        elif NULL not in (kind, found.type) and kind != found.type:
            fix = f"`cast: {{{_pair(found.name, kind)}}}` in a step, or declare {found.type}"
            scope.error(
                ("columns", name), "type-mismatch", f"`{found.name}` is {found.type}, but {kind} is declared", fix
            )
    for item in shown if promised else ():
        if item.name.lower() not in meant:
            fix = f"add `{_pair(item.name, item.type)}`, or `drop` it before"
            message = f"`{item.name}` is published, but `columns` does not list it"
            scope.error_at_key("columns", "unknown-column", message, fix)


def _pair(name: str, kind: Type) -> str:
    """`name: type` in a form that is also valid YAML inside braces."""
    return f'{name}: "{kind}"' if "," in str(kind) or ":" in str(kind) else f"{name}: {kind}"


def with_descriptions(promised: PublishedColumns, columns: Columns) -> Columns:
    """The columns with their descriptions from the contract."""
    meanings = {name.lower(): column.description for name, column in promised.items() if column.description}
    items = (replace(item, description=meanings.get(item.name.lower(), item.description)) for item in columns)
    return replace(columns, items=tuple(items))


def required_columns(promised: PublishedColumns) -> tuple[str, ...]:
    """The columns that are declared `not null`."""
    return tuple(name for name, column in promised.items() if _NOT_NULL.search(column.type))
