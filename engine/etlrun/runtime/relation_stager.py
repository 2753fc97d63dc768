"""Stages the relations of a run, one after the other: by statements of the engine, by functions, by answers of models."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp

from etlrun.compiler.plan import Plan, Relation
from etlrun.compiler.statement import relation_statement
from etlrun.contracts.engine import EngineSession, ParquetFiles, StatementError, WrittenFiles
from etlrun.contracts.step import Apply, Ask, ReadTexts
from etlrun.enrich.consent import Consent
from etlrun.failures import RunFailure
from etlrun.runtime.blame import blame, located
from etlrun.runtime.checking import ready
from etlrun.runtime.executor_functions import executor_rows, sent_function
from etlrun.runtime.functions import FunctionProcess
from etlrun.runtime.json_texts import TextColumns
from etlrun.runtime.label_reading import find_labels
from etlrun.runtime.record import Record
from etlrun.runtime.run_folder import RunFolder
from etlrun.runtime.stage import Staged, stock_of, take_stock
from etlrun.runtime.watching import relation_span
from etlrun.stopping import safe_point
from etlrun.storage.staging_area import StagingArea
from etlrun.working import Reporter, work

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class RelationStager:
    """Stages the relations of one run: `targets` must be staged, `staged` already are."""

    plan: Plan
    session: EngineSession
    targets: tuple[str, ...]
    folder: RunFolder
    record: Record
    reporter: Reporter
    consent: Consent
    functions: FunctionProcess
    area: StagingArea | None = None  # where executors write, if they do not share a disk
    staged: dict[str, Staged] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)  # the relations that are ready

    @property
    def dialect(self) -> str:
        return str(self.plan.checked.profile.engine.value.dialect)

    def with_labels(self, names: Collection[str]) -> RelationStager:
        """The same for a plan in which the pivots below `names` have their labels; the relations needed for that are staged. Raises RunFailure."""

        def make(plan: Plan, relation: str) -> Collection[str]:
            replace(self, plan=plan).make_all([relation])
            return ready(plan, self.staged)

        def fetch(statement: str) -> pyarrow.Table:
            session = self.session
            self.reporter.say("reading labels")
            return work(
                lambda: session.fetch(statement),
                lambda: self.reporter.progress("reading labels", *session.progress()),
                session.cancel,
            )

        return replace(self, plan=find_labels(self.plan, {}, names, fetch, self.dialect, make))

    def make_all(self, names: Collection[str]) -> None:
        """Make the relations `names` and all relations that they read. Raises RunFailure."""
        for relation in self.plan.needed(names):
            if relation.name not in self.made:
                safe_point()
                self._make(relation)
                self.made.add(relation.name)

    def _make(self, relation: Relation) -> None:
        """Stage a relation that is a target, run a function, ask models, or leave a relation to the statements that read it. Raises RunFailure."""
        columns = relation.columns
        if relation.apply is not None:
            self._apply(relation, relation.apply)
        if relation.ask is not None:
            self._ask(relation, relation.ask)
            return
        is_taken_out = any(
            relation.name in other.reads
            for other in self.plan.relations
            if other.ask or (other.apply and not self._is_on_executors(other.apply))
        )
        if relation.name not in self.targets and not (is_taken_out and relation.source is None):
            return
        folder = self.folder.stage(relation.name)
        self.reporter.say(f"computing {_shown(relation)}")
        with relation_span("compute", relation.name) as found:
            written = self._write(relation.name, folder)
            self.staged[relation.name] = (
                take_stock(relation.name, folder, columns, self.session if self.dialect == "duckdb" else None)
                if written is None
                else stock_of(relation.name, written, columns, self.area)
            )
            found.attributes["etlrun.rows"] = self.staged[relation.name].rows
        self.record.relations[relation.name] = {"rows": self.staged[relation.name].rows}
        self.session.read_files(relation.name, columns, [self.staged[relation.name].as_input()])

    def _write(self, name: str, folder: Path) -> WrittenFiles | None:
        return self._carry_out(name, lambda statement: self.session.write(statement, folder, self._keys(name)))

    def _keys(self, name: str) -> tuple[str, ...]:
        """The partition columns of a sink of the relation `name`, if there is one whose files hold one partition each."""
        columns, sinks = self.plan.relation(name).columns, self.plan.checked.pipeline.sinks.values()
        keys = next((use.value.divided_by() for use in sinks if use.value.from_ == name and use.value.divided_by()), ())
        return tuple(item.name for key in keys if (item := columns.get(key)) is not None)

    def _carry_out(self, name: str, action: Callable[[str], WrittenFiles | None]) -> WrittenFiles | None:
        """Run the statement of a relation by `action`; an error is blamed on the expression at fault. Raises RunFailure."""
        known = ready(self.plan, self.staged)
        upto = 0 if name in self.staged else None
        statement = relation_statement(self.plan, name, self.dialect, known, upto=upto)
        trials = count(1)

        def attempt(parts: int, last: exp.Query | None) -> None:
            prefix = relation_statement(self.plan, name, self.dialect, known, upto=parts, last=last)
            self.session.write(prefix.text, self.folder.work(f"blame-{next(trials)}"))

        try:
            return self._wait(_shown(self.plan.relation(name)), lambda: action(statement.text))
        except StatementError as error:
            raise blame(self.plan, statement, error, attempt) from error

    def _apply(self, relation: Relation, apply: Apply | ReadTexts) -> None:
        (given,) = relation.reads
        self.reporter.say(f"{'reading' if isinstance(apply, ReadTexts) else 'calling'} {apply.function}")
        folder = self.folder.work(f"{relation.name}-result")
        try:
            with relation_span("apply", relation.name):
                files = self._applied(apply, given, folder)
        except RunFailure as failure:
            raise self._at_step(relation, failure) from failure.__cause__
        self.session.read_files(relation.name, relation.columns, [files])

    def _applied(self, apply: Apply | ReadTexts, given: str, folder: Path) -> ParquetFiles:
        """Rows that are not made by SQL, written into the new folder `folder`. Raises RunFailure."""
        columns = self.plan.relation(given).columns
        if isinstance(apply, Apply) and self._is_on_executors(apply):
            function = sent_function(apply, columns, self.plan.checked.project)
            written = self._carry_out(given, lambda statement: self.session.write_applied(statement, function, folder))
            return executor_rows(folder, apply.function, self.plan.checked.project, written)
        paths, result = self._written(given), folder / "rows.parquet"
        folder.mkdir(parents=True)
        if isinstance(apply, Apply):
            self.functions.apply(apply, paths, columns, result)
            return ParquetFiles((str(result),))
        texts = TextColumns(apply)
        texts.files(paths, result)
        if texts.broken:
            self.reporter.warn(texts.summary())
        return ParquetFiles((str(result),))

    def _is_on_executors(self, apply: Apply | ReadTexts) -> bool:
        return isinstance(apply, Apply) and apply.on_executors and self.session.has_executors

    def _ask(self, relation: Relation, ask: Ask) -> None:
        """Get the answers for the distinct keys of the previous relation, and register them in the session. Raises RunFailure if the run must stop."""
        from etlrun.enrich.answer_relation import answer_relation

        (given,) = relation.reads
        paths = self._written(given)
        self.reporter.say(f"asking {', '.join(ask.models)} about `{', '.join(ask.parts)}`")
        spent = sum(summary["usd"] for summary in self.record.models.values())
        name = ", ".join(ask.models)
        try:
            with relation_span("enrich", relation.name) as found:
                path, summary, failure = answer_relation(
                    self.plan.checked,
                    ask,
                    paths,
                    self.folder.work(f"{relation.name}-result"),
                    self.folder.id,
                    self.consent,
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
            raise self._at_step(relation, failure) from failure.__cause__
        self.session.read_files(relation.name, relation.columns, [ParquetFiles((str(path),))])

    def _written(self, given: str) -> list[str]:
        """The Parquet files of a relation, for steps that are not SQL."""
        if given in self.staged:
            self.staged[given].fetch()
            return [str(path) for path in self.staged[given].paths]
        folder = self.folder.work(given)
        if not folder.exists():
            with relation_span("compute", given):
                written = self._write(given, folder)
            if written is not None and self.area is not None:
                self.area.download({file.path: file.sha256 for file in written.files})
        return [str(path) for path in sorted(folder.glob("*.parquet"))]

    def _at_step(self, relation: Relation, failure: RunFailure) -> RunFailure:
        """The failure, with the place of the step that makes the relation."""
        use = self.plan.checked.pipeline.chains[relation.name.partition(".")[0]][relation.step]
        return located(self.plan.checked, use.where, failure)

    def _wait(self, name: str, action: Callable[[], WrittenFiles | None]) -> WrittenFiles | None:
        session = self.session
        return work(action, lambda: self.reporter.progress(f"computing {name}", *session.progress()), session.cancel)


def _shown(relation: Relation) -> str:
    """A relation's name; for a part of a chain, the name and the number of steps."""
    chain, _, step = relation.name.partition(".")
    return f"{chain} up to step {step}" if step else chain
