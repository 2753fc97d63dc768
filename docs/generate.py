"""Writes the reference pages from what the product itself knows: `make docs`.

A kind's page is its docstring and fields, the functions are the table that checks them, the commands are asked for their
own help. A test compares the files with these pages.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click

from etlrun.cli.command_line import group as etlrun
from etlrun.cli.schema import schemas
from etlrun.codes import RUN_CODES, SPEC_CODES, Code
from etlrun.dashboards import measures, powerbi
from etlrun.dashboards import spec as dashboards
from etlrun.language.columns import SCALARS, Type
from etlrun.language.functions import FUNCTIONS
from etlrun.language.precedence import TIGHTEST_FIRST
from etlrun.language.type_texts import SPELLINGS
from etlrun.spec import cases, mappings, pipeline_schema, project, project_file, shared
from etlrun.spec.fields import (
    AnswerRow,
    Expr,
    Label,
    Percent,
    Rows,
    Scalar,
    Size,
    TypeText,
    described_fields,
    field_types,
    is_required,
    yaml_name,
)
from etlrun.spec.params import Param
from etlrun.spec.part_settings import PartSettings
from etlrun.spec.registry import Family, kinds

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = PROJECT / "engine" / "etlrun"
NOTE = "<!-- Written by `make docs`. -->\n"
INTRODUCTIONS: dict[Family, str] = {
    "sources": """
A source reads files or a table into a relation with declared columns. Write it under `sources:` of a pipeline. Its name is the name of the relation:

```yaml
sources:
  sales: {csv: {path: data/sales.csv, columns: {shop: string not null, units: int}}}
```

`key: [shop, day]` declares that these columns identify a row. Then these columns are enough for the total order that steps such as `top` need, and a
`join` on them matches at most one row. Every run verifies the key (two nulls are equal); if two rows have the same key, nothing is published.""",
    "steps": """
A step transforms the rows of a chain. Write it under `steps:` of a pipeline. A chain is a list of steps; its name is the name of the relation that it makes:

```yaml
steps:
  large_sales:
    - from: sales
    - filter: units > 5
```

Each example below shows the input rows, `->`, and the output rows.""",
    "checks": """
A check is a condition on a relation. If it fails, the run publishes nothing. Write it under `checks:` of a pipeline, below the name of the relation:

```yaml
checks:
  large_sales:
    - unique: [shop]
```

Each example below shows rows for which the check holds, and rows for which it fails.""",
    "sinks": """
A sink publishes a relation. Write it under `sinks:` of a pipeline:

```yaml
sinks:
  large_sales: {table: {from: large_sales, connection: warehouse, write: replace}}
```""",
    "connections": """
A connection is a database, or a catalog of Iceberg tables, that a run reads tables from and publishes tables to. Write it under `connections:` of a
profile in `etlrun.yaml`. Sources and sinks use its name:

```yaml
profiles:
  local:
    connections:
      warehouse: {duckdb: warehouse.duckdb}
```""",
    "models": """
A model gives labels to keys. A key is a distinct text, such as a search keyword. Write the model under `models:` of a profile in `etlrun.yaml`. The step
`enrich` uses its name:

```yaml
profiles:
  local:
    models:
      categories: {catalogue: {titles: mappings/titles.csv}}
```""",
    "storages": """
A storage gives access to the objects of a store whose URLs start with a prefix. Sources read these objects; the sinks `files`, `delta` and `iceberg`
write them. Write it under `storage:` in `etlrun.yaml`, or in a profile there. Its key is the prefix:

```yaml
storage:
  s3://lake: {s3: {region: eu-west-1}}
```

If several prefixes match a URL, the longest one is used.""",
    "engines": """
An engine runs the SQL of a pipeline. Write it under `engine:` of a profile in `etlrun.yaml`:

