"""Reports a run to monitoring: metrics, events of OpenLineage and spans of OpenTelemetry, if their variables are set. It never fails a run.

`ETLRUN_METRICS_DIR` names the folder of the node exporter's text collector. `OPENLINEAGE_URL` names a service that takes events; they carry
`OPENLINEAGE_API_KEY`, and the namespace `OPENLINEAGE_NAMESPACE`, `etlrun` by default. Spans go where `spans.py` says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etlrun.compiler.check import Checked
from etlrun.failures import RunFailure
from etlrun.runtime.metrics import VARIABLE, write_metrics
from etlrun.runtime.record import Record
from etlrun.secrets import Secret
from etlrun.tracing import TraceSpan, span
from etlrun.warehouse.opening import filled
from etlrun.working import Reporter

if TYPE_CHECKING:
    from etlrun.lineage.open_lineage import Addresses


def report_start(checked: Checked, record: Record, reporter: Reporter) -> None:
    """Report the start of a run."""
    if os.environ.get("OPENLINEAGE_URL"):
        _send("START", checked, record, reporter)


def report_end(checked: Checked, record: Record, reporter: Reporter) -> None:
    """Report the outcome of a run."""
    try:
        write_metrics(record, time.time())
    except OSError as error:
        reporter.warn(
            f"metrics cannot be written to `{os.environ[VARIABLE]}`, the value of {VARIABLE}: {error.strerror}"
        )
    if os.environ.get("OPENLINEAGE_URL"):
        kind = {"done": "COMPLETE", "interrupted": "ABORT"}.get(record.status, "FAIL")
        _send(kind, checked, record, reporter)


@contextmanager
def run_span(verb: str, record: Record) -> Iterator[None]:
    """The span of a run, with data of its record at the end."""
    known = {"etlrun.pipeline": record.pipeline, "etlrun.run.id": record.run_id, "etlrun.engine": record.engine}
    with span(f"{verb} {record.pipeline}", known | {"etlrun.profile": record.profile}) as found:
        try:
            yield
        finally:
            found.attributes["etlrun.status"] = record.status


@contextmanager
def relation_span(verb: str, relation: str) -> Iterator[TraceSpan]:
    """The span of the work on a relation."""
    with span(f"{verb} {relation}", {"etlrun.relation": relation}) as found:
        yield found


def now() -> str:
    return datetime.now(UTC).isoformat()


def addresses(checked: Checked) -> Addresses:
    """The names of the databases of the profile for OpenLineage; one whose address is not known has the name of its connection."""
    from etlrun.lineage.open_lineage import Addresses

    root, found = checked.project.root, {}
    for name, use in checked.profile.connections.items():
        try:
            found[name] = use.value.dataset(name, root, filled)
        except RunFailure:
            continue
    return Addresses(os.environ.get("OPENLINEAGE_NAMESPACE") or "etlrun", root, found)


def _send(kind: str, checked: Checked, record: Record, reporter: Reporter) -> None:
    from etlrun.lineage.open_lineage import Happened, run_event
    from etlrun.runtime.event_service import EventNotTakenError, EventService

    rows = {sink: facts["rows"] for sink, facts in record.sinks.items() if "rows" in facts}
    message = str((record.error or {}).get("message", "")).partition("\n")[0]  # the rest may contain values
    happened = Happened(record.run_id, now(), rows, message)
    service = EventService(os.environ["OPENLINEAGE_URL"], Secret(os.environ.get("OPENLINEAGE_API_KEY", "")))
    try:
        service.send(run_event(kind, checked, addresses(checked), happened))
    except EventNotTakenError as error:
        reporter.warn(f"the service in OPENLINEAGE_URL did not accept the {kind} event: {error}")
