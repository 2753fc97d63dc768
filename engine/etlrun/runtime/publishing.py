"""Hand every sink its staged relation; a failure names the sink's place in the specification."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from etlrun.codes import CODES
from etlrun.compiler.check import Checked
from etlrun.failures import RunFailure
from etlrun.runtime.blame import located
from etlrun.runtime.connections import database_writer
from etlrun.runtime.record import Record
from etlrun.runtime.stage import Staged, shown_columns, verify_stage
from etlrun.runtime.waiting import when_free
from etlrun.runtime.working import Reporter
from etlrun.spec.project import Use
from etlrun.spec.publication import Publication
from etlrun.stopping import safe_point


def look_ahead(checked: Checked, record: Record) -> None:
    """Ask every sink, before any work, whether it could publish. Raises RunFailure for one that could not."""
    for sink, use in checked.pipeline.sinks.items():
        foresee(checked, sink, use, record.run_id)


def foresee(checked: Checked, sink: str, use: Use, run_id: str = "") -> str:
    """What publishing a sink would do, in one line. Raises RunFailure where it cannot be done."""
    columns = shown_columns(checked.columns[use.value.from_])
    try:
        told: str = use.value.look_ahead(
            _publication(checked, sink, use, Staged(use.value.from_, columns, (), 0, ""), run_id, "")
        )
    except RunFailure as failure:
        raise located(checked, use.where, failure) from failure.__cause__
    return told


def publish_all(
    checked: Checked, staged: Mapping[str, Staged], record: Record, reporter: Reporter, wait: float = 0.0
) -> None:
    """Publish every sink that the record does not tell of yet; a table that is busy is waited for at most `wait` seconds.

    Raises RunFailure; what was published before stays whole.
    """
    for sink, use in checked.pipeline.sinks.items():
        if sink not in record.sinks:
            safe_point()
            reporter.say(f"publishing {sink}")
            verify_stage(staged[use.value.from_])
            try:
                work = partial(publish, checked, sink, use, staged[use.value.from_], record)
                record.sinks[sink] = when_free(work, wait, reporter)
            except RunFailure as failure:
                _tell_what_is_left(failure, record)
                raise
            for notice in record.sinks[sink].get("notices", ()):
                reporter.warn(notice)


def _tell_what_is_left(failure: RunFailure, record: Record) -> None:
    """Add to a failure what was published before it, and how the rest gets there where the staged rows are right."""
    if record.sinks:
        failure.add(message=f"; published before: {', '.join(record.sinks)}")
    if CODES[failure.code].can_resume:
        failure.add(fix=f"; then `etlrun resume {record.run_id}` publishes what is left, without computing it again")


def publish(checked: Checked, sink: str, use: Use, staged: Staged, record: Record) -> dict[str, Any]:
    """Publish one sink; what is told of it in the record. Raises RunFailure, and then nothing has changed there."""
    try:
        if staged.rows < use.value.min_rows:
            message = (
                f"`{sink}` would be published with {staged.rows:,} rows, and at least {use.value.min_rows:,} are wanted"
            )
            raise RunFailure("sink", "too-few-rows", message, "look at what was read, or allow it: `min_rows: 0`")
        told: dict[str, Any] = use.value.publish(
            _publication(checked, sink, use, staged, record.run_id, record.spec_hash)
        )
    except RunFailure as failure:
        raise located(checked, use.where, failure) from failure.__cause__
    return told


def _publication(checked: Checked, sink: str, use: Use, staged: Staged, run_id: str, spec_hash: str) -> Publication:
    return Publication(
        sink,
        staged.columns,
        staged.paths,
        staged.rows,
        staged.checksum,
        run_id,
        checked.pipeline.name,
        checked.pipeline.description,
        spec_hash,
        checked.project.root,
        checked.scope(use.where),
        database_writer(checked),
    )
