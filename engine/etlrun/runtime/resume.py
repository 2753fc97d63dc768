"""Publishes the staged rows of a run whose publish failed or was killed, without computing anything again."""

from __future__ import annotations

import time

from etlrun.compiler.check import Checked
from etlrun.compiler.found_labels import with_labels
from etlrun.compiler.plan import make_plan
from etlrun.failures import RunFailure
from etlrun.runtime.liveness import is_alive
from etlrun.runtime.publishing import publish_all
from etlrun.runtime.record import Record
from etlrun.runtime.record_keeping import keep_record
from etlrun.runtime.run import spec_hash
from etlrun.runtime.run_folder import RunFolder
from etlrun.runtime.stage import from_record
from etlrun.runtime.trace_export import sent_spans
from etlrun.runtime.watching import report_end, run_span
from etlrun.stopping import Stopped, orderly
from etlrun.working import Reporter


@orderly()
def resume(checked: Checked, folder: RunFolder, record: Record, reporter: Reporter, wait: float = 0.0) -> Record:
    """Publish the staged rows under the id of the run. Raises RunFailure if it has no stage, or the specification has changed."""
    _refuse_resuming(checked, folder, record)
    started = time.monotonic()
    checked = with_labels(checked, record.labels)
    plan = make_plan(checked)
    staged = {
        name: from_record(name, plan.relation(name).columns, summary, folder) for name, summary in record.staged.items()
    }
    with sent_spans(reporter), run_span("resume", record):
        try:
            publish_all(checked, staged, record, reporter, wait)
            record.status, record.error, record.staged = "done", None, {}
        except RunFailure as failure:
            record.fail(failure)
            raise
        except Stopped:
            record.status = "interrupted"
            raise
        finally:
            record.seconds += time.monotonic() - started
            keep_record(folder, record, reporter, staged=record.status != "done")
            report_end(checked, record, reporter)
    return record


def _refuse_resuming(checked: Checked, folder: RunFolder, record: Record) -> None:
    """Raises RunFailure if a run cannot be resumed."""
    if record.status == "running" and is_alive(folder, record):
        fix = "wait until it has ended; if that machine has stopped, its runs can be resumed ten minutes later"
        raise RunFailure("usage", "run-alive", f"the run `{folder.id}` is still running on {record.host}", fix)
    if record.status == "done":
        raise RunFailure("usage", "nothing-staged", f"the run `{folder.id}` is done", "nothing is left to publish")
    if not record.staged:
        raise RunFailure(
            "usage",
            "nothing-staged",
            f"the run `{folder.id}` ({record.status}) has no checked rows to publish",
            "run the pipeline again",
        )
    if spec_hash(checked) != record.spec_hash:
        raise RunFailure(
            "usage", "spec-changed", f"the pipeline has changed since the run `{folder.id}`", "run the pipeline again"
        )
