"""`json` - JSON files: one object in each line, objects that follow each other (`format: objects`), one array of objects (`format: array`),
or one object in each file (`format: document`).

Every line is a row, a broken record or blank. A line is broken if it is not one JSON object, if a declared value has
the wrong type (`"12"` and `1.5` are not a bigint), if a `not null` column has no value, or if a declared key occurs
twice, with different letter case, or with other Unicode characters that look the same (`path: "caf\\u00e9"` names
such a key). A number or boolean in a string column becomes text; a missing key is null. Keys that are not declared are
ignored.

With `format: objects` line breaks do not matter: an object may have several lines, as `jq` and `mongoexport --pretty` write
them, and the next one may follow without a line break, as in files of Amazon Data Firehose. With `format: array` each element
of the array is read like a line. If a file is not one complete array, the run stops. With `format: document` each file is one
record and becomes one row. Files may be compressed: their names end in `.gz`, `.zst` or `.bz2`.

A column may also hold an object or a list: `array<struct<sku string, qty int>>`, `struct<name string>`,
`map<string, int>`. A struct reads the keys that it names; a map reads all keys, in the order of the file. A nested
value of the wrong type makes the line broken. In YAML a type that contains `: ` must be quoted, so write `sku string`
without the colon. Write a field with an unusual name in backticks.

A `path` can go through objects and lists: `items[0].sku` is null if the list is too short. `$` is the whole record, and
`['a.b']` is a key with a dot in it. Write a key such as `$oid` with two dollar signs, `_id['$$oid']`: one is a param. With
`raw: true` the column is the JSON text of the value at its path; without a path, of the whole record as it is in the file.

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
        first: {path: "items[0].name", type: string}
```

```json data/views/20220401.json
{"_source": {"contract": "C1", "seconds": 60, "device": {"mac": "00:1A"}, "items": [{"name": "a", "seconds": 9}, {"name": "b"}]}}
{"_source": {"contract": "C2", "seconds": "60"}}

{"_source": {"contract": "C3", "items": []}}
{"_source": {"contract": "C4", "items": {"name": "c"}}}
```

```read
views: 2 rows, 2 broken, 1 blank
| contract | seconds | mac   | first | date       |
| C1       | 60      | 00:1A | a     | 2022-04-01 |
| C3       | null    | null  | null  | 2022-04-01 |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from etlrun.contracts.source import ReadRequest, ReadResult
from etlrun.language.columns import Column, Columns
from etlrun.reading.json_columns import JsonColumn, json_fields, verify_path
from etlrun.reading.source import DeclaredColumn, TextSource
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Json(TextSource):
    """Files of JSON: one object a line, or in another form."""

    format: Literal["lines", "objects", "array", "document"] = key(
        "the form of a file: `lines` has one object in each line, `objects` has objects with any line breaks inside and "
        "between them, `array` is one array of objects, `document` is one object, which becomes one row",
        default="lines",
    )
    columns: Mapping[str, JsonColumn] = key("column: type. The relation has the columns in this order")
    record: str = key(
        "the object in each line that contains the columns: `_source`, or a path such as `hit.source`", default=""
    )

    def verify_type(self, name: str, declared: DeclaredColumn, column: Column, scope: Scope) -> None:
        self.columns[name].verify(column, ("columns", name), scope)

    def output(self, scope: Scope) -> Columns:
        verify_path(self.record, "record", scope)
        return super().output(scope)

    def is_cut(self) -> bool:
        return self.format == "lines"

    def explain(self, head: bytes) -> tuple[str, str] | None:
        from etlrun.reading.explaining import explain_json

        return explain_json(head) if self.format == "lines" else None

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        from etlrun.reading.elements import frame_document, frame_elements, frame_objects
        from etlrun.reading.framing import frame_lines
        from etlrun.reading.json_lines import read_json

        framers = {
            "lines": frame_lines,
            "objects": frame_objects,
            "array": frame_elements,
            "document": frame_document,
        }
        return read_json(request, columns, json_fields(self.columns, columns, self.record), framers[self.format])