```yaml
profiles:
  local:
    engine: {duckdb: {}}
```""",
}
ERRORS_EXAMPLE = """```text
pipelines/orders.yaml:17:50: unknown-column: there is no column `amout` here
   17 |         columns: {orders: count(*), revenue: sum(amout)}
                                                         ^^^^^
    = did you mean `amount`?
```"""
FUNCTIONS_EXAMPLE = """```yaml
steps:
  sales:
    - from: rows
    - derive:
        revenue: round(units * price, 2)
        size: case when units > 5 then 'large' else 'small' end
```"""


def pages() -> dict[Path, str]:
    """Every generated file and its text."""
    found = {PROJECT / "docs" / f"{family}.md": family_page(family) for family in INTRODUCTIONS}
    found[PROJECT / "docs" / "pipeline.md"] = pipeline_page()
    found[PROJECT / "docs" / "functions.md"] = functions_page()
    found[PROJECT / "docs" / "errors.md"] = errors_page()
    found[PROJECT / "docs" / "cli.md"] = cli_page()
    found[PROJECT / "docs" / "tests.md"] = tests_page()
    found[PROJECT / "docs" / "project.md"] = project_page()
    found[PROJECT / "docs" / "dashboards.md"] = dashboards_page()
    return found | {PACKAGE / f"{name}.schema.json": text for name, text in schemas().items()}


def family_page(family: Family) -> str:
    """The built-in kinds of a family, in alphabetical order."""
    built_in = {name: cls for name, cls in sorted(kinds(family).items()) if cls.__module__.startswith("etlrun.")}
    rows = [[f"[`{name}`](#{name})", _sentence(_opening(cls)[0])] for name, cls in built_in.items()]
    parts = [f"# {family.capitalize()}", INTRODUCTIONS[family].strip(), _table([family[:-1], "what it does"], rows)]
    for name, cls in built_in.items():
        first, rest = _opening(cls)
        parts += [f"## {name}", _sentence(first), _plain_fences(rest), *_keys(cls, name)]
    return _page(parts)


def functions_page() -> str:
    """The table of functions, one table for each kind."""
    parts = [
        "# Functions",
        "This page lists the operators and functions of expressions. Expressions are Spark SQL, with the ANSI rules of Spark 4, and give the same "
        "result on every engine:",
        FUNCTIONS_EXAMPLE,
        "`cast(x as bigint)` changes the type; `try_cast(x as bigint)` gives null if that is not possible. "
        "`day + interval 3 months` adds to a date or timestamp; if the new month is too short, the result is its last day. "
        "`a - b > interval 3 days` compares the difference of two times; as a number it is `datediff` or `timestampdiff`. "
        "`extract(year from day)` gives one part of a date. "
        "In the tables, `[x]` is optional, `x...` may be repeated, and all arguments called `same` are converted to one type. "
        "A `moment` is a date or timestamp, a `clock` a timestamp or timestamptz, `utc` a timestamptz or a timestamp "
        "in UTC, and `orderable` a value that has an order.",
        "If a value cannot be computed (an overflow, a division by zero, a text that is not a number), the run stops, and the message shows the place in "
        "the spec. An engine may skip a value that nothing uses, such as a column that no later step reads: then the run does not stop. "
        "On Spark, an expression without columns that cannot be computed, such as `cast(concat('x', 'y') as int)`, may stop a run "
        "even if there are no rows. "
        "Groups, distinct rows, `min`, `max` and sets treat -0.0 as 0.0.",
    ]
    operators = [[", ".join(f"`{one}`" for one in row.written), row.takes, row.gives] for row in TIGHTEST_FIRST]
    parts += [
        "## Operators",
        "The operators with the highest precedence come first. Operators in one row of the table have the same precedence and are evaluated "
        "from left to right. "
        "If an operand is null, the result is null, unless the table says otherwise.",
        _table(["operator", "operands", "result"], operators)
        .replace("a || b", "a \\|\\| b")
        .replace("a | b", "a \\| b"),
    ]
    for kind, title in (
        ("scalar", "Scalar functions"),
        ("aggregate", "Aggregate functions"),
        ("window", "Window functions"),
    ):
        rows = [
            _function_row(name, function)
            for name, function in sorted(FUNCTIONS.items())
            if function.kind == kind and function.name == name
        ]
        if rows:
            parts += [f"## {title}", _table(["call", "returns", "meaning"], rows)]
    return _page(parts)


def tests_page() -> str:
    """What a file of tests says."""
    first, _, rest = (cases.__doc__ or "").strip().partition("\n")
    return _page(["# Tests", first, rest.strip(), "## Keys", *_keys(cases.CaseFile, "")])


def dashboards_page() -> str:
    """What a dashboard says, its cards, and the rules of its measures."""
    first, _, rest = (dashboards.__doc__ or "").strip().partition("\n")
    rules = (measures.__doc__ or "").strip().partition("\n")[2].strip()
    cards = [[f"`{name}`", _sentence((cls.__doc__ or "").strip())] for name, cls in dashboards.CARDS.items()]
    parts = ["# Dashboards", first, rest.strip(), "## Keys", *_keys(dashboards.Dashboard, "")]
    parts += ["`page` is a list of rows, and each row is a list of cards.", "## Measures", rules]
    parts += ["## Cards", _table(["card", "shows"], cards)]
    for name, cls in dashboards.CARDS.items():
        parts += [f"### {name}", *_keys(cls, name)]
    return _page([*parts, "## Power BI", (powerbi.__doc__ or "").strip().removeprefix("Power BI: ")])


TYPES = {
    "boolean": "true or false",
    "tinyint": "8-bit integers",
    "smallint": "16-bit integers",
    "int": "32-bit integers",
    "bigint": "64-bit integers",
    "float": "32-bit floating-point numbers, about 7 digits",
    "double": "64-bit floating-point numbers, about 15 digits",
    "decimal": "exact numbers: `decimal(10,2)` has 10 digits, 2 of them after the decimal point; at most 38 digits",
    "string": "text",
    "binary": "bytes",
    "date": "a calendar day",
    "timestamp": "date and time with microseconds, without a time zone",
    "timestamptz": "an instant with microseconds. A text must have an offset (`2022-04-30T20:15:00+07:00` or `...Z`); engines and sinks store the time in UTC",
}


def pipeline_page() -> str:
    """The keys of a pipeline file, and what every part of one is written with."""
    described = pipeline_schema.pipeline_schema()
    rows = [
        [f"`{name}`", "required" if name in described["required"] else "", found["description"]]
        for name, found in described["properties"].items()
    ]
    assert tuple(TYPES) == SCALARS
    return _page(
        [
            "# Pipeline",
            "A pipeline is one YAML file: `etlrun check FILE` checks it without data, `etlrun FILE` runs it. Each source and each chain of steps makes one "
            "relation (a table of rows), and other parts of the pipeline refer to it by the name of the source or chain.",
            (pipeline_schema.__doc__ or "").strip().partition("\n")[2].strip(),
            _table(["key", "", "meaning"], rows),
            "The parts: [sources](sources.md), [steps](steps.md), [checks](checks.md), [sinks](sinks.md).",
            "## params",
            "A param is a value that a run can set: `--set month=2022-05`. Write `$month` in values and expressions to use it, or `${month}` if a letter "
            "follows; outside expressions, `$$month` is the text `$month`. The names under `vars:` of [the project file](project.md) are used in the "
            "same way. A param without a default must be set.",
            *_keys(Param, "NAME"),
            "## Types",
            "Columns are declared with the types of Spark: `shop: string`. With `shop: string not null`, a record without a value is a broken record.",
            _table(["type", "holds"], [[f"`{name}`", doc] for name, doc in TYPES.items()]),
            "`array<string>`, `struct<name string>` and `map<string, int>` are nested types; the step `explode` makes one row of each element of an array. "
            "JSON, Parquet and Delta can hold nested values; CSV files and database tables cannot. Other spellings: "
            + ", ".join(f"`{spelling}` ({name})" for spelling, name in SPELLINGS.items())
            + ".",
            "## Mappings",
            (mappings.__doc__ or "").strip().removeprefix("Mappings: "),
            "## Shared sources and chains",
            (shared.__doc__ or "").strip(),
        ]
    )


PARTS = """\
`parts:` in a profile turns on a cache. A run saves the rows that it reads from each text file (`json`, `csv`, sources of plugins), and later
runs read only files that are new or have changed. The cache is off by default, and `etlrun init` does not write the key, because the cache is a
second copy of your data.

