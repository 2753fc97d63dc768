"""`json` - files of JSON: one object a line, or one array of objects (`format: array`).

Every line is a row, a broken record or blank. A line is broken when it is not one JSON object, when a declared value is not of its
type (`"12"` and `1.5` are no bigint), when a column that is `not null` has no value, when a declared key is there twice or only in other
case. A number or truth value in a text column becomes its text; a key that is absent is null. Keys that are not declared are left out.
With `format: array` each element is read like a line, wherever its line ends are; a file that is not one whole array is refused. Files
may be compressed: names that end in `.gz`, `.zst` or `.bz2`.

`key: [id]` says which columns tell rows apart. Steps that need a total order then ask for no more than the key, a `join` by it matches one
row, and every run verifies it (nulls are equal there): where two rows share it nothing is published.

```yaml
sources:
  views:
    json:
      path: data/views/{date:yyyyMMdd}.json
      dates: 2022-04-01
      record: _source
      columns:
        contract: string not null
        seconds: bigint
        mac: {path: device.mac, type: string}
```

```json data/views/20220401.json
{"_source": {"contract": "C1", "seconds": 60, "device": {"mac": "00:1A"}, "os": "x"}}
{"_source": {"contract": "C2", "seconds": "60"}}

{"_source": {"contract": "C3"}}
```

```read
views: 2 rows, 1 broken, 1 blank
| contract | seconds | mac   | date       |
| C1       | 60      | 00:1A | 2022-04-01 |
| C3       | null    | null  | 2022-04-01 |
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from etlrun.contracts.source import ReadRequest, ReadResult
from etlrun.language.columns import Column, Columns, Type
from etlrun.reading.source import DeclaredColumn, TextSource, declared_fields
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Json(TextSource):
    """Files of JSON: one object a line, or one array of objects."""

    format: Literal["lines", "array"] = key(
        "what a file holds: `lines`, one object in each line, or `array`, one array of objects", default="lines"
    )
    record: str = key(
        "the object in each line that holds the columns: `_source`, or a path such as `hit.source`", default=""
    )

    def verify_type(self, name: str, declared: DeclaredColumn, column: Column, scope: Scope) -> None:
        if not _is_readable(column.type):
            fix = "declare its members as columns with a `path`" if column.type.name == "struct" else ""
            scope.error(("columns", name), "type-mismatch", f"a JSON value is not read as {column.type}", fix)

    def explain(self, head: bytes) -> tuple[str, str] | None:
        from etlrun.reading.explaining import explain_json

        return explain_json(head) if self.format == "lines" else None

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        from etlrun.reading.elements import frame_elements
        from etlrun.reading.framing import frame_lines
        from etlrun.reading.json_lines import read_json

        record = tuple(self.record.split(".")) if self.record else ()
        framer = frame_elements if self.format == "array" else frame_lines
        return read_json(request, columns, declared_fields(self, columns, record), framer)


def _is_readable(kind: Type) -> bool:
    if kind.name == "array":
        return kind.element is not None and kind.element.name in ("string", "bigint", "double", "boolean")
    return kind.name not in ("struct", "binary")
