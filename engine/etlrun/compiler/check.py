"""Typed to checked: names, graph, columns and types of a whole pipeline, without data and without an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from etlrun.compiler.graph import in_order
from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.language.columns import Columns
from etlrun.spec.kinds import NAME, Scope
from etlrun.spec.located import Keys
from etlrun.spec.mappings import Mapping as LabelMapping
from etlrun.spec.pipeline import Pipeline, read_pipeline
from etlrun.spec.project import Profile, Project, Use, find_project, load_mapping


@dataclass(frozen=True)
class Checked:
    """A pipeline without mistakes, with the columns of every relation and of every step of every chain."""

    pipeline: Pipeline
    project: Project
    profile: Profile
    order: tuple[str, ...]
    columns: Mapping[str, Columns]
    steps: Mapping[str, tuple[Columns, ...]]
    warnings: tuple[Diagnostic, ...]

    def scope(self, where: Keys) -> Scope:
        """The scope of the kind that stands at `where`."""
        return _scope(self.pipeline, self.project, where, self.columns, [])


def check_file(path: Path, profile: str = "", settings: Mapping[str, str] | None = None) -> Checked:
    """Read and check one pipeline file of the project it stands in. Raises SpecError with every mistake."""
    project = find_project(path)
    return check_pipeline(read_pipeline(path, project, settings or {}), project, project.profile(profile))


def check_pipeline(pipeline: Pipeline, project: Project, profile: Profile) -> Checked:
    """Check every name, column and type. Raises SpecError with every mistake found."""
    checker = _Checker(pipeline, project, profile)
    checker.check_names()
    order = checker.check_graph()
    checker.check_relations(order)
    checker.check_checks()
    checker.check_sinks()
    if checker.problems:
        raise SpecError(checker.problems)
    warnings = tuple(sorted(checker.unused()))
    return Checked(pipeline, project, profile, tuple(order), checker.columns, checker.steps, warnings)


def _scope(
    pipeline: Pipeline, project: Project, where: Keys, relations: Mapping[str, Columns], problems: list[Diagnostic]
) -> Scope:
    def mapping(name: str) -> LabelMapping | None:
        try:
            return load_mapping(project, name)
        except SpecError as error:
            problems.extend(error.diagnostics)
            return LabelMapping(name, ())

    return Scope(
        pipeline.origin, where, pipeline.values, relations, mapping, project.mapping_names(), problems, project.root
    )


class _Checker:
    def __init__(self, pipeline: Pipeline, project: Project, profile: Profile) -> None:
        self.pipeline = pipeline
        self.project = project
        self.profile = profile
        self.document = pipeline.document
        self.problems: list[Diagnostic] = []
        self.columns: dict[str, Columns] = {}
        self.steps: dict[str, tuple[Columns, ...]] = {}

    def scope(self, where: Keys, relations: Mapping[str, Columns] | None = None) -> Scope:
        known = self.columns if relations is None else relations
        return _scope(self.pipeline, self.project, where, known, self.problems)

    def complain(self, where: Keys, code: str, message: str, fix: str = "") -> None:
        self.problems.append(self.document.diagnose_key(where, code, message, fix))

    def check_names(self) -> None:
        for family in ("sources", "steps", "sinks", "params"):
            for name in self.document.value.get(family) or {}:
                if not NAME.match(name):
                    fix = "use letters, digits and `_`, at most 64, no digit first"
                    self.complain((family, name), "bad-name", f"`{name}` is not a name", fix)
        taken = {name.lower(): name for name in self.pipeline.sources}
        for name in self.pipeline.chains:
            if name.lower() in taken:
                self.complain(("steps", name), "duplicate-name", f"there is a source `{taken[name.lower()]}` already")
            taken[name.lower()] = name

    def check_graph(self) -> list[str]:
        reads: dict[str, list[str]] = {name: [] for name in self.pipeline.sources}
        known = {name.lower(): name for name in (*self.pipeline.sources, *self.pipeline.chains)}  # SQL names relations in any case
        for name, chain in self.pipeline.chains.items():
            reads[name] = [known.get(other.lower(), other) for use in chain for other, _ in use.value.reads()]
        order, cycles = in_order(reads)
        for cycle in cycles:
            path = " -> ".join(f"`{name}`" for name in cycle)
            self.complain(("steps", cycle[0]), "cycle", f"a relation is made from itself: {path}", "read another relation in one of them")
        return order

    def check_relations(self, order: Iterable[str]) -> None:
        # A chain may read only what is made before it, but a misspelt name is looked for among all of them.
        for name in order:
            if name in self.pipeline.sources:
                use = self.pipeline.sources[name]
                self.columns[name] = use.value.output(self.scope(use.where, {}))
            else:
                self.check_chain(name, self.pipeline.chains[name])

    def check_chain(self, name: str, chain: tuple[Use, ...]) -> None:
        columns = Columns(())
        found: list[Columns] = []
        for index, use in enumerate(chain):
            if index == 0 and use.value.stands == "later":
                self.complain(use.where, "missing-key", f"`{name}` does not say what it reads", "start the chain with `- from: RELATION`")
            if index > 0 and use.value.stands == "first":
                self.complain(use.where, "not-allowed-here", f"`{use.kind}` stands first in a chain", "start another chain")
            columns = use.value.output(columns, self.scope(use.where))
            found.append(columns)
        self.columns[name], self.steps[name] = columns, tuple(found)

    def check_checks(self) -> None:
        for name, uses in self.pipeline.checks.items():
            columns = self.relation(name, ("checks", name), is_key=True)
            for use in uses:
                if columns is not None:
                    use.value.verify(columns, self.scope(use.where))

    def check_sinks(self) -> None:
        for use in self.pipeline.sinks.values():
            scope = self.scope(use.where)
            columns = scope.relation(use.value.from_, "from")
            connection = getattr(use.value, "connection", "")
            if connection and connection not in self.profile.connections:
                known = tuple(self.profile.connections)
                fix = nearest(connection, known) or f"the profile `{self.profile.name}` has {', '.join(known) or 'none'}"
                scope.error("connection", "unknown-connection", f"there is no connection `{connection}`", fix)
            use.value.verify(columns, scope)

    def relation(self, name: str, where: Keys, *, is_key: bool) -> Columns | None:
        if name in self.columns:
            return self.columns[name]
        fix = nearest(name, tuple(self.columns)) or "the relations are " + ", ".join(self.columns)
        self.complain(where, "unknown-relation", f"there is no source or step chain `{name}`", fix)
        return None

    def unused(self) -> Iterator[Diagnostic]:
        """Relations that nothing reads, checks or publishes."""
        uses = [use for group in (*self.pipeline.chains.values(), *self.pipeline.checks.values()) for use in group]
        read = {other.lower() for use in uses for other, _ in use.value.reads()}
        used = read | {use.value.from_.lower() for use in self.pipeline.sinks.values()} | {name.lower() for name in self.pipeline.checks}
        for family, names in (("sources", self.pipeline.sources), ("steps", self.pipeline.chains)):
            for name in names:
                if name.lower() not in used:
                    yield self.document.diagnose_key(
                        (family, name), "unused", f"nothing reads or publishes `{name}`", "remove it, or add a sink", severity="warning"
                    )