```yaml
profiles:
  local:
    parts: {keep: 40d, room: 200GB}
```

A part is the cache of one file: its rows as Parquet, the number of rows, broken and blank records, and the broken records with their reasons.
A run that uses the cache gives the same result as a run that reads all files: the same rows, `max_bad_rows`, days without rows, quarantine and
messages. `etlrun plan` and the summary of a run show how many files come from the cache.

* If at least half of the files are in the cache, a run also saves the result of the first aggregate for each file. So the first run saves only
  rows, the second also aggregates the files that the first has saved, and later runs read one row per group and file instead of all rows.
  If a large file has more than three groups for four rows, its source is not aggregated in this way.
  `etlrun plan` shows whether a source is *aggregated file by file*, or why not. The conditions are:
  * Only one chain reads the source.
  * Nothing before the first aggregate is published or checked (the left side of `conserved` is allowed).
  * The steps before it treat each row by itself (no `join`, `window`, `dedupe`, ...).
  * Its functions are `sum` and `avg` of integers or decimals, `count`, `count_if`, `min`, `max`, `min_by`, `max_by`, `bool_and`, `bool_or`,
    `bit_and`, `bit_or`, `bit_xor`, or `count(distinct DAY)` over at most 62 days.

  If a step or a mapping changes, the results are computed again from the saved rows. With the engine `spark`, DuckDB aggregates each file, and
  Spark computes the rest.
