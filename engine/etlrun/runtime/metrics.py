"""Metrics of a run for Prometheus: a text file for the node exporter, one for each pipeline."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from etlrun.runtime.record import Record

VARIABLE = "ETLRUN_METRICS_DIR"  # the folder that the collector reads
Sample = tuple[str, str, dict[str, str], float]  # the metric, what it is, its labels, its value


def write_metrics(record: Record, finished: float) -> None:
    """Write `etlrun_PIPELINE.prom` into the folder in `ETLRUN_METRICS_DIR`, if it is set. Raises OSError."""
    folder = os.environ.get(VARIABLE, "")
    if folder:
        target = Path(folder) / f"etlrun_{re.sub(r'[^A-Za-z0-9_-]', '_', record.pipeline)}.prom"
        new = target.with_suffix(f".{os.getpid()}")
        new.write_text(metrics_text(record, finished), encoding="utf-8")
        new.replace(target)


def metrics_text(record: Record, finished: float) -> str:
    """The figures of a run that has ended, at `finished` in seconds since 1970, in Prometheus' text format."""
    lines: dict[str, list[str]] = {}
    for name, doc, labels, value in _samples(record, finished):
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in {"pipeline": record.pipeline, **labels}.items())
        about = [f"# HELP {name} {doc}", f"# TYPE {name} gauge"]
        lines.setdefault(name, about).append(f"{name}{{{shown}}} {value:.15g}")
    return "".join(f"{line}\n" for group in lines.values() for line in group)


def _samples(record: Record, finished: float) -> Iterator[Sample]:
    yield (
        "etlrun_run_done",
        "1 where the last run was done, 0 where it ended otherwise",
        {},
        float(record.status == "done"),
    )
    yield "etlrun_run_finished_seconds", "when the last run ended, in seconds since 1970", {}, finished
    yield "etlrun_run_duration_seconds", "how long the last run took", {}, record.seconds
    for source, facts in record.sources.items():
        yield "etlrun_source_rows", "rows that were read", {"source": source}, facts.get("rows") or 0
        yield "etlrun_source_bad_rows", "records that could not be read", {"source": source}, facts.get("bad_rows") or 0
    for check in record.checks:
        labels = {"relation": check["relation"], "check": check["check"]}
        yield "etlrun_check_holds", "1 where the check held", labels, float(check["status"] == "ok")
    for sink, facts in record.sinks.items():
        yield "etlrun_sink_rows", "rows that were published", {"sink": sink}, facts.get("rows") or 0
    for model, facts in record.models.items():
        yield "etlrun_model_usd", "US dollars that the model's answers cost", {"model": model}, facts.get("usd") or 0


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
