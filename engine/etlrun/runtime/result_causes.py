"""Finds why two results of a pipeline may differ: changed parts of the specification, and changed inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etlrun.compiler.check import Checked
from etlrun.reading.inventory import take_inventory
from etlrun.runtime.basis import Ledgers, files_beside, find_basis, input_changes
from etlrun.runtime.record import Record
from etlrun.runtime.run_place import run_place
from etlrun.runtime.run_records import StoredRun, stored_runs
from etlrun.storage.stores import open_stores
from etlrun.warehouse.opening import filled

FAMILIES = ("sources", "steps", "checks", "sinks")
Parts = Mapping[str, str]


@dataclass(frozen=True)
class Causes:
    """The changes between two results: parts of the specification by name, and inputs in words; None if they are not known."""

    specification: tuple[str, ...] | None
    inputs: tuple[str, ...] | None


def spec_parts(checked: Checked) -> dict[str, str]:
    """The parts of a specification by name, each with a digest: those in the pipeline's file, its params, and other files that it uses."""
    document = checked.pipeline.document
    found = {
        f"{family}.{name}": _digest(json.dumps(part, default=str))
        for family in FAMILIES
        for name, part in (document.value.get(family) or {}).items()
    }
    found |= {f"${name}": str(value) for name, value in checked.pipeline.values.items()}
    found |= {shared.file: _digest(shared.text) for shared in document.shared}
    root = checked.project.root
    found |= {path.relative_to(root).as_posix(): digest for path, digest in files_beside(checked).items()}
    return found


def between_specifications(before: Checked, after: Checked) -> Causes:
    """The causes of differences between two specifications on today's data."""
    return Causes(tuple(_changed(spec_parts(before), spec_parts(after))), ())


def since_run(record: Record, checked: Checked) -> Causes:
    """What changed since a run, so that a run now may give different rows. Raises RunFailure if an input cannot be checked."""
    changed = tuple(_changed(record.parts, spec_parts(checked))) if record.parts else None
    if not record.basis:
        return Causes(changed, None)
    wanted = {source: use.value.wanted(checked.places) for source, use in checked.pipeline.sources.items()}
    stores = open_stores(checked.project, checked.profile, filled)
    inventories = {source: take_inventory(files, stores) for source, files in wanted.items() if files is not None}
    now = find_basis(checked, inventories, Ledgers())
    return Causes(changed, tuple(input_changes(record.basis, now)))


def last_publishing(checked: Checked, sink: str) -> Record | None:
    """The run that published the rows of a sink, if its record exists here; for a table that is replaced in parts, the one with the same params."""
    value = checked.pipeline.sinks[sink].value
    table = value.table_name(sink)
    runs = None  # files and Delta tables have no ledger
    if table:
        runs = set(Ledgers().runs_of(checked, value.place(sink)[0], table))
    found = [
        run.record
        for run in stored_runs(run_place(checked.project))
        if isinstance(run, StoredRun)
        and run.record.pipeline == checked.pipeline.name
        and run.record.status == "done"
        and sink in run.record.sinks
        and (runs is None or run.record.run_id in runs)
    ]
    params = {name: str(value) for name, value in checked.pipeline.values.items()}
    return next((one for one in found if one.params == params), found[0] if found else None)


def _changed(before: Parts, after: Parts) -> Iterator[str]:
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if one is None or other is None:
            yield f"{name} {'came' if one is None else 'went'}"
        elif name.startswith("$"):
            yield f"{name} {one} -> {other}"
        else:
            yield name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
