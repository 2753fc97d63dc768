"""`parse` - new columns from a text column with JSON, each with a path and a type.

A text is read like a record of a `json` source. It is broken if it is not JSON, if a value has the wrong type, or if a
key occurs twice or with different letter case. `bad_rows` decides about such a row: `fail` stops the run, `keep` sets
the new columns to null, `drop` removes the row. `reason` adds a column with the reason, for rows that `keep` kept. If
the text is null, or JSON `null`, the new columns are null. `path: $` is the whole text; `$[0].a` reads from a text that
is a list.

```yaml
steps:
  bought:
    - from: events
    - parse:
        column: payload
        as:
          user: {path: user.id, type: bigint}
          items: {type: "array<struct<sku: string, qty: int>>"}
        bad_rows: keep
        reason: why
```

```rows
events: {id: int, payload: string}
| id | payload                                                              |
| 1  | "{\\"user\\": {\\"id\\": 7}, \\"items\\": [{\\"sku\\": \\"A\\", \\"qty\\": 2}]}" |
| 2  | "{\\"user\\": {\\"id\\": \\"7\\"}}"                                        |
| 3  | "{}"                                                                 |
| 4  | null                                                                 |
->
| id | payload                                                              | user | items              | why                               |
| 1  | "{\\"user\\": {\\"id\\": 7}, \\"items\\": [{\\"sku\\": \\"A\\", \\"qty\\": 2}]}" | 7    | [{sku: A, qty: 2}] | null                              |
| 2  | "{\\"user\\": {\\"id\\": \\"7\\"}}"                                        | null | null               | "`user` is \\"7\\", but bigint is expected" |
| 3  | "{}"                                                                 | null | null               | null                              |
| 4  | null                                                                 | null | null               | null                              |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from etlrun.contracts.relation import Input
from etlrun.contracts.step import ReadTexts, Step
from etlrun.language.columns import NULL, STRING, Column, Columns
from etlrun.reading.json_columns import JsonColumn, json_fields
from etlrun.reading.records import read_value
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Parse(Step):
    """Columns from a text column that holds JSON, each with its path and its type."""

    column: str = key("the text column with JSON")
    as_: Mapping[str, JsonColumn] = key("new column: the path of its value, and its type", yaml="as")
    bad_rows: Literal["fail", "keep", "drop"] = key(
        "a text that cannot be read: `fail` stops the run, `keep` sets the new columns to null, `drop` removes the row",
        default="fail",
    )
    reason: str = key("a new column with the reason why a text could not be read", default="", example="why")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        found = scope.column(columns, self.column, "column")
        if found.type not in (STRING, NULL):
            scope.error("column", "type-mismatch", f"JSON is text, but `{found.name}` is {found.type}")
        result = columns
        for name, declared in self.as_.items():
            at = ("as", name)
            scope.new_column(result, name, at, is_key=True)
            kind = scope.type(declared.type_text, at if isinstance(scope.written(at), str) else (*at, "type"))
            item = Column(name, kind, not declared.is_required or self.bad_rows == "keep", declared.description)
            if kind != NULL:
                declared.verify(item, at, scope)
            if declared.tags:
                scope.error(
                    (*at, "tags"),
                    "not-allowed-here",
                    f"`{name}` has the tags of `{found.name}`, and cannot have others",
                    f"tag `{found.name}` in its source",
                )
            result = result.with_column(item)
        if not self.reason:
            return result
        if self.bad_rows != "keep":
            scope.error(
                "reason",
                "wrong-value",
                f"with `bad_rows: {self.bad_rows}` the reason would always be null",
                "write `bad_rows: keep`",
            )
        scope.new_column(result, self.reason, "reason")
        return result.with_column(Column(self.reason, STRING))

    def lower(self, relation: Input) -> ReadTexts:
        fields = json_fields(self.as_, self.output(relation.columns, relation.scope))
        column = relation.columns.get(self.column)
        assert column is not None
        return ReadTexts(
            column.name,
            tuple(self.as_),
            self.output(relation.columns, relation.scope),
            lambda text: read_value(text, fields),
            self.bad_rows,
            self.reason,
        )
