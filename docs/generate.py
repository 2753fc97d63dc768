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
from etlrun.language.columns import SCALARS, SPELLINGS, Type
from etlrun.language.functions import FUNCTIONS
from etlrun.language.precedence import TIGHTEST_FIRST
from etlrun.spec import cases, mappings, pipeline, project, shared
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
    "sources": "A source reads files or a table into a relation with declared columns. It stands under `sources:` of a pipeline.",
    "steps": "A step is one verb of a chain under `steps:` of a pipeline. The examples show rows that go in, `->`, and rows that come out.",
    "checks": "A check is a statement about a relation that must hold before anything is published. It stands under `checks:` of a pipeline.",
    "sinks": "A sink publishes a relation. It stands under `sinks:` of a pipeline.",
    "connections": "A connection is a place that tables are read from and published to. It stands under `connections:` of a profile in `etlrun.yaml`.",
    "models": "A model gives labels to keys, such as the category of a search keyword. It stands under `models:` of a profile in `etlrun.yaml`.",
    "storages": "A storage opens the objects below a URL, which sources read and the sinks `files` and `delta` write. It stands under "
    "`storage:` in `etlrun.yaml`, or of a profile there, by the beginning of the URLs; the longest that fits holds.",
    "engines": "An engine runs the statements of a pipeline. It stands under `engine:` of a profile in `etlrun.yaml`.",
}


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
    parts = [f"# {family.capitalize()}", INTRODUCTIONS[family], _table([family[:-1], "what it does"], rows)]
    for name, cls in built_in.items():
        first, rest = _opening(cls)
        parts += [f"## {name}", _sentence(first), _plain_fences(rest), *_keys(cls)]
    return _page(parts)


def functions_page() -> str:
    """The table of functions, one table for each kind."""
    parts = [
        "# Functions",
        "Expressions are Spark SQL as Spark 4 runs it (ANSI), and give the same on every engine. "
        "`day + interval 3 months` adds to a date or timestamp (a month that is shorter ends with its last day), "
        "`extract(year from day)` takes a part of one. These are the functions they may call. "
        "`[x]` may be left out, `x...` may be repeated; `same` arguments are brought to one type.",
        "A value that cannot be computed (an overflow, a division by zero, text that is no number) ends the run with its place in the "
        "spec. An engine need not compute what nothing reads: the other operand of a null, a column that no later step uses. "
        "A part that reads no column and cannot be computed, such as `cast(concat('x', 'y') as int)`, may also end a run on Spark where there are no rows. "
        "Where equal values become one (groups, distinct rows, `min`, `max`, sets) -0.0 is 0.0.",
    ]
    operators = [[", ".join(f"`{one}`" for one in row.written), row.takes, row.gives] for row in TIGHTEST_FIRST]
    parts += [
        "## Operators",
        "Those that bind tightest come first; in a line they go from left to right. Null with anything is null, but where the table says otherwise.",
        _table(["written", "takes", "gives"], operators).replace("a || b", "a \\|\\| b").replace("a | b", "a \\| b"),
    ]
    for kind, title in (("scalar", "Of one row"), ("aggregate", "Of a group of rows"), ("window", "Of a window")):
        rows = [
            _function_row(name, function)
            for name, function in sorted(FUNCTIONS.items())
            if function.kind == kind and function.name == name
        ]
        if rows:
            parts += [f"## {title}", _table(["call", "gives", "is"], rows)]
    return _page(parts)


def tests_page() -> str:
    """What a file of tests says."""
    first, _, rest = (cases.__doc__ or "").strip().partition("\n")
    return _page(["# Tests", first, rest.strip(), "## Keys", *_keys(cases.CaseFile)])


def dashboards_page() -> str:
    """What a dashboard says, its cards, and the rules of its measures."""
    first, _, rest = (dashboards.__doc__ or "").strip().partition("\n")
    rules = (measures.__doc__ or "").strip().partition("\n")[2].strip()
    cards = [[f"`{name}`", _sentence((cls.__doc__ or "").strip())] for name, cls in dashboards.CARDS.items()]
    parts = ["# Dashboards", first, rest.strip(), "## Keys", *_keys(dashboards.Dashboard)]
    parts += ["`page` is a list of lines, and a line is a list of cards.", "## Measures", rules]
    parts += ["## Cards", _table(["card", "is"], cards)]
    for name, cls in dashboards.CARDS.items():
        parts += [f"### {name}", *_keys(cls)]
    return _page([*parts, "## Power BI", (powerbi.__doc__ or "").strip().removeprefix("Power BI: ")])


