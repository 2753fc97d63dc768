"""`files` - publishes a relation as one file, which is replaced in one step.

A reader sees the old file or the new one. Rows are sorted by `order` (or by every column), so that equal rows give equal bytes.

A text of a CSV file is written as it is, also one that a spreadsheet would take for a formula (`=`, `+`, `-`, `@`, a tab or a carriage
return first). With `formulas: escape` such a text gets a `'` in front: choose it for a file that people open in a spreadsheet and whose
texts come from others; a program that reads the file then gets the `'` too.

```yaml
sinks:
  profile_export:
    files: {from: profile, path: out/profile.csv}
```
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, Literal

from etlrun.contracts.sink import Publication, Sink, published_file, replacing
from etlrun.language.columns import TIMESTAMPTZ, Column, Columns
from etlrun.language.duckdb_words import name, parquet, published_value, text
from etlrun.spec.fields import key
from etlrun.spec.paths import OUTSIDE, path_inside
from etlrun.spec.scope import Scope
from etlrun.spec.urls import is_url

FORMATS: tuple[Literal["parquet", "csv", "json"], ...] = ("parquet", "csv", "json")


@dataclass(frozen=True)
class Files(Sink):
    """Publishes a relation as one file, which is replaced in one step."""

    from_: str = key("the relation to publish", yaml="from")
    path: str = key(
        "the file, relative to the project's folder; its ending says the format: `.parquet`, `.csv` or `.json` (JSON lines)"
    )
    order: tuple[str, ...] = key(
        "the columns by which rows are sorted; all of them where it is not given", default=(), example=("shop", "day")
    )
    formulas: Literal["keep", "escape"] = key(
        "a text in a CSV file that a spreadsheet would take for a formula: `keep` writes it as it is, `escape` puts a `'` in front",
        default="keep",
    )
    min_rows: int = key("fewer rows than this are not published", default=1)

    @property
    def format(self) -> Literal["parquet", "csv", "json"] | None:
        """What the path's ending says; None where it says nothing."""
        return next((form for form in FORMATS if self.path.endswith(f".{form}")), None)

    def verify(self, columns: Columns, scope: Scope) -> None:
        for index, column in enumerate(self.order):
            scope.column(columns, column, ("order", index))
        if is_url(self.path):
            message = "the path is a URL, and a `files` sink writes a file of the project"
            scope.error(
                "path", "wrong-value", message, "write `path: out/NAME.parquet`, and copy the file to the store"
            )
        elif path_inside(scope.root, self.path) is None:
            scope.error("path", "file-unreadable", OUTSIDE, "choose a path inside it")
        if self.formulas == "escape" and self.format in ("parquet", "json"):
            scope.error("formulas", "wrong-value", "`formulas` is about CSV files", "leave it out")
        if self.format is None:
            scope.error(
                "path", "wrong-value", "the path does not say the format", "let it end in `.parquet`, `.csv` or `.json`"
            )
        for item in columns:
            if item.type.name in ("array", "struct") and self.format == "csv":
                fix = "choose another format, or make it text first, e.g. with `array_join`"
                scope.error("path", "type-mismatch", f"`{item.name}` is {item.type}, which a CSV file cannot hold", fix)

    def place(self, name: str) -> tuple[str, str, str]:
        return "", posixpath.normpath(self.path), ""

    def replaces_all(self) -> bool:
        return True

    def look_ahead(self, publication: Publication) -> str:
        return (
            f"{'replaces' if published_file(publication.root, self.path).exists() else 'writes'} the file {self.path}"
        )

    def publish(self, publication: Publication) -> dict[str, Any]:
        with replacing(published_file(publication.root, self.path)) as (connection, new):
            connection.execute(
                f"COPY ({self._sorted_rows(publication)}) TO {text(str(new))} ({_OPTIONS[self.format or 'parquet']})"
            )
        return {"file": self.path, "write": "replace", "rows": publication.rows, "checksum": publication.checksum}

    def _sorted_rows(self, publication: Publication) -> str:
        escapes = self.format == "csv" and self.formulas == "escape"
        values = ", ".join(self._value(item, escapes=escapes) for item in publication.columns)
        rest = [item.name for item in publication.columns if item.name not in self.order]
        order = ", ".join(name(column) for column in (*self.order, *rest))
        return f"SELECT {values} FROM (SELECT * FROM {parquet(publication.files)} ORDER BY {order})"

    def _value(self, item: Column, *, escapes: bool) -> str:
        if item.type == TIMESTAMPTZ and self.format != "parquet":
            return f"CAST({name(item.name)} AS VARCHAR) || 'Z' AS {name(item.name)}"
        return _escaped(item.name) if item.type.name == "string" and escapes else published_value(item)


_OPTIONS = {"parquet": "FORMAT parquet", "csv": "FORMAT csv, HEADER true", "json": "FORMAT json"}
_FORMULA = "^[-=+@\t\r]"


def _escaped(column: str) -> str:
    """A text, with a `'` in front where a spreadsheet would take it for a formula."""
    quoted = name(column)
    return f"CASE WHEN regexp_matches({quoted}, {text(_FORMULA)}) THEN {text(chr(39))} || {quoted} ELSE {quoted} END AS {quoted}"