* With `read: tasks` of the engine `spark`, the executors aggregate what they read, under the same conditions, in every run. Without `parts:`,
  they write only one row per group and task, and no rows; if a task has almost as many groups as rows, all tasks write rows.
* A file is read again if its path, size, modification time, inode or day has changed; if the name of the source, its columns, `record`,
  `bad_rows`, `quarantine_limit` or another key of its kind has changed; or if etlrun's reader, Python, DuckDB, Arrow or a plugin has another
  version. Changes to steps, mappings, `max_bad_rows`, `max_age` and descriptions of columns do not matter.
* A file that changed less than 5 seconds before the run listed it is read but not saved, because it could change again with the same
  modification time.
* An object of a store that has a part is listed but not downloaded. Objects have no inode: etlrun compares the URL, the size and the time (S3:
  whole seconds). The clocks of this machine and of the store must agree to within 5 seconds.
* Every part has a SHA-256 that is verified before it is used. If a part is damaged, its file is read again. If parts cannot be written, the run
  prints a warning and continues.
* Parts are in the folder `parts` below `runs:`; only its owner can read it. Every run removes the parts that no run has used for `keep`, and
  then the least recently used parts until the others fit into `room`. Profiles share the folder; the longest `keep` and the largest `room` of all
  profiles apply. If no profile has `parts:` any more, the parts are removed after a week.
* Parts contain personal data if the files do. To delete the data of a person, remove their lines from the files and remove the folder
  `parts`, on this machine and in the store of runs; the next run creates it again.

### Parts in the store of runs

If the executors of Spark write the rows of a run into the store of `runs:` ([`staging: store`](engines.md), the default on a cluster), parts are
in the store, too: below `parts/` at the URL of `runs:`. All machines use the same parts, and no row passes the driver. These are the differences:

