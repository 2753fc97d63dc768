"""A reader of the part of TMDL that dashboards write: the columns and measures of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD = re.compile(r"\t(measure|column|partition) '((?:[^']|'')*)'(?: =)? ?(.*)")


@dataclass(frozen=True)
class TmdlTable:
    """The name of a table, its columns with their types, and its measures with their DAX."""

    name: str
    columns: dict[str, str]
    measures: dict[str, str]


def read_table(text: str) -> TmdlTable:
    lines = text.split("\n")
    assert lines[0].startswith("table '"), lines[0]
    columns: dict[str, str] = {}
    measures: dict[str, list[str]] = {}
    kind = name = ""
    for line in lines[1:]:
        if found := HEAD.fullmatch(line):
            kind, name = found[1], found[2].replace("''", "'")
            if kind == "measure":
                measures[name] = [found[3]] if found[3] else []
        elif kind == "measure" and line.startswith("\t\t\t"):
            measures[name].append(line[3:])
        elif kind == "column" and line.startswith("\t\tdataType: "):
            columns[name] = line.partition(": ")[2]
    return TmdlTable(
        lines[0][7:-1].replace("''", "'"), columns, {key: "\n".join(value) for key, value in measures.items()}
    )
