"""The inputs of a result - specification, files, and the runs that published its tables - to decide whether another run would differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import etlrun
from etlrun.compiler.check import Checked
from etlrun.compiler.project_graph import tables_read
from etlrun.contracts.connection import LedgerEntry
from etlrun.contracts.source import Inventory
from etlrun.diagnostics import SpecError, counted
from etlrun.failures import RunFailure
from etlrun.runtime.record import Record
from etlrun.spec.answer_files import overrides_path
from etlrun.spec.urls import is_url, read_url
from etlrun.spec.yaml_reader import read_document
from etlrun.storage.digests import digest_of
from etlrun.storage.object_store import StoreError
from etlrun.storage.stores import Stores, open_stores
from etlrun.warehouse.opening import database_reader, filled, open_connection

UNKNOWN = "unknown"  # a table that no run of etlrun published: changes cannot be detected
WORDS_FOR_PEOPLE = ("description", "owner", "tags")
YAML = (".yaml", ".yml")
INPUTS = ("files", "table", "version")
Basis = dict[str, str]


class Ledgers:
    """The ledgers of a profile's connections, each read once, until `forget` is called."""

    def __init__(self) -> None:
        self._found: dict[str, list[LedgerEntry]] = {}

    def entries(self, checked: Checked, connection: str) -> list[LedgerEntry]:
        """The ledger of a connection; empty if there is none yet. Raises RunFailure."""
        if connection not in self._found:
            self._found[connection] = _entries(checked, connection)
        return self._found[connection]

    def forget(self, connections: Iterable[str]) -> None:
        for connection in connections:
            self._found.pop(connection, None)

    def runs_of(self, checked: Checked, connection: str, table: str) -> tuple[str, ...]:
        """The runs that published the current rows of a table."""
        found = {entry.run_id for entry in self.entries(checked, connection) if entry.table.lower() == table.lower()}
        return tuple(sorted(found))


def _entries(checked: Checked, connection: str) -> list[LedgerEntry]:
    try:
        database = open_connection(checked.project, checked.profile, connection, writing=False)
    except RunFailure as failure:
        if failure.code == "connection-missing":
            return []
        raise
    try:
        return database.entries()
    finally:
        database.close()


def find_basis(checked: Checked, inventories: Mapping[str, Inventory], ledgers: Ledgers) -> Basis:
    """The current inputs of a pipeline. Raises RunFailure if a ledger cannot be read."""
    found = {"etlrun": etlrun.__version__, "profile": checked.profile.name, "pipeline": _meaning(checked)}
    found |= {f"beside {checked.project.shown(path)}": digest for path, digest in files_beside(checked).items()}
    tables = {source: place for source, place, _ in tables_read(checked)}
    own = {
        (written[0], written[1].lower())
        for sink, use in checked.pipeline.sinks.items()
        if (written := use.value.table_written(sink)) is not None
    }
    stores = open_stores(checked.project, checked.profile, filled)
    for source, use in checked.pipeline.sources.items():
        if tables.get(source) in own:
            continue  # its own earlier rows, which each run changes
        state = use.value.state(database_reader(checked.project, checked.profile), stores)
        if state:
            found[f"version {source}"] = state
        elif source in tables:
            runs = ledgers.runs_of(checked, *tables[source])
            found[f"table {source}"] = " ".join(runs) or UNKNOWN
        else:
            found[f"files {source}"] = _files(inventories.get(source, Inventory(())))
    return found


def _meaning(checked: Checked) -> str:
    """A digest of a pipeline and its params, without comments and descriptions."""
    value = {name: part for name, part in checked.pipeline.document.value.items() if name not in WORDS_FOR_PEOPLE}
    params = sorted((name, str(value)) for name, value in checked.pipeline.values.items())
    included = [[where, sorted(values.items())] for where, values in checked.pipeline.included.items()]
    return _digest([value, params, *included])


def files_beside(checked: Checked) -> dict[Path, str]:
    """The files beside a pipeline on which its result depends, each with a digest. Imports of Python functions are not followed."""
    steps = [use.value for chain in checked.pipeline.chains.values() for use in chain]
    root, prompts = checked.project.root, [name for step in steps for name in step.prompts()]
    found = [checked.project.path("mappings") / f"{name}.yaml" for name in checked.mappings]
    found += [path for name in prompts for path in (root / "prompts" / f"{name}.md", overrides_path(root, name))]
    found += [root / file for step in steps for name, _ in step.models() for file in _files_of_model(checked, name)]
    if any(list(step.functions()) for step in steps):
        found += [*root.glob("*.py"), *root.glob("*/*.py")]
    return {path: _content(path) for path in sorted(set(found)) if path.is_file()}


