"""The rows that failed checks: saved in the run's folder, and read again by `etlrun show --failing`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.compiler.check import Checked
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.runtime.run_folder import RunFolder
from etlrun.runtime.run_place import run_place
from etlrun.runtime.run_records import StoredRun, stored_runs

if TYPE_CHECKING:
    import pyarrow

MOST_KEPT = 1000  # rows of each check, the first in the order of their columns


@dataclass(frozen=True)
class FailingRows:
    """The rows that failed a check of an earlier run, and the result of the check.

    Those of a source have only the `columns` that the run read.
    """

    path: Path
    columns: Columns
    run_id: str
    detail: str


def keep_failing(folder: RunFolder, relation: str, check: str, rows: pyarrow.Table) -> None:
    """Save the rows that failed a check."""
    import pyarrow.parquet as pq

    path = folder.failing(relation, check)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    pq.write_table(rows, path)


def numbered(checks: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The name of each check, given by relation and kind: `unique`, or `unique.2` if its relation has several of the kind."""
    listed = list(checks)
    several, met = Counter(listed), Counter[tuple[str, str]]()
    for relation, kind in listed:
        met[relation, kind] += 1
        yield f"{kind}.{met[relation, kind]}" if several[relation, kind] > 1 else kind


def find_failing(checked: Checked, relation: str, check: str) -> FailingRows:
    """The rows kept by the last run that asked a check of a relation. Raises RunFailure if there are none."""
    name = checked.pipeline.name
    for stored in stored_runs(run_place(checked.project)):
        if isinstance(stored, StoredRun) and stored.record.pipeline == name and (asked := _asked(stored, relation)):
            return _kept(checked, stored, relation, check, asked)
    message = f"no stored run of `{name}` has run a check of `{relation}`"
    raise RunFailure(
        "usage", "no-failing-rows", message, f"`etlrun run {name} --dry-run` runs the checks and publishes nothing"
    )


def _asked(stored: StoredRun, relation: str) -> dict[str, dict[str, Any]]:
    """The checks of a relation that a run asked, by name."""
    checks = stored.record.checks
    names = numbered((str(found.get("relation")), str(found.get("check"))) for found in checks)
    return {name: found for name, found in zip(names, checks, strict=True) if found.get("relation") == relation}


def _kept(
    checked: Checked, stored: StoredRun, relation: str, check: str, asked: dict[str, dict[str, Any]]
) -> FailingRows:
    run = stored.folder.id
    check = _meant(check, asked, run, relation)
    path, detail = stored.folder.failing(relation, check), str(asked[check].get("detail"))
    if asked[check].get("status") == "ok":
        message = f"the check `{check}` of `{relation}` passed in the run {run}: {detail}"
        raise RunFailure("usage", "no-failing-rows", message, "there are no failing rows to show")
    stored.folder.download([path])
    if not path.is_file():
        message = f"the run {run} keeps no rows for the check `{check}` of `{relation}`: {detail}"
        fix = "the check is about all rows together, or its rows were removed because of their age; `etlrun show` without --failing shows all rows"
        raise RunFailure("usage", "no-failing-rows", message, fix)
    return FailingRows(path, _kept_columns(checked, relation, path, run), run, detail)


def _meant(check: str, asked: dict[str, dict[str, Any]], run: str, relation: str) -> str:
    """The name of the check that is meant: of several of a kind, the only one that does not hold needs no number. Raises RunFailure."""
    of_kind = [name for name, found in asked.items() if found.get("check") == check]
    failed = [name for name in of_kind if asked[name].get("status") != "ok"]
    if check in asked or not of_kind:
        meant, message = [check] if check in asked else [], f"the run {run} has no check `{check}` of `{relation}`"
    else:
        meant = failed or of_kind[:1]
        message = f"{len(failed)} checks `{check}` of `{relation}` failed in the run {run}"
    if len(meant) != 1:
        known = (f"`{name}` ({asked[name].get('detail')})" for name in meant or asked)
        raise RunFailure("usage", "no-failing-rows", message, f"choose one: --failing {', '.join(known)}")
    return meant[0]


def _kept_columns(checked: Checked, relation: str, path: Path, run: str) -> Columns:
    """The columns that kept rows have. Raises RunFailure if they differ from those of the relation."""
    import pyarrow.parquet as pq

    names, columns = tuple(pq.read_schema(path).names), checked.columns[relation]
    if relation in checked.pipeline.sources:
        columns = columns.keep(name for name in columns.names if name in names)
    if names != columns.names:
        message = f"the pipeline has changed since the run {run}: its rows have other columns"
        raise RunFailure("usage", "spec-changed", message, "run the pipeline again")
    return columns