* A run saves its parts after it has read a source: it copies their objects inside the store, and then writes an index that names them. A run that
  is killed before has saved nothing. If two runs save at the same time, the parts of both are saved.
* A part of which an object is missing or has another size is read again. Every part has a SHA-256, which tasks compare when they read it: if an object
  of the same size has other bytes, the run stops with `stage-damaged` and names the object. Delete it, and the next run reads its file again.
* If a step or a mapping has changed, the executors compute the results again from the saved rows.
* `keep` and `room` are applied once a day, and by each run while more than `room` is stored. Objects of a removed part are deleted a day later,
  because another run may be reading them. So for a day there can be more than `room`.
* The account of the runs needs the rights to list, read, write and delete objects below `runs:`, on the driver and on the executors. If the
  store refuses to save parts, the run prints a warning and continues.
"""


def project_page() -> str:
    """The keys of a project file, and what every run of a project leaves."""
    return _page(
        [
            "# Project",
            "`etlrun.yaml` configures a project: where its files are, and what differs between a laptop and production. All keys are optional.",
            (project_file.__doc__ or "").strip().partition("\n")[2].strip(),
            *_keys(project.ProjectSettings, ""),
            "Each profile under `profiles:` can have [`engine`](engines.md), [`connections`](connections.md), [`models`](models.md), `labels` (the label "
            "store: where answers of models are saved), `storage` ([storages](storages.md)) and [`parts`](#read-only-new-files) "
            "(the cache of files that were read).",
            "## What a run leaves",
            "Every run has a folder below `runs:`. If this is a folder of the machine, only its owner can read it:",
            _table(
                ["file", "contents"],
                [
                    [
                        "`run.json`",
                        "the record: id, digest of the specification, versions of etlrun and of the engine, rows of every relation, checks, "
                        "checksums, and what was published",
                    ],
                    [
                        "`inputs.json`",
                        "for each file that was read: source, path, size, time of its last change (UTC), number of rows and of broken records; for each table: "
                        "connection, name, number of rows. With `hash_inputs: true` also the SHA-256 of each file. If the run stopped while it was "
                        "reading a file, that file has no number of rows",
                    ],
                    [
                        "`quarantine/SOURCE.jsonl`",
                        "every broken record with its file, line, reason and text, in the order of files and lines",
                    ],
                    [
                        "`stage/`",
                        "checked rows that were not published; they are kept for a week, and `etlrun resume` publishes them",
                    ],
                ],
            ),
            "## Keep runs in a store",
            RUNS_IN_A_STORE,
            "## Read only new files",
            PARTS,
            *_keys(PartSettings, "parts"),
        ]
    )


RUNS_IN_A_STORE = """If `runs:` is a URL, all machines see all runs: `etlrun runs`, `show --failing`, `diff`, `docs` and `retry` read them, and
`etlrun resume` publishes the checked rows of a run whose machine is gone. So a machine may lose its disk when its run ends.

```yaml
runs: s3://lake/etlrun/runs
storage:
  s3://lake: {s3: {region: eu-west-1}}
```

* A run works in a folder of its machine, below `scratch:`. First it writes its record to the store. Before it publishes, it copies the list of
  its inputs, its broken records and the checked rows there; at its end, also the rows that fail checks. If the store fails before the publish,
  the run stops and has published nothing. If the store fails after the publish, the run is `done` with a warning.
* A run writes the object `heartbeat` every 30 seconds, and removes it at its end. If there was no heartbeat for ten minutes, the run counts as
  `killed` for other machines. Their clocks must agree with the clock of the store to within a few minutes.
* There is no lock in the store: two runs at the same time have two folders. The table to which they publish protects its rows: because of its
  lock, its ledger or its log, no row is published twice, and an older run does not replace a newer one.
* In a store, an object has no owner. Let only the accounts of runs read and write below `runs:`, because broken and failing rows are there, and
  because `resume` publishes rows from there. These accounts need the rights to list, read, write and delete. A lifecycle rule may delete old
  runs: a run whose objects are gone is not listed.
