"""Runs a checked pipeline: read, compute, check, publish; always writes a record."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import etlrun
from etlrun.compiler.check import Checked
from etlrun.compiler.file_aggregation import FileAggregation
from etlrun.compiler.found_labels import found_labels
from etlrun.compiler.partial_aggregates import NotByFile
from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.read_columns import needed_relations, staged_relations, unread_columns
from etlrun.contracts.engine import EngineSession, StatementError, Workspace
from etlrun.diagnostics import SpecError
from etlrun.enrich.consent import Consent
from etlrun.failures import RunFailure
from etlrun.runtime.basis import Ledgers, find_basis
from etlrun.runtime.blame import blame_source
from etlrun.runtime.checking import check_staged
from etlrun.runtime.full_disk import as_full_disk, disk_failure
from etlrun.runtime.functions import FunctionProcess
from etlrun.runtime.inputs import Inputs
from etlrun.runtime.liveness import process_name, showing_life
from etlrun.runtime.partial_parts import aggregations_while_reading, start_duckdb
from etlrun.runtime.parts import sweep_parts
from etlrun.runtime.publishing import look_ahead, publish_all
from etlrun.runtime.record import Record
from etlrun.runtime.record_keeping import keep_record
from etlrun.runtime.relation_stager import RelationStager
from etlrun.runtime.result_causes import spec_parts
from etlrun.runtime.run_folder import INPUTS, RunFolder, new_run
from etlrun.runtime.run_place import RunPlace, run_place
from etlrun.runtime.run_records import sweep_old
from etlrun.runtime.source_reading import SourceReader
from etlrun.runtime.sources import account, find_files, look_at_tables
from etlrun.runtime.stage import Staged, fetched
from etlrun.runtime.staging import staging_area
from etlrun.runtime.trace_export import sent_spans
from etlrun.runtime.typed_rows import typed_rows
from etlrun.runtime.watching import report_end, report_start, run_span
from etlrun.stopping import Stopped, is_asked, orderly, safe_point
from etlrun.storage.staging_area import StagingArea
from etlrun.tracing import span
from etlrun.warehouse.opening import filled
from etlrun.working import Reporter, in_background, wait_for


@dataclass(frozen=True)
class RunOptions:
    """The options of a run: publish, stop before publishing, or only return the staged rows of some relations."""

    publishes: bool = True
    relations: tuple[str, ...] = ()
    look: Callable[[dict[str, Staged]], None] | None = None
    consent: Consent = Consent(may_ask=False)
    wait: float = 0.0  # seconds to wait for a busy table


@orderly()
def run_pipeline(checked: Checked, reporter: Reporter, options: RunOptions) -> Record:
    """Run a pipeline with the engine of its profile; returns its record. A failure is recorded and raised."""
    started = time.monotonic()
    folder = _new_folder(run_place(checked.project), reporter)
    record = _new_record(checked, folder)
    spans = sent_spans(reporter) if options.publishes else nullcontext()
    with spans, run_span("run", record), showing_life(folder):
        return _run_recorded(checked, reporter, options, folder, record, started)


def _run_recorded(
    checked: Checked, reporter: Reporter, options: RunOptions, folder: RunFolder, record: Record, started: float
) -> Record:
    """Run a pipeline and store the outcome in its record. A failure is also raised."""
    try:
        folder.write_record(record.as_record())
        if options.publishes:
            report_start(checked, record, reporter)
        checked = _run(checked, reporter, folder, record, options)
        record.status = "done" if options.publishes else "dry-run"
    except RunFailure as found:
        failure = as_full_disk(found, folder.path)
        record.seconds = time.monotonic() - started
        record.fail(failure)
        failure.record = record.as_json()
        if failure is found:
            raise
        raise failure from found
    except SpecError:  # in a file that is opened only by a run, such as a model's
        record.status = "failed"
        raise
    except OSError as error:
        full = disk_failure(folder.path, error.strerror or str(error))
        record.fail(full)
        raise full from error
    finally:
        if is_asked():
            record.stop()
        record.seconds = time.monotonic() - started
        with suppress(OSError, RunFailure):
            sweep_parts(checked.project, folder.store)
        keep_record(folder, record, reporter, staged=record.keeps_stage)
        if options.publishes:
            report_end(checked, record, reporter)
    return record


def _new_folder(runs: RunPlace, reporter: Reporter) -> RunFolder:
    try:
        skipped = sweep_old(runs)
        folder = new_run(runs.path, runs.store)
    except OSError as error:
        message = f"no run folder can be made below {runs.path} ({error.strerror})"
        fix = f"set `{'scratch' if runs.store else 'runs'}:` in etlrun.yaml"
        raise RunFailure("engine", "run-folder", message, fix) from error
    for unreadable in skipped:
        reporter.warn(str(unreadable))
    return folder


def _new_record(checked: Checked, folder: RunFolder) -> Record:
    pipeline = checked.pipeline
    return Record(
        pipeline.name,
        checked.project.shown(pipeline.path),
        folder.id,
        checked.profile.engine.kind,
        checked.profile.name,
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        socket.gethostname(),
        os.getpid(),
        spec_hash(checked),
        etlrun.__version__,
        process_name(),
        {name: str(value) for name, value in pipeline.values.items()},
    )


def spec_hash(checked: Checked) -> str:
    """A digest of everything besides data that affects a result: the pipeline's text, its params, mappings, prompts and overrides."""
    document = checked.pipeline.document
    digest = hashlib.sha256("\0".join(part.text for part in (document, *document.shared)).encode())
    digest.update(repr(sorted((name, str(value)) for name, value in checked.pipeline.values.items())).encode())
    for pattern in ("mappings/*.yaml", "prompts/*.md", "overrides/*.csv"):
        for path in sorted(checked.project.root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _run(checked: Checked, reporter: Reporter, folder: RunFolder, record: Record, options: RunOptions) -> Checked:
    """Read, compute, check and publish; progress is in `record`. Returns the pipeline with the labels of its pivots. Raises RunFailure."""
    plan = make_plan(checked)
    targets = options.relations or staged_relations(plan)
    if options.publishes:
        look_ahead(checked, record)
    is_checked = not options.relations
    needed = needed_relations(plan, targets, is_checked=is_checked)
    plan = replace(plan, unread=unread_columns(plan, targets, is_checked=is_checked))
    sources = [relation.name for relation in needed if relation.source is not None]
    look_at_tables(checked, sources)
    inventories = find_files(checked, sources, reporter)
    if options.publishes:
        record.parts = spec_parts(checked)
        with suppress(RunFailure):  # without a basis the next run is not skipped
            record.basis = find_basis(checked, inventories, Ledgers())
    area = _staging_area(checked, folder)
    aggregations = aggregations_while_reading(plan, targets, inventories, is_checked=is_checked)
    with Inputs(checked, inventories, folder, reporter) as inputs:
        with (
            _session(plan, inputs, folder, record, aggregations, area) as (session, plan),
            closing(FunctionProcess(checked.project)) as functions,
        ):
            consent = replace(options.consent, wait=options.wait)
            stager = RelationStager(plan, session, targets, folder, record, reporter, consent, functions, area)
            wanted = [relation.name for relation in needed]
            stager = stager.with_labels(wanted)
            plan = stager.plan
            record.labels = found_labels(plan.checked)
            if options.publishes and record.labels:
                look_ahead(plan.checked, record)
            stager.make_all(wanted)
            if is_checked:
                check_staged(plan, stager.staged, session, folder, record, reporter)
        inputs.finish()
    if options.look:
        options.look(fetched(stager.staged))
    if options.publishes:
        _publish(plan.checked, stager.staged, folder, record, reporter, options.wait)
    return plan.checked


@contextmanager
def _session(
    plan: Plan,
    inputs: Inputs,
    folder: RunFolder,
    record: Record,
    aggregations: Mapping[str, FileAggregation | NotByFile],
    area: StagingArea | None,
) -> Iterator[tuple[EngineSession, Plan]]:
    """A session of the engine with the sources, which are read while it starts; and the plan for the rows that they have there. Raises RunFailure."""
    starting = in_background(lambda: _start(plan.checked, Workspace(folder.path, area)))
    try:
        by_file = {name: each for name, each in aggregations.items() if isinstance(each, FileAggregation)}
        reader = SourceReader(plan, inputs, folder, inputs.reporter, lambda: wait_for(starting), by_file, area)
        results = reader.read_all(inputs.inventories)
        inputs.count(results)
        session = wait_for(starting)
    except Stopped:
        raise  # a session that is starting ends with this process
    except BaseException:
        _give_up(starting)
        raise
    for name, read_result in results.items():
        plan = by_file[name].applied(plan) if read_result.is_partial else plan
    with closing(session):
        record.engine_version = session.version
        try:
            for name, read_result in results.items():
                record.sources[name] = account(read_result, inputs.inventories[name])
                columns, files = plan.relation(name).columns, read_result.files
                if area is not None:
                    start = partial(start_duckdb, plan, folder.path)
                    files = typed_rows(files, columns, folder.sources(name), start)
                session.read_files(name, columns, files)
        except StatementError as error:
            raise blame_source(plan.checked, error) from error
        yield session, plan


def _staging_area(checked: Checked, folder: RunFolder) -> StagingArea | None:
    """Where executors write the rows of a run, if not on a disk that they share with this machine. Raises RunFailure."""
    area = staging_area(checked)
    if area is not None:
        folder.expect_others()
    return area


def _start(checked: Checked, workspace: Workspace) -> EngineSession:
    kind, engine = checked.profile.engine.kind, checked.profile.engine.value
    with span(f"start {kind}", {"etlrun.engine": kind}):
        session: EngineSession = engine.start(workspace, filled)
        return session


def _give_up(starting: Future[EngineSession]) -> None:
    """Close a session that is no longer needed."""
    with suppress(RunFailure):
        wait_for(starting).close()


def _publish(
    checked: Checked, staged: dict[str, Staged], folder: RunFolder, record: Record, reporter: Reporter, wait: float
) -> None:
    published = {use.value.from_ for use in checked.pipeline.sinks.values()}
    listed = {name: rows.as_record(folder) for name, rows in staged.items() if name in published}
    files = (file["path"] for rows in listed.values() for file in rows["files"])
    folder.upload(INPUTS, "quarantine", *files, goes_on=lambda: not is_asked())
    safe_point()
    record.staged = listed
    folder.write_record(record.as_record())
    publish_all(checked, staged, record, reporter, wait)
