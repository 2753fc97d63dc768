"""Mutated files: a run ends with an account that adds up, or says what is wrong; both engines publish equal rows."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq

from projects import Project, Result

from .engines import Engines, sorted_rows
from .random_files import is_whole, mutated, records, source_keys
from .trials import Trial

Contents = dict[str, tuple[str, bytes]]  # of a source: its ending and what its file holds
Rows = tuple[tuple[str, ...], ...]

FILES = 20  # of a trial, where it does not say how many


def try_some(seed: int, engines: Engines, files: int = FILES) -> Trial:
    """Run one pipeline over `files` files mutated from a seed, on DuckDB and on Spark."""
    random = Random(seed)
    with tempfile.TemporaryDirectory(prefix="etlrun-fuzz-") as name:
        project = Project(Path(name), seconds=1800)
        contents = {f"f{number}": mutated(random) for number in range(files)}
        for source, (ending, content) in contents.items():
            project.write(f"data/{source}.{ending}", content)
        refusals: list[str] = []
        findings = tuple(_findings(project, contents, refusals))
        return Trial(files, findings, len(refusals))


def _findings(project: Project, contents: Contents, refusals: list[str]) -> Iterator[str]:
    """What is wrong; the sources that a run refuses to read are added to `refusals`."""
    readable = dict(contents)
    while readable:
        duck = _run(project, _each(readable), "duckdb")
        if "Traceback" in duck.err or duck.code not in (0, 1):
            source, err = _culprit(project, readable, duck.err)
            yield f"{duck.code}: {err[-2000:]}\n{readable.pop(source)}"
            continue
        if duck.code == 0:
            break
        refused = re.search(
            r"\bf\d+\b", duck.json["error"]["message"]
        )  # warnings name the others that have broken records
        if refused is None or refused.group() not in readable:
            yield f"no source is named: {duck.err}"
            return
        del readable[refused.group()]
        refusals.append(refused.group())
    if not readable:
        return
    accounts = duck.json["sources"]
    for source, (ending, content) in readable.items():
        if not is_whole(ending, content):
            yield f"read, but it is damaged: {ending} {content!r}"
        lines = records(ending, content)
        account = accounts[source]
        counted = account["rows"] + account["bad_rows"] + account.get("blank", 0)
        if lines is not None and counted != lines:
            yield f"{lines} lines, and {account}: {ending} {content!r}"
    first = {source: _published(project, source) for source in readable}
    groups = {
        ending: {source: content for source, content in readable.items() if content[0] == ending}
        for ending in sorted({ending for ending, _ in readable.values()})
    }
    together = _run_together(project, groups)
    for ending, group in groups.items():
        if not _is_alike(project, ending, group, first, accounts, together):
            yield from _different(project, group, first, accounts)


def _run_together(project: Project, groups: Mapping[str, Contents]) -> Result:
    """A run on Spark in which all files of an ending are one source: it takes a tenth of the time of one source each."""
    for ending, group in groups.items():
        for source, (_, content) in group.items():
            project.write(f"data/{ending}/{source}.{ending}", content)
    return _run(project, {_together(ending): (ending, f"data/{ending}/*.{ending}") for ending in groups}, "spark")


def _together(ending: str) -> str:
    return f"all_{ending.replace('.', '_')}"


def _is_alike(
    project: Project,
    ending: str,
    group: Contents,
    first: Mapping[str, Rows],
    accounts: Mapping[str, Any],
    together: Result,
) -> bool:
    """Whether the files of an ending have the rows and the account together that they have each for itself."""
    if together.code:
        return False
    header, *rows = _published(project, _together(ending))
    account = together.json["sources"][_together(ending)]
    counts = all(account[name] == sum(accounts[source][name] for source in group) for name in ("rows", "bad_rows"))
    expected = sorted(row for source in group for row in first[source][1:])
    return counts and rows == expected and all(first[source][0] == header for source in group)


def _different(
    project: Project, group: Contents, first: Mapping[str, Rows], accounts: Mapping[str, Any]
) -> Iterator[str]:
    """Which files of an ending Spark reads in another way, each as a source."""
    spark = _run(project, _each(group), "spark")
    if spark.code:
        yield f"spark ends with {spark.code}, duckdb with 0: {spark.err[-2000:]}"
        return
    for source, content in group.items():
        one, other = first[source], _published(project, source)
        if one != other or accounts[source] != spark.json["sources"][source]:
            yield f"{content}\n  duckdb {accounts[source]} {one}\n  spark  {spark.json['sources'][source]} {other}"


def _each(contents: Contents) -> dict[str, tuple[str, str]]:
    """Each file as a source: its ending and its path."""
    return {source: (ending, f"data/{source}.{ending}") for source, (ending, _) in contents.items()}


def _culprit(project: Project, sources: Contents, err: str) -> tuple[str, str]:
    """The source that alone ends in a traceback, and what is said; the first where it takes several."""
    for source, content in sources.items():
        alone = _run(project, _each({source: content}), "duckdb")
        if "Traceback" in alone.err:
            return source, alone.err
    return next(iter(sources)), err


def _run(project: Project, sources: Mapping[str, tuple[str, str]], engine: str) -> Result:
    """Publish each source, of which ending and path are given, as a file of its own."""
    spec: dict[str, Any] = {
        "sources": {source: source_keys(ending, path) for source, (ending, path) in sources.items()},
        "sinks": {
            f"s_{source}": {"files": {"from": source, "path": f"out/{source}.parquet", "min_rows": 0}}
            for source in sources
        },
    }
    path = project.pipeline("".join(f"{key}: {json.dumps(value)}\n" for key, value in spec.items()))
    profile = {"duckdb": "fast", "spark": "local"}[engine]
    return project.run(path, "--json", "--profile", profile)


def _published(project: Project, source: str) -> Rows:
    return sorted_rows(pq.read_table(project.folder / f"out/{source}.parquet"))
