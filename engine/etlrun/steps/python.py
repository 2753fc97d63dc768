"""`python` - call a Python function with the rows, for what SQL cannot do.

`function` is `module:function`: a file in the project's folder or an installed module. With `mode: table` the function
gets all rows as one `pyarrow.Table` and returns one. With `mode: batches` it gets an iterator of `pyarrow.RecordBatch`
and yields batches, so that the rows are never all in memory. The function takes one argument, and its result has the
columns declared here, in this order. `etlrun check` finds the function without importing the file.

The function runs in a separate process in the project's folder; a run reuses this process for the next call. If the
function raises an error or its process ends, the step fails. Its output is written to standard error. It cannot see
environment variables that hold secrets: those that etlrun.yaml refers to, and those whose names look like a secret,
such as `SHOP_API_KEY`. If the function needs such a secret, let it read the secret from a file.

With `where: executors`, Spark calls the function on its executors, once for each partition, and no row goes through the
driver. Use it for functions that treat each row by itself:

* The result must not depend on the order of the rows, on other rows, or on earlier calls, and the function must not write
  anything. Spark decides how the rows are split; it may call the function for a partition without rows, and may repeat a
  call.
* The run sends the function's module, and the modules of the project that it imports, to the executors. It sends no other
  files, and the working folder is not the project's folder.
* Executors need pyarrow and the installed packages that the function imports. `etlrun pack OUT.tar.gz --with PACKAGE` adds
  a package to their archive.

On DuckDB, and in `etlrun test`, the function runs as with `where: driver`.

```yaml
steps:
  numbered:
    - from: people
    - python: {function: "clean:initials", columns: {name: string, initial: string}}
```

```python clean
def initials(people):
    initial = [name[:1] if name else None for name in people["name"].to_pylist()]
    return people.append_column("initial", [initial])
```

```rows
people: {name: string}
| name |
| An   |
| null |
->
| name | initial |
| An   | A       |
| null | null    |
```

```yaml
steps:
  trimmed:
    - from: people
    - python: {function: "tidy:trim", mode: batches, where: executors, columns: {name: string}}
```

```python tidy
import pyarrow.compute as pc


def trim(batches):
    for batch in batches:
        yield batch.set_column(0, "name", pc.utf8_trim_whitespace(batch["name"]))
```

```rows
people: {name: string}
| name   |
| " An " |
| null   |
->
| name |
| An   |
| null |
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from etlrun.contracts.relation import Input
from etlrun.contracts.step import Apply, Step
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.spec.fields import TypeText, key
from etlrun.spec.functions import FunctionMissing, find_function
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Python(Step):
    """Call a Python function with the rows, for what SQL cannot do."""

    function: str = key("`module:function`: a file in the project's folder, or an installed module")
    columns: Mapping[str, TypeText] = key(
        "column: type. The result of the function must have these columns in this order"
    )
    mode: Literal["table", "batches"] = key(
        "`table`: the function gets all rows at once; `batches`: it gets an iterator of batches", default="table"
    )
    where: Literal["driver", "executors"] = key(
        "`driver`: in a process of this machine; `executors`: on the executors of Spark, once for each partition, "
        "which needs `mode: batches`",
        default="driver",
    )

    def output(self, columns: Columns, scope: Scope) -> Columns:
        try:
            find_function(self.function, scope.root)
        except FunctionMissing as error:
            scope.error("function", "python-function", str(error), error.fix)
        if self.where == "executors" and self.mode == "table":
            message = "`where: executors` needs `mode: batches`: each executor has only some of the rows"
            scope.error("where", "missing-key", message, "add `mode: batches`, and let the function yield batches")
        result = Columns(())
        for name, text in self.columns.items():
            scope.new_column(result, name, ("columns", name), is_key=True)
            result = result.with_column(Column(name, scope.type(text, ("columns", name))))
        return result

    def functions(self) -> Iterable[str]:
        return (self.function,)

    def lower(self, relation: Input) -> Apply:
        declared = Columns(tuple(Column(name, parse_type(text)) for name, text in self.columns.items()))
        return Apply(self.function, declared, batches=self.mode == "batches", on_executors=self.where == "executors")