* The settings of the store must be in `storage:` of the project, not of a profile. These things stay on the machine: the cache of `parts`
  (unless [executors write into the store](#parts-in-the-store-of-runs)), the results of `etlrun test`, temporary files, and the rows of a run that
  stopped because a check failed."""


def errors_page() -> str:
    """The registry of codes: mistakes in a spec, and failures of a run."""
    return _page(
        [
            "# Errors",
            "This page lists the codes of all messages, with the usual cause and fix. The message itself has the details of your case:",
            ERRORS_EXAMPLE,
            "`unknown-column` is the code; it does not change. If one place in the spec causes the error, the message shows the file, line and column, and "
            "a caret under that place. The last line says how to fix it.",
            "## Mistakes in a spec",
            "`etlrun check` finds these mistakes without reading data. The exit code is 2.",
            _table(
                ["code", "meaning", "usual cause", "usual fix"],
                [_code_row(*item) for item in sorted(SPEC_CODES.items())],
            ),
            "## Failures of a run",
            "A failure never leaves a table half-written, and everything that was published before it stays. After a code marked `resume`, "
            "`etlrun resume RUN_ID` publishes the checked rows without computing them again.",
            _table(
                ["code", "exit code", "meaning", "usual cause", "usual fix", ""],
                [
                    [name, str(code.exit_code), *texts, "`resume`" if code.can_resume else ""]
                    for key, code in sorted(RUN_CODES.items())
                    for name, *texts in [_code_row(key, code)]
                ],
            ),
        ]
    )


def _code_row(name: str, code: Code) -> list[str]:
    return [f"`{name}`", code.summary, code.cause, code.fix]


def cli_page() -> str:
    """What each command says of itself with --help."""
    settings = {**etlrun.context_settings, "terminal_width": 100, "max_content_width": 100}
    context = click.Context(etlrun, info_name="etlrun", **settings)
    parts = ["# Command line", _block(etlrun.get_help(context)), *_commands_of(etlrun, context, settings)]
    return _page(parts)


def _commands_of(group: click.Group, context: click.Context, settings: dict[str, Any]) -> Iterator[str]:
    """The help of each command of a group, and of those inside it."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command and not command.hidden:
            inner = click.Context(command, info_name=name, parent=context, **settings)
            yield f"## {inner.command_path}"
            yield _block(command.get_help(inner))
            if isinstance(command, click.Group):
                yield from _commands_of(command, inner, settings)


def _opening(cls: type) -> tuple[str, str]:
    """The first sentence of a kind's module, without the key that stands before it, and the rest."""
    first, _, rest = (sys.modules[cls.__module__].__doc__ or "").strip().partition("\n")
    return first.split(" - ", 1)[-1], rest.strip()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain_fences(text: str) -> str:
    """Without the languages that only our tests read, and with the name of a file or a table before what it holds."""
    text = re.sub(
        r"^```(?:csv|json|parquet|table|delta|files|iceberg) (\S+)$",
        r"Contents of `\1`:\n\n```text",
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r"^```read$", "The source reads it as:\n\n```text", text, flags=re.MULTILINE)
    return re.sub(
        r"^```(rows|python \w+)$",
        lambda found: "```python" if found.group(1) != "rows" else "```text",
        text,
        flags=re.MULTILINE,
    )


def _keys(cls: type, name: str) -> Iterator[str]:
    """The table of the keys of a class that is written under `name`, and one for every class inside it."""
    items = described_fields(cls)
    if not items:
        return
    hints = field_types(cls)
    rows = [
        [
            f"`{yaml_name(item)}`",
            _phrase(hints[yaml_name(item)]),
            _default(item, hints[yaml_name(item)]),
            item.metadata["doc"],
        ]
        for item in items
    ]
    if short := getattr(cls, "short", ""):
        key = next(yaml_name(item) for item in items if item.name == short)
        yield f"Short form: `{name}: ...` means `{name}: {{{key}: ...}}`."
    yield _table(["key", "value", "default", "meaning"], rows)
    for item in items:
        hint = hints[yaml_name(item)]
        for inner in dict.fromkeys(_classes(hint)):
            yield f"Keys of `{yaml_name(item)}`:"
            yield from _keys(inner, "NAME" if _has_names(hint, inner) else yaml_name(item))


def _has_names(annotation: Any, inner: type) -> bool:
    """Whether a mapping of free names holds the class, as that of columns does."""
    arguments = get_args(annotation)
    return get_origin(annotation) is Mapping and inner in arguments or any(_has_names(one, inner) for one in arguments)


def _classes(annotation: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)


WORDS: dict[Any, str] = {
    str: "string",
    TypeText: "string",
    Scalar: "string",
    Label: "string",
    Expr: "expression",
    bool: "true or false",
    int: "integer",
    float: "number",
    Percent: "share, such as `20%`",
    Size: "size, such as `100 MB`",
    Rows: "list of rows `{column: value}`",
    AnswerRow: "answer `{output: value}`",
}


def _phrase(annotation: Any) -> str:
    """What may be written where a field has this annotation."""
    *choices, last = dict.fromkeys(_choices(annotation))
    return f"{', '.join(choices)} or {last}" if choices else last


def _choices(annotation: Any) -> Iterator[str]:
    if annotation in WORDS:
        yield WORDS[annotation]
        return
    origin, arguments = get_origin(annotation), [item for item in get_args(annotation) if item is not types.NoneType]
    if origin is Literal:
        yield from ("`null`" if choice is None else f"`{choice}`" for choice in arguments if choice != "")
    elif origin in (Union, types.UnionType):
        for choice in arguments:
            yield from _choices(choice)
    elif origin is tuple and arguments[0] in WORDS:
        yield from (WORDS[arguments[0]], f"list of {WORDS[arguments[0]]}s")
    elif origin is tuple:
        yield f"list of {_phrase(arguments[0])}"
    else:
        yield f"mapping (name: {_phrase(arguments[1])})" if len(arguments) == 2 else "mapping"


def _default(item: dataclasses.Field[Any], annotation: Any) -> str:
    if is_required(item):
        return "required"
    if item.default in (dataclasses.MISSING, None, "", ()):
        return ""
    kind = next((one for one in (annotation, *get_args(annotation)) if one in (Percent, Size)), None)
    if kind is Percent:
        return f"`{item.default:.4g}`" if item.default % 0.01 else f"`{item.default:.0%}`"
    if kind is Size:
        return f"`{_size(item.default)}`"
    return f"`{str(item.default).lower() if isinstance(item.default, bool) else item.default}`"


def _size(count: int) -> str:
    unit, name = next(((unit, name) for unit, name in ((10**9, "GB"), (10**6, "MB")) if count % unit == 0), (1, "B"))
    return f"{count // unit} {name}"


def _function_row(name: str, function: Any) -> list[str]:
    arguments = ", ".join(_argument(taken) for taken in function.takes)
    gives = str(function.gives) if isinstance(function.gives, Type) else "type of the arguments"
    aliases = ", ".join(f"`{alias}`" for alias in getattr(function, "aliases", ()))
    return [f"`{name}({arguments})`", gives, function.doc + (f"; also {aliases}" if aliases else "")]


def _argument(taken: str) -> str:
    word = taken.rstrip("?*").lstrip("=")
    return f"[{word}]" if taken.endswith("?") else f"{word}..." if taken.endswith("*") else word


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```"


def _page(parts: list[str]) -> str:
    return NOTE + "\n" + "\n\n".join(part for part in parts if part) + "\n"


def write(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stderr.write(f"wrote {os.path.relpath(path)}\n")


if __name__ == "__main__":
    write(pages())