def _files_of_model(checked: Checked, name: str) -> Iterator[str]:
    for use in checked.profile.models.get(name, ()):
        yield from use.value.files().values()


def _content(path: Path) -> str:
    """A digest of a file; for a YAML file, of its values, so that a comment is not a change."""
    if path.suffix in YAML:
        with suppress(SpecError):
            return _digest(read_document(path).value)
    return digest_of(path)[:16]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]


def _files(inventory: Inventory) -> str:
    """The files of a source by name, size and time of change: their number, and a digest."""
    listed = sorted((file.path, file.size, file.modified) for file in inventory.files)
    return f"{len(listed)} {hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]}"


def why_again(checked: Checked, basis: Basis, last: Record | None, ledgers: Ledgers) -> str:
    """Why a pipeline must run, in a few words; empty if its result is up to date. Raises RunFailure if a ledger cannot be read."""
    if last is None:
        return "it has not run yet"
    checks = (use for uses in checked.pipeline.checks.values() for use in uses)
    timed = [f"check `{use.kind}`" for use in checks if use.value.depends_on_time()]
    timed += [f"source `{name}`" for name, use in checked.pipeline.sources.items() if use.value.depends_on_time()]
    if timed:
        return f"its {timed[0]} depends on the time of the run"
    removed = (name for name in last.basis if name.startswith("beside ") and name not in basis)
    for name in (*basis, *removed):
        before, now = last.basis.get(name, ""), basis.get(name, "")
        what, _, source = name.partition(" ")
        if now == UNKNOWN:
            return f"no run published the table of `{source}`, so it may have changed"
        if now != before:
            return _difference(what, source, before, now)
    for sink, use in checked.pipeline.sinks.items():
        gone = _gone(checked, use.value.table_name(sink), last.sinks.get(sink, {}), last.run_id, ledgers)
        if gone:
            return gone
    return ""


def input_changes(before: Basis, now: Basis) -> Iterator[str]:
    """The changes of files and tables that a pipeline reads, in words."""
    for name in sorted({*before, *now}):
        what, _, source = name.partition(" ")
        if what not in INPUTS:
            continue
        if before.get(name) != now.get(name) or now.get(name) == UNKNOWN:
            is_read = name in before and name in now
            yield (
                _difference(what, source, before.get(name, ""), now.get(name, ""))
                if is_read
                else f"`{source}` is {'no longer read' if name in before else 'read for the first time'}"
            )


def _difference(what: str, source: str, before: str, now: str) -> str:
    if what == "files":
        old, new = before.split(" ", maxsplit=1)[0], now.split(" ", maxsplit=1)[0]
        return (
            f"`{source}` has {counted(int(new), 'file')} instead of {old}"
            if old and old != new
            else f"files of `{source}` changed"
        )
    if what == "table":
        return f"the table of `{source}` was published again"
    if what == "version":
        return f"the table of `{source}` has another version"
    if what == "beside":
        return f"`{source}` {'is new' if not before else 'changed' if now else 'was removed'}"
    return {
        "pipeline": "the pipeline, a file that it includes or a variable changed",
        "profile": "the last run used another profile",
    }.get(what, "the last run used another version of etlrun")


def _gone(checked: Checked, table: str, summary: Mapping[str, Any], run_id: str, ledgers: Ledgers) -> str:
    """Why the published rows of a sink no longer exist; empty if they do."""
    if table:
        run = str(summary.get("appended_by", run_id))
        is_there = run in ledgers.runs_of(checked, str(summary.get("connection", "")), table) if summary else False
        return "" if is_there else f"the table `{table}` no longer has the rows that the last run published"
    file = str(summary.get("file", ""))
    stores = open_stores(checked.project, checked.profile, filled)
    is_there = _is_in_store(file, stores) if is_url(file) else bool(file) and checked.project.path(file).exists()
    return "" if is_there else "the file that the last run wrote no longer exists"


def _is_in_store(file: str, stores: Stores) -> bool:
    """Whether a store has an object or a folder at a URL. Raises RunFailure if the store does not answer."""
    url = read_url(file)
    try:
        return stores.of(url).has(url)
    except StoreError as error:
        raise RunFailure("sink", error.code, str(error), error.fix) from error
