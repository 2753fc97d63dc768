"""Run a checked pipeline: read, compute, check, publish - and leave a record, whatever happens."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from sqlglot import exp

import etlrun
from etlrun.compiler.check import Checked
from etlrun.compiler.key_checks import stages_nothing
from etlrun.compiler.plan import Plan, Relation, make_plan
from etlrun.compiler.statement import relation_statement
from etlrun.contracts.engine import Engine, EngineSession, ParquetFiles, StatementError, Workspace
from etlrun.contracts.step import Apply, Ask, ReadTexts
from etlrun.diagnostics import SpecError
from etlrun.enrich.consent import Consent
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.runtime.basis import Ledgers, find_basis
from etlrun.runtime.blame import blame, blame_source, located
from etlrun.runtime.checking import CheckResult, judge, ready, run_checks
from etlrun.runtime.full_disk import as_full_disk, disk_failure
from etlrun.runtime.functions import FunctionProcess
from etlrun.runtime.inputs import Inputs
from etlrun.runtime.json_texts import TextColumns
from etlrun.runtime.parts import sweep_parts
from etlrun.runtime.publishing import look_ahead, publish_all
from etlrun.runtime.record import Record
from etlrun.runtime.result_causes import spec_parts
from etlrun.runtime.run_folder import RunFolder, new_run
from etlrun.runtime.run_records import sweep_old
from etlrun.runtime.source_reading import SourceReader
from etlrun.runtime.sources import account, find_files, look_at_tables
from etlrun.runtime.stage import Staged, take_stock
from etlrun.runtime.trace_export import sent_spans
from etlrun.runtime.watching import relation_span, report_end, report_start, run_span
from etlrun.spec.project import Project
from etlrun.stopping import Stopped, is_asked, orderly, safe_point
from etlrun.tracing import span
from etlrun.warehouse.opening import filled
from etlrun.working import Reporter, in_background, wait_for, work


@dataclass(frozen=True)
class RunOptions:
    """What a run is for: to publish, to go as far as that, or only to look at the staged rows of some relations."""

    publishes: bool = True
    relations: tuple[str, ...] = ()
    look: Callable[[dict[str, Staged]], None] | None = None
    consent: Consent = Consent(may_ask=False)
    wait: float = 0.0  # seconds that a busy table is waited for


@orderly()
def run_pipeline(checked: Checked, reporter: Reporter, options: RunOptions) -> Record:
    """Run a pipeline with the engine of its profile and give its record; a failure is in the record too, and raised as well."""
    started = time.monotonic()
    runs = checked.project.path(checked.project.settings.runs)
    folder = _new_folder(runs, reporter)
    record = _new_record(checked, folder)
    with sent_spans(reporter) if options.publishes else nullcontext(), run_span("run", record):
        return _run_recorded(checked, reporter, options, folder, record, started)


def _run_recorded(
    checked: Checked, reporter: Reporter, options: RunOptions, folder: RunFolder, record: Record, started: float
) -> Record:
    """Run a pipeline and say in its record what became of it. Raises the failure as well."""
    try:
        folder.write_record(record.as_record())
        if options.publishes:
            report_start(checked, record, reporter)
        _Run(checked, reporter, folder, record).run(options)
        record.status = "done" if options.publishes else "dry-run"
    except RunFailure as found:
        failure = as_full_disk(found, folder.path)
        record.seconds = time.monotonic() - started
        record.fail(failure)
        failure.record = record.as_json()
        if failure is found:
            raise
        raise failure from found
    except SpecError:  # in a file that only a run opens, such as a model's
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
        _keep(checked.project, folder, record)
        if options.publishes:
            report_end(checked, record, reporter)
    return record


def _keep(project: Project, folder: RunFolder, record: Record) -> None:
    """Leave what is of use after a run: its record, and the rows that could still be published."""
    folder.sweep(staged=not record.keeps_stage)
    with contextlib.suppress(OSError):
        sweep_parts(project)
    with contextlib.suppress(OSError):
        folder.write_record(record.as_record())


def _new_folder(runs: Path, reporter: Reporter) -> RunFolder:
    try:
        skipped = sweep_old(runs)
        folder = new_run(runs)
    except OSError as error:
        message = f"no run folder can be made below {runs} ({error.strerror})"
        raise RunFailure("engine", "run-folder", message, "set `runs:` in etlrun.yaml") from error
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
        {name: str(value) for name, value in pipeline.values.items()},
    )


def spec_hash(checked: Checked) -> str:
    """A digest of all that a result depends on besides its data: the pipeline's text, its params, and the mappings, prompts and overrides beside it."""
    document = checked.pipeline.document
    digest = hashlib.sha256("\0".join(part.text for part in (document, *document.shared)).encode())
    digest.update(repr(sorted((name, str(value)) for name, value in checked.pipeline.values.items())).encode())
    for pattern in ("mappings/*.yaml", "prompts/*.md", "overrides/*.csv"):
        for path in sorted(checked.project.root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class _Run:
    """One run under way."""

    def __init__(self, checked: Checked, reporter: Reporter, folder: RunFolder, record: Record) -> None:
        self.checked = checked
        self.reporter = reporter
        self.folder = folder
        self.record = record
        self.plan: Plan = make_plan(checked)
        self.engine: Engine = checked.profile.engine.value
        self.staged: dict[str, Staged] = {}
        self.functions = FunctionProcess(checked.project)

    def run(self, options: RunOptions) -> None:
        targets = self.targets(options)
        if options.publishes:
            look_ahead(self.checked, self.record)
        needed = self.plan.needed((*targets, *self.read_by_checks(options)))
        sources = [relation.name for relation in needed if relation.source is not None]
        look_at_tables(self.checked, sources)
        inventories = find_files(self.checked, sources, self.reporter)
        if options.publishes:
            self.record.parts = spec_parts(self.checked)
            with contextlib.suppress(RunFailure):  # then nothing says that a later run would do the same
                self.record.basis = find_basis(self.checked, inventories, Ledgers())
        with Inputs(self.checked, inventories, self.folder, self.reporter) as inputs:
            session = self.read(inputs)
            try:
                for relation in needed:
                    safe_point()
                    self.make(session, relation, targets, options)
                if not options.relations:
                    self.check(session)
            finally:
                self.functions.close()
                session.close()
            inputs.finish()
        if options.look:
            options.look(self.staged)
        if options.publishes:
            self.publish(options.wait)

    def read(self, inputs: Inputs) -> EngineSession:
        """A session that knows the sources, which are read while it starts."""
        starting = in_background(self.start)
        try:
            reader = SourceReader(self.checked, inputs, self.folder, self.reporter, lambda: wait_for(starting))
            intakes = reader.read_all(inputs.inventories)
            inputs.count(intakes)
            session = wait_for(starting)
        except Stopped:
            raise  # what starts ends with this process
        except BaseException:
            _give_up(starting)
            raise
        try:
            self.record.engine_version = session.version
            for name, read_result in intakes.items():
                self.record.sources[name] = account(read_result, inputs.inventories[name])
                session.read_files(name, self.plan.relation(name).columns, read_result.files)
        except StatementError as error:
            session.close()
            raise blame_source(self.checked, error) from error
        except BaseException:
            session.close()
            raise
        return session

    def start(self) -> EngineSession:
        with span(f"start {self.record.engine}", {"etlrun.engine": self.record.engine}):
            return self.engine.start(Workspace(self.folder.path), filled)

    def targets(self, options: RunOptions) -> tuple[str, ...]:
        """The relations that are staged: what sinks publish; checks look at them, and at others where they say so."""
        if options.relations:
            return options.relations
        published = [use.value.from_ for use in self.checked.pipeline.sinks.values()]
        checks = self.checked.pipeline.checks.items()
        checked = [name for name, uses in checks if not all(stages_nothing(use) for use in uses)]
        return tuple(dict.fromkeys([*published, *checked]))

    def read_by_checks(self, options: RunOptions) -> list[str]:
        """The relations that checks compare with, which nothing else may need."""
        checks = (use for uses in self.checked.pipeline.checks.values() for use in uses)
        names = {name.lower(): name for name in self.checked.order}
        found = [names[other.lower()] for use in checks for other, _ in use.value.reads()]
        return [] if options.relations else found

    def make(self, session: EngineSession, relation: Relation, targets: tuple[str, ...], options: RunOptions) -> None:
        """Stage a relation that is wanted, run a function, ask models, or leave a relation to the statements that read it."""
        columns = relation.columns
        if relation.apply is not None:
            self.apply(session, relation)
        if relation.ask is not None:
            self.ask(session, relation, relation.ask, replace(options.consent, wait=options.wait))
            return
        is_taken_out = any(relation.name in other.reads for other in self.plan.relations if other.apply or other.ask)
        if relation.name not in targets and not (is_taken_out and relation.source is None):
            return
        folder = self.folder.stage(relation.name)
        self.reporter.say(f"computing {_shown(relation)}")
        with relation_span("compute", relation.name) as found:
            self.write(session, relation.name, folder)
            self.staged[relation.name] = take_stock(relation.name, folder, columns)
            found.attributes["etlrun.rows"] = self.staged[relation.name].rows
        self.record.relations[relation.name] = {"rows": self.staged[relation.name].rows}
        session.read_files(relation.name, columns, [self.staged[relation.name].as_input()])

    def write(self, session: EngineSession, name: str, folder: Path) -> None:
        known = ready(self.plan, self.staged)
        statement = relation_statement(self.plan, name, self.engine.dialect, known)

        trials = count(1)

        def attempt(parts: int, last: exp.Query | None) -> None:
            prefix = relation_statement(self.plan, name, self.engine.dialect, known, upto=parts, last=last)
            session.write(prefix.text, self.folder.work(f"blame-{next(trials)}"))

        try:
            self.wait(_shown(self.plan.relation(name)), session, lambda: session.write(statement.text, folder))
        except StatementError as error:
            raise blame(self.plan, statement, error, attempt) from error

    def apply(self, session: EngineSession, relation: Relation) -> None:
        assert relation.apply is not None
        (given,) = relation.reads
        self.reporter.say(
            f"{'reading' if isinstance(relation.apply, ReadTexts) else 'calling'} {relation.apply.function}"
        )
        paths, columns = self.written(session, given), self.plan.relation(given).columns
        path = self.folder.work(f"{relation.name}-result") / "rows.parquet"
        try:
            path.parent.mkdir(parents=True)
            with relation_span("apply", relation.name):
                self.make_rows(relation.apply, paths, columns, path)
        except RunFailure as failure:
            raise self.at_step(relation, failure) from failure.__cause__
        session.read_files(relation.name, relation.columns, [ParquetFiles((str(path),))])

    def make_rows(self, apply: Apply | ReadTexts, paths: list[str], columns: Columns, result: Path) -> None:
        """The rows that are made outside of SQL, as the new file `result`. Raises RunFailure."""
        if isinstance(apply, Apply):
            self.functions.apply(apply, paths, columns, result)
            return
        texts = TextColumns(apply)
        texts.files(paths, result)
        if texts.broken:
            self.reporter.warn(texts.summary())

    def ask(self, session: EngineSession, relation: Relation, ask: Ask, consent: Consent) -> None:
        """Get the answers for the distinct keys of the relation before, and hand them to the session. Raises RunFailure where that must stop."""
        from etlrun.enrich.answer_relation import answer_relation

        (given,) = relation.reads
        paths = self.written(session, given)
        self.reporter.say(f"asking {', '.join(ask.models)} about `{', '.join(ask.parts)}`")
        spent = sum(summary["usd"] for summary in self.record.models.values())
        name = ", ".join(ask.models)
        try:
            with relation_span("enrich", relation.name) as found:
                path, summary, failure = answer_relation(
                    self.checked,
                    ask,
                    paths,
                    self.folder.work(f"{relation.name}-result"),
                    self.folder.id,
                    consent,
                    spent,
                    self.reporter,
                )
                found.attributes |= {f"etlrun.{name}": summary[name] for name in ("keys", "asked", "requests", "usd")}
                found.error = failure.code if failure else ""
            chain = relation.name.partition(".")[0]
            place = f"{name} in step {relation.step + 1} of {chain}"
            self.record.models[name if name not in self.record.models else place] = summary
            if failure:
                raise failure
        except RunFailure as failure:
            raise self.at_step(relation, failure) from failure.__cause__
        session.read_files(relation.name, relation.columns, [ParquetFiles((str(path),))])

    def written(self, session: EngineSession, given: str) -> list[str]:
        """The Parquet files of a relation, for what is no SQL."""
        if given in self.staged:
            return [str(path) for path in self.staged[given].paths]
        folder = self.folder.work(given)
        if not folder.exists():
            with relation_span("compute", given):
                self.write(session, given, folder)
        return [str(path) for path in sorted(folder.glob("*.parquet"))]

    def at_step(self, relation: Relation, failure: RunFailure) -> RunFailure:
        """The failure at the place of the step that makes the relation."""
        use = self.checked.pipeline.chains[relation.name.partition(".")[0]][relation.step]
        return located(self.checked, use.where, failure)

    def wait(self, name: str, session: EngineSession, action: Callable[[], None]) -> None:
        work(action, lambda: self.reporter.progress(f"computing {name}", *session.progress()), session.cancel)

    def check(self, session: EngineSession) -> None:
        if not self.checked.pipeline.checks or not self.staged:
            return
        from etlrun.engines.duckdb import Duckdb

        self.reporter.say("checking")
        check_session = Duckdb().start(Workspace(self.folder.path), filled)
        try:
            for name, staged in self.staged.items():
                check_session.read_files(name, self.plan.relation(name).columns, [staged.as_input()])
            findings = self.wait_for_checks(session, check_session)
        finally:
            check_session.close()
        self.record.checks += [
            {"relation": finding.relation, "check": finding.check, "status": finding.status, "detail": finding.detail}
            for finding in findings
        ]
        judge(self.plan, findings, self.folder, self.reporter)

    def wait_for_checks(self, session: EngineSession, check_session: EngineSession) -> list[CheckResult]:
        def cancel() -> None:
            check_session.cancel()
            session.cancel()

        return work(
            lambda: run_checks(self.plan, self.staged, session, self.engine, check_session, self.folder),
            lambda: None,
            cancel,
        )

    def publish(self, wait: float) -> None:
        published = {use.value.from_ for use in self.checked.pipeline.sinks.values()}
        self.record.staged = {name: staged.as_record() for name, staged in self.staged.items() if name in published}
        self.folder.write_record(self.record.as_record())
        publish_all(self.checked, self.staged, self.record, self.reporter, wait)


def _shown(relation: Relation) -> str:
    """A relation's name, or how far its chain is where only a part of it is meant."""
    chain, _, step = relation.name.partition(".")
    return f"{chain} up to step {step}" if step else chain


def _give_up(starting: Future[EngineSession]) -> None:
    """Close a session that is not wanted any more."""
    with contextlib.suppress(RunFailure):
        wait_for(starting).close()