TYPES = {
    "boolean": "true or false",
    "tinyint": "whole numbers of 8 bits",
    "smallint": "of 16 bits",
    "int": "of 32 bits",
    "bigint": "of 64 bits",
    "float": "numbers of 32 bits, about 7 digits",
    "double": "of 64 bits, about 15 digits",
    "decimal": "`decimal(10,2)`: exact, 10 digits, 2 of them behind the point; at most 38",
    "string": "text",
    "binary": "bytes",
    "date": "a day",
    "timestamp": "a day and a time, to the microsecond, without a time zone",
    "timestamptz": "an instant, to the microsecond: a text has its offset (`2022-04-30T20:15:00+07:00`, `...Z`), and engines and sinks hold its clock in UTC",
}


def pipeline_page() -> str:
    """The keys of a pipeline file, and what every part of one is written with."""
    described = pipeline.pipeline_schema()
    rows = [
        [f"`{name}`", "required" if name in described["required"] else "", found["description"]]
        for name, found in described["properties"].items()
    ]
    assert tuple(TYPES) == SCALARS
    return _page(
        [
            "# Pipeline",
            "A pipeline is one YAML file: `etlrun check FILE` checks it without data, `etlrun FILE` runs it. The name of a source or of a chain is that "
            "of its relation: a table that other parts read by that name.",
            (pipeline.__doc__ or "").strip().partition("\n")[2].strip(),
            _table(["key", "", "is"], rows),
            "The parts: [sources](sources.md), [steps](steps.md), [checks](checks.md), [sinks](sinks.md).",
            "## params",
            "A param is a value that a run may set: `--set month=2022-05`. `$month`, or `${month}` where a letter follows, stands for it in values and "
            "expressions; names from `vars:` of [the project file](project.md) do too. One without a default must be set.",
            *_keys(Param),
            "## Types",
            "Columns are declared with Spark's types: `shop: string`, and `shop: string not null` where a row without one is broken.",
            _table(["type", "holds"], [[f"`{name}`", doc] for name, doc in TYPES.items()]),
            "`array<string>`, `struct<name string>` and `map<string, int>` hold other values; `explode` makes rows of the elements of an array. "
            "JSON, Parquet and Delta can hold them; CSV files and tables of databases cannot. Other spellings: "
            + ", ".join(f"`{spelling}` ({name})" for spelling, name in SPELLINGS.items())
            + ".",
            "## Mappings",
            (mappings.__doc__ or "").strip().removeprefix("Mappings: "),
            "## Shared sources and chains",
            (shared.__doc__ or "").strip(),
        ]
    )


PARTS = """\
With `parts:` in a profile, what a run reads of each text file (`json`, `csv`, kinds of plugins) stays for later runs, which read only files
that are new or have changed. The default is not to keep anything, and `etlrun init` does not write the key: parts hold the rows of your files.

```yaml
profiles:
  local:
    parts: {keep: 40d, room: 200GB}
```

A part is the rows of one file in their types, as Parquet, with the number of rows, broken and blank records, reasons, and the broken records themselves.
A run in which some files come from the cache ends as one that reads them all: the same rows, `max_bad_rows`, days without rows, quarantine and messages.
`etlrun plan` and the summary of a run say how many files are in the cache.

* A file is read again when its path, size, time of change, inode or day is another; when the source has another name, or says something
  else of columns, `record`, `bad_rows`, `quarantine_limit` or another key of its kind; and with another version of etlrun's reader, of Python,
  DuckDB, Arrow or of a plugin. Steps, mappings, `max_bad_rows`, `max_age` and descriptions of columns do not matter.
* A file that was changed less than 5 seconds before the run looked for it is read and not kept: it could change again without another time.
* An object of a store is fetched once: where it has a part, a run lists it and asks for no byte. It has no inode: its URL, size and time,
  in whole seconds for S3, tell it from another, so let the clock of this machine agree with the store's to less than 5 seconds.
* A part that is damaged is not used: its file is read again. Every part is compared with its SHA-256 before it is used. Where parts cannot
  be written, a warning says so and the run goes on.
* Parts are in the folder `parts` below `runs:`, for its owner only. Every run removes those that no run has used for as long as `keep` says,
  then those that were not used for longest until the others have `room`. Profiles share the folder, and the longest `keep` and the largest
  `room` of them hold. Where no profile has `parts:` any more they go after a week.
* Parts are personal data where files are. When a person asks to be forgotten, remove the folder `parts` together with the lines of the files;
  the next run makes it again.
"""


