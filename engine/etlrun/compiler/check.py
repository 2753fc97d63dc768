"""Check a typed pipeline: names, dependencies, columns and types, without data and without an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from etlrun.compiler.graph import in_order
from etlrun.compiler.key_checks import with_key_checks
from etlrun.compiler.profile_parts import verify_connection, verify_models
from etlrun.compiler.rerouted_models import rerouted_models
from etlrun.diagnostics import Diagnostic, SpecError, closest, nearest
from etlrun.language.columns import Columns
from etlrun.spec.located import Keys
from etlrun.spec.mappings import Mapping as LabelMapping
from etlrun.spec.paths import Places
from etlrun.spec.pipeline import Pipeline
from etlrun.spec.project import Profile, Project, Use, load_mapping
from etlrun.spec.published import NO_PUBLISHERS, Publishers
from etlrun.spec.scope import NAME, Scope
from etlrun.spec.sight import Sight, without_consequences

NOT_LISTED = "the labels of a pivot are known only in a run; to use the column of one, list them: `labels: [...]`"
OWN_TABLES = ("etlrun_", "_etlrun_", "__etlrun_")  # the ledger, label stores and versions have names that begin so


@dataclass(frozen=True, eq=False)
class Checked:
    """A pipeline without mistakes, with the columns of every relation and of every step of every chain."""

    pipeline: Pipeline
    project: Project
    profile: Profile
    order: tuple[str, ...]
    columns: Mapping[str, Columns]
    steps: Mapping[str, tuple[Columns, ...]]
    warnings: tuple[Diagnostic, ...]
    mappings: tuple[str, ...] = ()  # the names of those that it reads

    @cached_property
    def places(self) -> Places:
        """The folders from which its sources may read files."""
        return self.project.places(self.pipeline.values, self.profile)

    def scope(self, where: Keys) -> Scope:
        """The scope of the kind that is written at `where`."""
        return _scope(self.pipeline, self.project, self.places, where, self.columns, [], Sight())


def check_pipeline(
    pipeline: Pipeline, project: Project, profile: Profile, publishers: Publishers = NO_PUBLISHERS
) -> Checked:
    """Check every name, column and type. Raises SpecError with every mistake found, those of the pipeline's form included.

    `publishers` are the pipelines of the project whose tables it may read.
    """
    checker = _Checker(pipeline, project, profile, publishers)
    checker.check_names()
    order = checker.check_graph()
    checker.check_relations(order)
    checker.check_checks()
    checker.check_sinks()
    if checker.problems:
        raise SpecError(checker.problems)
    warnings = tuple(sorted([*checker.unused(), *rerouted_models(pipeline, project, profile)]))
    resolved = with_key_checks(replace(pipeline, sources=checker.sources), order)
    mappings = tuple(sorted(checker.mappings))
    return Checked(resolved, project, profile, tuple(order), checker.columns, checker.steps, warnings, mappings)


def check_again(checked: Checked, chains: Mapping[str, tuple[Use, ...]]) -> Checked:
    """The checked pipeline with steps whose labels were read. Raises SpecError if other steps or sinks do not fit the labels."""
    pipeline = replace(checked.pipeline, chains=chains)
    checker = _Checker(pipeline, checked.project, checked.profile, NO_PUBLISHERS)
    checker.columns |= checked.columns
    checker.steps |= checked.steps
    for name in checked.order:
        if name in chains:
            checker.check_chain(name, chains[name])
    checker.check_sinks()
    if checker.problems:
        raise SpecError(checker.problems)
    return replace(checked, pipeline=pipeline, columns=checker.columns, steps=checker.steps)


def _scope(
    pipeline: Pipeline,
    project: Project,
    places: Places,
    where: Keys,
    relations: Mapping[str, Columns],
    problems: list[Diagnostic],
    sight: Sight,
    publishers: Publishers = NO_PUBLISHERS,
    mappings: set[str] | None = None,
) -> Scope:
    def mapping(name: str) -> LabelMapping | None:
        if mappings is not None:
            mappings.add(name)
        try:
            return load_mapping(project, name)
        except SpecError as error:
            problems.extend(error.diagnostics)
            sight.is_blind = True
            return LabelMapping(name, ())

    names = (*pipeline.sources, *pipeline.chains)
    return Scope(
        pipeline.origin,
        where,
        pipeline.values_at(where),
        relations,
        mapping,
        project.mapping_names,
        problems,
        places,
        names,
        sight,
        publishers,
    )


class _Checker:
    def __init__(self, pipeline: Pipeline, project: Project, profile: Profile, publishers: Publishers) -> None:
        self.pipeline = pipeline
        self.publishers = publishers
        self.sources: dict[str, Use] = dict(pipeline.sources)
        self.project = project
        self.profile = profile
        self.places = project.places(pipeline.values, profile)
        self.document = pipeline.document
        self.problems: list[Diagnostic] = list(pipeline.mistakes)
        self.columns: dict[str, Columns] = {}
        self.steps: dict[str, tuple[Columns, ...]] = {}
        self.sights: dict[str, Sight] = {}
        self.mappings: set[str] = set()
        self.publishing: dict[str, frozenset[str]] = {}  # of each relation: who publishes the tables it is made from

    def scope(self, where: Keys, sight: Sight, relations: Mapping[str, Columns] | None = None) -> Scope:
        known = self.columns if relations is None else relations
        return _scope(
            self.pipeline,
            self.project,
            self.places,
            where,
            known,
            self.problems,
            sight,
            self.publishers,
            self.mappings,
        )

    def complain(self, where: Keys, code: str, message: str, fix: str = "") -> None:
        self.problems.append(self.document.diagnose_key(where, code, message, fix))

    def check_names(self) -> None:
        for family in ("sources", "steps", "sinks", "params"):
            for name in self.document.value.get(family) or {}:
                if not NAME.match(name):
                    fix = "use letters a to z, digits and `_`, at most 64, no digit first"
                    self.complain((family, name), "bad-name", f"`{name}` is not a name", fix)
        taken = {name.lower(): ("source", name) for name in self.pipeline.sources}
        for name in self.pipeline.chains:
            if name.lower() in taken:
                kind, other = taken[name.lower()]
                message = f"there is already a {kind} `{other}`; names are compared without letter case"
                self.complain(("steps", name), "duplicate-name", message, "rename one of them")
            taken[name.lower()] = ("step chain", name)

    def check_graph(self) -> list[str]:
        reads: dict[str, list[str]] = {name: [] for name in self.pipeline.sources}
        known = {
            name.lower(): name for name in (*self.pipeline.sources, *self.pipeline.chains)
        }  # SQL names relations in any case
        for name, chain in self.pipeline.chains.items():
            reads[name] = [known.get(other.lower(), other) for use in chain for other, _ in use.value.reads()]
        order, cycles = in_order(reads)
        for cycle in cycles:
            path = " -> ".join(f"`{name}`" for name in cycle)
            message, fix = f"a relation depends on itself: {path}", "read another relation in one of them"
            if not set(cycle) & set(self.pipeline.sources):  # that name is reported already
                self.complain(("steps", cycle[0]), "cycle", message, fix)
            for name in cycle:  # until its turn comes nothing is known of it, and that is said once
                self.columns[name], self.sights[name] = Columns(()), Sight(is_blurred=True, is_blind=True)
        return order

    def check_relations(self, order: Iterable[str]) -> None:
        for name in order:
            if name in self.pipeline.sources:
                self.check_source(name, self.pipeline.sources[name])
            else:
                self.check_chain(name, self.pipeline.chains[name])

    def check_source(self, name: str, use: Use) -> None:
        before, sight = len(self.problems), Sight()
        scope = self.scope(use.where, sight, {})
        use = self.sources[name] = replace(use, value=use.value.resolve(scope))
        self.columns[name], self.sights[name] = use.value.output(scope), sight
        verify_connection(self.profile, use, scope)
        at = getattr(use.value, "published_at", "")
        self.publishing[name] = frozenset([f"the columns of `{name}` are those that {at}"] if at else ())
        sight.is_blurred |= len(self.problems) > before
        sight.look_at(self.columns[name])

    def check_chain(self, name: str, chain: tuple[Use, ...]) -> None:
        columns, sight = Columns(()), Sight()
        found: list[Columns] = []
        self.publishing[name] = self.publishing_of(chain)
        for index, use in enumerate(chain):
            before = len(self.problems)
            for other, _ in use.value.reads():
                sight.follow(self.sight_of(other))
            self.check_place(name, index, use, sight)
            scope = self.scope(use.where, sight)
            verify_models(self.profile, use, scope)
            given, columns = columns, use.value.output(columns, scope)
            self.problems[before:] = without_consequences(self.problems[before:])
            self.name_publishers(before, name, given)
            sight.is_blurred |= len(self.problems) > before
            sight.look_at(columns)
            found.append(columns)
        self.columns[name], self.steps[name], self.sights[name] = columns, tuple(found), sight

    def name_publishers(self, before: int, name: str, columns: Columns) -> None:
        """Add to the mistakes since `before` about columns of a relation: where the tables are published from which the relation is made.

        If `columns` depend on labels that are known only in a run, add that a missing column could be one of these.
        """
        places = "; ".join((*sorted(self.publishing.get(name, ())), *([NOT_LISTED] if columns.awaits_labels else ())))
        if places:
            self.problems[before:] = [
                replace(found, fix=f"{found.fix}; {places}" if found.fix else places)
                if found.code in ("unknown-column", "type-mismatch")
                else found
                for found in self.problems[before:]
            ]

    def publishing_of(self, chain: tuple[Use, ...]) -> frozenset[str]:
        """The pipelines of the project that publish the tables of a chain."""
        reads = (other for use in chain for other, _ in use.value.reads())
        return frozenset(text for other in reads for text in self.publishing.get(other, ()))

    def sight_of(self, name: str) -> Sight:
        """The columns of a relation; for a misspelled name, those of the relation with the most similar name."""
        return self.sights.get(name) or self.sights.get(closest(name, self.sights) or "") or Sight()

    def check_place(self, name: str, index: int, use: Use, sight: Sight) -> None:
        if index == 0 and use.value.place_in_chain == "later":
            self.complain(
                use.where,
                "missing-key",
                f"`{name}` has no `from`",
                "start the chain with `- from: RELATION`",
            )
            sight.is_blind = True
        if index > 0 and use.value.place_in_chain == "first":
            fix = "start another chain, or use `join` to add the columns of another relation"
            self.complain(use.where, "not-allowed-here", f"`{use.kind}` must be the first step of a chain", fix)

    def check_checks(self) -> None:
        for name, uses in self.pipeline.checks.items():
            columns = self.relation(name, ("checks", name))
            if columns is None:
                continue
            for use in uses:
                sight = Sight()
                for other in (name, *(other for other, _ in use.value.reads())):
                    sight.follow(self.sight_of(other))
                before, scope = len(self.problems), self.scope(use.where, sight)
                use.value.verify(columns, scope)
                if use.value.where is not None:
                    scope.condition(columns, use.value.where, "where")
                self.name_publishers(before, name, columns)

    def check_sinks(self) -> None:
        taken: dict[
            tuple[str, str], dict[str, str]
        ] = {}  # the parts of each table or file, and the sinks that write them
        for name, use in self.pipeline.sinks.items():
            sight = Sight()
            sight.follow(self.sight_of(use.value.from_))
            scope = self.scope(use.where, sight)
            columns = scope.relation(use.value.from_, "from")
            verify_connection(self.profile, use, scope)
            before = len(self.problems)
            use.value.verify(columns, scope)
            if columns.awaits_labels and (use.value.is_view() or not use.value.replaces_all()):
                message = f"`{use.value.from_}` has a column for each label in the data, so its columns can differ in every run"
                fix = "publish it with `write: replace` or `files`, or list the labels: `labels: [...]`"
                self.complain(use.where, "not-allowed-here", message, fix)
            self.name_publishers(before, use.value.from_, columns)
            connection, target, part = use.value.place(name)
            if connection and target.lower().startswith(OWN_TABLES):
                message = f"`{target}` could be one of etlrun's own tables"
                self.complain(use.where, "bad-name", message, "choose a name that does not begin with `etlrun_`")
            others = taken.setdefault((connection, target), {})
            other = next((sink for written, sink in others.items() if not (written and part) or written == part), None)
            if other is not None:
                fix = "publish only one relation there (`from: [a, b]` combines several), or replace a different part with each: `write: {replace_where: ...}`"
                self.complain(use.where, "shared-sink", f"`{name}` writes to `{target}`, and so does `{other}`", fix)
            others.setdefault(part, name)

    def relation(self, name: str, where: Keys) -> Columns | None:
        if name in self.columns:
            return self.columns[name]
        fix = nearest(name, tuple(self.columns)) or "the relations are " + ", ".join(self.columns)
        self.complain(where, "unknown-relation", f"there is no source or step chain `{name}`", fix)
        return None

    def unused(self) -> Iterator[Diagnostic]:
        """Report relations that nothing reads, checks or publishes."""
        uses = [use for group in (*self.pipeline.chains.values(), *self.pipeline.checks.values()) for use in group]
        read = {other.lower() for use in uses for other, _ in use.value.reads()}
        used = (
            read
            | {use.value.from_.lower() for use in self.pipeline.sinks.values()}
            | {name.lower() for name in self.pipeline.checks}
        )
        for family, names in (("sources", self.pipeline.sources), ("steps", self.pipeline.chains)):
            for name in names:
                if name.lower() not in used:
                    yield self.document.diagnose_key(
                        (family, name),
                        "unused",
                        f"nothing reads or publishes `{name}`",
                        "remove it, or add a sink",
                        severity="warning",
                    )
