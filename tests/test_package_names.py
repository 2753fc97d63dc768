"""Names in the package: a public class name and a file name occur once, and identifiers say what they hold."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import etlrun

PACKAGE = Path(etlrun.__file__).parent
# A kind's class has the name of its key, and a key may be one of two families.
SHARED_CLASSES = {"Delta", "Duckdb", "Files", "Iceberg", "Table"}
# File names that occur in several folders, and why.
SHARED_FILES = {
    # a kind's file has the name of its key
    "duckdb.py": "a connection and an engine",
    "delta.py": "a source and a sink",
    "files.py": "a source and a sink",
    "iceberg.py": "a connection, a source and a sink",
    "table.py": "a source and a sink",
    "labels.py": "the step, and the label store of a run",
    # a command's file has the name of the command, and the work has it too
    "check.py": "the command, and the checker of pipelines and of dashboards",
    "plan.py": "the command, and the plan",
    "run.py": "the command, and the run",
    "doctor.py": "the command, and the examination",
    "resume.py": "the command, and the resumed run",
    "rollback.py": "the command, and the protocol",
    "retry.py": "the command, and how often the protocol tries",
    "schema.py": "the command, and the judge of values",
    # a server has the files of the protocol
    "conditions.py": "of each server",
    "encode.py": "of each server",
    "errors.py": "of each server and of Spark",
    "health.py": "of each server",
    "reading.py": "the protocol, and of each server",
    "references.py": "the protocol, and of each server",
    "rights.py": "of each server",
    "refusals.py": "the protocol, of MySQL, and of expressions",
    "server.py": "the protocol, and of each server",
    "session.py": "of each server and of Spark",
    "stage.py": "staged rows, and what the protocol sees of them",
    "tables.py": "the protocol, and of each server",
    "words.py": "names and texts in the SQL of each server, and in a terminal",
    "source.py": "the contract, and what the sources of files share",
    # two sides of one thing
    "cases.py": "tests as they are written, and held against their pipeline",
    "checking.py": "of expressions, and of staged rows",
    "dates.py": "the calendar of a source, and functions of dates",
    "functions.py": "of a project as a spec names them, and at work",
    "places.py": "where mistakes of expressions are, and digits behind the point",
    "rows.py": "of text files, and of MySQL's answers",
}
# Words that say nothing of what a value is; `message`, `answer`, `difference` and the like do.
VAGUE_WORDS = {"told", "said", "apart", "whose", "stands", "bury", "heed", "hush", "patience"}


def test_a_public_class_name_is_defined_once() -> None:
    places = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(str(path.relative_to(PACKAGE)))
    assert {
        name: sorted(found) for name, found in places.items() if len(found) > 1 and name not in SHARED_CLASSES
    } == {}


def test_a_file_name_occurs_once_but_for_a_reason() -> None:
    places = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        places[path.name].add(str(path.relative_to(PACKAGE)))
    twice = {name: sorted(found) for name, found in places.items() if len(found) > 1 and name != "__init__.py"}
    assert {name: found for name, found in twice.items() if name not in SHARED_FILES} == {}
    assert SHARED_FILES.keys() - twice.keys() == set()


def test_no_identifier_is_made_of_a_vague_word() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for field in ("id", "arg", "attr", "name"):
                name = getattr(node, field, None)
                if isinstance(name, str) and VAGUE_WORDS & set(re.findall("[a-z]+", name.lower())):
                    found.add(f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}: {name}")
    assert found == set()