def project_page() -> str:
    """The keys of a project file, and what every run of a project leaves."""
    return _page(
        [
            "# Project",
            "`etlrun.yaml` says where things are, and what differs between a laptop and production. All its keys may be left out.",
            (project.__doc__ or "").strip().partition("\n")[2].strip(),
            *_keys(project.ProjectSettings),
            "Under `profiles:` every name has an `engine`, `connections`, `models`, `labels` (the label store) and `parts` (what is kept of files that "
            "were read): [engines](engines.md), [connections](connections.md), [models](models.md), [parts](#read-only-new-files).",
            "## What a run leaves",
            "Every run has a folder below `runs:`, which only its owner can look into:",
            _table(
                ["file", "holds"],
                [
                    [
                        "`run.json`",
                        "the record: id, digest of the specification, versions of etlrun and of the engine, rows of every relation, checks, "
                        "checksums, what was published",
                    ],
                    [
                        "`inputs.json`",
                        "each file that was read: source, path, size, time of its last change (UTC), rows and broken rows; each table: connection, name, "
                        "rows. With `hash_inputs: true` also the SHA-256 of each file. The rows of a file are absent where the run stopped while "
                        "it read",
                    ],
                    [
                        "`quarantine/SOURCE.jsonl`",
                        "every broken record with file, line, reason and text, in the order of files and lines",
                    ],
                    ["`stage/`", "rows that were not published, for a week: `etlrun resume` publishes them"],
                ],
            ),
            "## Read only new files",
            PARTS,
            *_keys(PartSettings),
        ]
    )


def errors_page() -> str:
    """The registry of codes: mistakes in a spec, and failures of a run."""
    return _page(
        [
            "# Errors",
            "Every message has a code, which does not change, and where a line of the spec explains it, file, line, column and a caret under "
            "the words at fault. The tables give the usual cause and fix; a message says more about its own case.",
            "## Mistakes in a spec",
            "`etlrun check` finds them without data; the exit code is 2.",
            _table(
                ["code", "what it is", "usual cause", "usual fix"],
                [_code_row(*item) for item in sorted(SPEC_CODES.items())],
            ),
            "## Failures of a run",
            "What was published before a failure stays whole. After the codes marked `resume`, `etlrun resume RUN_ID` publishes the checked "
            "rows without computing them again.",
            _table(
                ["code", "exit code", "what it is", "usual cause", "usual fix", ""],
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
        r"^```(?:csv|json|parquet|table|delta|files) (\S+)$", r"`\1` holds\n\n```text", text, flags=re.MULTILINE
    )
    text = re.sub(r"^```read$", "and is read as\n\n```text", text, flags=re.MULTILINE)
    return re.sub(
        r"^```(rows|python \w+)$",
        lambda found: "```python" if found.group(1) != "rows" else "```text",
        text,
        flags=re.MULTILINE,
    )


def _keys(cls: type) -> Iterator[str]:
    """The table of a class's keys, and one for every class that stands inside it."""
    items = described_fields(cls)
    if not items:
        return
    hints = field_types(cls)
    rows = [
        [f"`{yaml_name(item)}`", _phrase(hints[yaml_name(item)]), _default(item), item.metadata["doc"]]
        for item in items
    ]
    short: str = getattr(cls, "short", "")
    if short:
        yield f"A bare value is `{next(yaml_name(item) for item in items if item.name == short)}`."
    yield _table(["key", "value", "default", "is"], rows)
    for item in items:
        for inner in dict.fromkeys(_classes(hints[yaml_name(item)])):
            yield f"Keys of `{yaml_name(item)}`:"
            yield from _keys(inner)


def _classes(annotation: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)


def _phrase(annotation: Any) -> str:
    """What may be written where a field has this annotation."""
    words = {
        str: "text",
        TypeText: "text",
        Scalar: "text",
        Label: "text",
        Expr: "expression",
        bool: "true or false",
        int: "whole number",
        float: "number",
        Percent: "share, such as `20%`",
        Size: "size, such as `100 MB`",
        Rows: "list of rows `{column: value}`",
        AnswerRow: "answer `{output: value}`",
    }
    if annotation in words:
        return words[annotation]
    origin, arguments = get_origin(annotation), [item for item in get_args(annotation) if item is not types.NoneType]
    if origin is Literal:
        return " or ".join("`null`" if choice is None else f"`{choice}`" for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_phrase(choice) for choice in arguments)
    if origin is tuple:
        return f"{_phrase(arguments[0])}, or a list" if arguments[0] in words else f"list of {_phrase(arguments[0])}"
    return f"mapping, name: {_phrase(arguments[1])}" if len(arguments) == 2 else "mapping"


def _default(item: dataclasses.Field[Any]) -> str:
    if is_required(item):
        return "required"
    empty = item.default in (dataclasses.MISSING, None, "", ())
    return "" if empty else f"`{str(item.default).lower() if isinstance(item.default, bool) else item.default}`"


def _function_row(name: str, function: Any) -> list[str]:
    arguments = ", ".join(_argument(taken) for taken in function.takes)
    gives = str(function.gives) if isinstance(function.gives, Type) else "as its arguments"
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
