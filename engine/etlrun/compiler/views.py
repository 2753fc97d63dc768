"""The relation of a `view` sink as one query over tables of the database. Reports steps that the database cannot compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from sqlglot import exp

from etlrun.compiler.check import OWN_TABLES, Checked
from etlrun.compiler.plan import Plan, Relation, make_plan
from etlrun.contracts.connection import QueryWriter
from etlrun.diagnostics import Diagnostic
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.language.queries import tables_in
from etlrun.spec.project import Use
from etlrun.spec.scope import HIDDEN

_FIX = "publish a `table` instead, or compute it in a pipeline whose table this one reads; docs/sinks.md says what a view may hold"


def verify_views(checked: Checked) -> list[Diagnostic]:
    """The parts of view sinks that a database would compute differently from the pipeline."""
    views = (_View(checked, use) for use in checked.pipeline.sinks.values() if use.value.is_view())
    return [problem for view in views for problem in view.problems()]


def view_query(checked: Checked, use: Use) -> str:
    """The query of a view without mistakes (see `verify_views`)."""
    return _View(checked, use).query()


@dataclass(frozen=True)
class _View:
    """A view sink of a pipeline."""

    checked: Checked
    use: Use

    @cached_property
    def plan(self) -> Plan:
        """The pipeline without its checks, so that it has no hidden sums."""
        return make_plan(replace(self.checked, pipeline=replace(self.checked.pipeline, checks={})))

    @cached_property
    def writer(self) -> QueryWriter | None:
        found: QueryWriter | None = self.checked.profile.connections[self.use.value.connection].value.queries()
        return found

    @cached_property
    def tables(self) -> dict[str, str]:
        """The relations that are tables of the connection, with their names there: sources, and relations that the pipeline publishes as a whole."""
        connection = self.use.value.connection
        found = {}
        for sink, use in self.checked.pipeline.sinks.items():
            hidden = any(item.name.startswith(HIDDEN) for item in self.checked.columns[use.value.from_])
            is_there = use.value.place(sink)[0] == connection and use.value.table_name(sink)
            if is_there and use.value.replaces_all() and not use.value.is_view() and not hidden:
                found[use.value.from_] = use.value.table_name(sink)
        for source, use in self.checked.pipeline.sources.items():
            place = use.value.table_read()
            if place is not None and place[0] == connection:
                found[source] = use.value.table
        return found

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        return self.plan.needed((self.use.value.from_,), self.tables)

    def problems(self) -> Iterator[Diagnostic]:
        """Report inputs that are not tables of the connection, and steps that the database might compute differently."""
        if self.writer is None:
            message = f"the connection `{self.use.value.connection}` has no views"
            yield self.diagnose(
                (*self.use.where, "connection"), message, "publish a `table`, or use another connection"
            )
            return
        own = self.use.value.place(self.use.where[1])[1]
        for relation in self.relations:
            if relation.name in self.tables:
                if self.tables[relation.name].lower() == own:
                    message = f"the view `{own}` would read itself through `{relation.name}`"
                    yield self.diagnose(self.use.where, message, "give the view another name: `view: NAME`")
            elif relation.source is not None:
                message = f"`{relation.name}` is not a table of `{self.use.value.connection}`; a view can read only tables of its connection"
                fix = f"publish `{relation.name}` there first with `table: {{from: {relation.name}, connection: {self.use.value.connection}, write: replace}}`"
                yield self.diagnose((*self.use.where, "from"), message, fix)
            elif relation.apply or relation.ask:
                use = self.checked.pipeline.chains[relation.name.partition(".")[0]][relation.step]
                yield self.diagnose(use.where, f"a view cannot contain the step `{use.kind}`", _FIX)
            else:
                yield from self.unlike(relation)

    def unlike(self, relation: Relation) -> Iterator[Diagnostic]:
        assert self.writer is not None
        for piece in relation.pieces:
            try:
                self.writer.query(piece.tree)
            except RunFailure as failure:
                use = self.checked.pipeline.chains[relation.name.partition(".")[0]][piece.step]
                yield self.diagnose(use.where, f"in the view `{self.use.where[1]}` {failure.message}", _FIX)

    def diagnose(self, where: tuple[str | int, ...], message: str, fix: str) -> Diagnostic:
        return self.checked.pipeline.document.diagnose_key(where, "view-unlike", message, fix)

    def query(self) -> str:
        """One SELECT with a CTE for each table and step, numbered: their own names may be too long for the server."""
        assert self.writer is not None
        names: dict[str, str] = {}
        parts: list[str] = []
        for relation in self.relations:
            table = self.tables.get(relation.name)
            queries = {relation.name: self.writer.table(table, _shown(relation.columns))} if table else {}
            for index, piece in enumerate(() if table else relation.pieces):
                name = relation.name if index == len(relation.pieces) - 1 else piece.name
                queries[name] = self.writer.query(_renamed(piece.tree, {**names, **_numbered(queries, len(names))}))
            names.update(_numbered(queries, len(names)))
            parts += [f"{self.writer.name(names[name.lower()])} AS ({query})" for name, query in queries.items()]
        last = self.use.value.from_
        shown = ", ".join(self.writer.name(item.name) for item in _shown(self.checked.columns[last]))
        return f"WITH {', '.join(parts)} SELECT {shown} FROM {self.writer.name(names[last.lower()])}"


def _numbered(names: Iterable[str], before: int) -> dict[str, str]:
    """The name of each CTE, by its table or step in lower case."""
    return {name.lower(): f"{OWN_TABLES[0]}{number}" for number, name in enumerate(names, before + 1)}


def _shown(columns: Columns) -> Columns:
    return Columns(tuple(item for item in columns if not item.name.startswith(HIDDEN)))


def _renamed(query: exp.Query, names: Mapping[str, str]) -> exp.Query:
    """A SELECT that reads other CTEs by their numbers; qualified columns are changed in the same way."""
    tree = query.copy()
    qualifiers = {column.table.lower() for column in tree.find_all(exp.Column)}
    for name, table in tables_in(tree):
        table.set("this", exp.to_identifier(names[name.lower()], quoted=True))
        if not table.alias and name.lower() in qualifiers:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    return tree
