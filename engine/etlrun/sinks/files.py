"""`files` - publishes a relation as files of a folder, which appears whole or not at all.

The folder is written beside its place and then put there in one step. Rows are sorted by `order` (or by every column), so that equal
rows give equal bytes.

```yaml
sinks:
  profile_export:
    files: {from: profile, path: out/profile, format: csv}
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from etlrun.language.columns import Columns
from etlrun.spec.fields import key
from etlrun.spec.kinds import Scope, Sink


@dataclass(frozen=True)
class Files(Sink):
    """Publishes a relation as files of a folder, which appears whole or not at all."""

    from_: str = key("the relation to publish", yaml="from")
    path: str = key("the folder, relative to the project's folder; what etlrun wrote there before is replaced")
    format: Literal["parquet", "csv", "json"] = key("the files' format", default="parquet")
    order: tuple[str, ...] = key("the columns by which rows are sorted; all of them where it is not given", default=())
    min_rows: int = key("fewer rows than this are not published", default=1)

    def verify(self, columns: Columns, scope: Scope) -> None:
        for index, name in enumerate(self.order):
            scope.column(columns, name, ("order", index))
        if not self.path.strip("/. "):
            scope.error("path", "wrong-value", "a folder of its own is wanted here", "write e.g. `out/NAME`")
        for item in columns:
            if item.type.name in ("array", "struct") and self.format == "csv":
                scope.error("format", "type-mismatch", f"`{item.name}` is {item.type}, which a CSV file cannot hold", "choose `parquet` or `json`")
