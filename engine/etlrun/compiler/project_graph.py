"""The dependency graph of a project: a pipeline runs after those whose tables it reads, and the columns of these tables are checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from etlrun.collector import not_collecting
from etlrun.compiler.check import Checked
from etlrun.compiler.graph import in_order
from etlrun.compiler.producers import ProjectPipelines, published_tables
from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.language.columns import Column, Type
from etlrun.spec.located import Keys
from etlrun.spec.project import Use
from etlrun.spec.published import CircularPipelinesError, PublishedTable

INTEGERS = ("tinyint", "smallint", "int", "bigint")
Place = tuple[str, str]  # a connection, and a table of it in lower case


@dataclass(frozen=True)
class ProjectGraph:
    """The pipelines of a project by name, each after the pipelines whose tables it reads, with these pipelines."""

    pipelines: Mapping[str, Checked]
    upstream: Mapping[str, tuple[str, ...]]
    publishers: Mapping[Place, tuple[PublishedTable, ...]]

    def made_from(self, name: str) -> tuple[str, ...]:
        """The pipelines whose tables a pipeline reads; not other runs of the same pipeline that only come before it."""
        own = self.pipelines[name].pipeline.name
        return tuple(other for other in self.upstream[name] if self.pipelines[other].pipeline.name != own)

    def read_tables(self, name: str) -> dict[str, tuple[PublishedTable, ...]]:
        """The sources of a pipeline that read tables of other pipelines, each with the pipelines that publish it."""
        found = {}
        for source, place, _ in tables_read(self.pipelines[name]):
            others = tuple(table for table in self.publishers.get(place, ()) if table.pipeline != name)
            if others:
                found[source] = others
        return found


@not_collecting()
def read_graph(pipelines: ProjectPipelines) -> ProjectGraph:
    """The graph of a whole project. Raises SpecError with every mistake in its pipelines and between them."""
    checked, problems = check_all(pipelines)
    graph, more = make_graph(checked)
    if problems or more:
        raise SpecError(sorted({*problems, *more}))
    return graph


def check_all(pipelines: ProjectPipelines) -> tuple[list[Checked], list[Diagnostic]]:
    """The pipelines of a project without mistakes, and the mistakes of the others."""
    checked: list[Checked] = []
    problems: list[Diagnostic] = []
    for path in pipelines.files:
        try:
            checked.append(pipelines.check(path))
        except SpecError as error:
            problems += error.diagnostics
    return checked, problems


def make_graph(checked: Sequence[Checked]) -> tuple[ProjectGraph, list[Diagnostic]]:
    """The graph of pipelines without mistakes of their own, and the mistakes between them."""
    published = [published_tables(one) for one in checked]
    problems = [*_same_names(checked), *_same_tables(checked, published)]
    publishers: dict[Place, tuple[PublishedTable, ...]] = {}
    for table in (table for tables in published for table in tables.values()):
        place = (table.connection, table.table.lower())
        publishers[place] = (*publishers.get(place, ()), table)
    by_name = {one.pipeline.name: one for one in reversed(checked)}
    graph = ProjectGraph(by_name, {}, publishers)
    upstream = {
        name: tuple(dict.fromkeys(table.pipeline for tables in graph.read_tables(name).values() for table in tables))
        for name in sorted(by_name)
    }
    problems += [problem for name in by_name for problem in _unfit(graph, name)]
    order, cycles = in_order(upstream)
    problems += [_cycle(graph, cycle) for cycle in cycles]
    return ProjectGraph({name: by_name[name] for name in order}, upstream, publishers), problems


def find_unpublished(checked: Sequence[Checked], pipelines: ProjectPipelines) -> list[Diagnostic]:
    """Mistakes about columns that sources read from tables of the project, but that the publishing pipeline does not publish with this type.

    The table itself may still have such a column, without new values. Other pipelines with mistakes are skipped.
    """
    tables = {table.rpartition(".")[2] for one in checked for _, (_, table), _ in tables_read(one) if table}
    others: list[Checked] = []
    for path in pipelines.files_with(tables) if tables else ():
        with suppress(SpecError, CircularPipelinesError):
            others.append(pipelines.check_names(path))
    graph = make_graph([*checked, *others])[0] if others else None
    return [found for one in checked for found in _unfit(graph, one.pipeline.name)] if graph else []


def tables_read(checked: Checked) -> Iterator[tuple[str, Place, Use]]:
    """The sources of a pipeline that read tables, with the place of each."""
    for source, use in checked.pipeline.sources.items():
        place = use.value.table_read()
        if place is not None:
            yield source, place, use


def _same_names(checked: Sequence[Checked]) -> Iterator[Diagnostic]:
    seen: dict[str, Checked] = {}
    for one in checked:
        other = seen.setdefault(one.pipeline.name.lower(), one)
        if other is not one:
            message = f"the pipeline in {other.pipeline.document.file} has the same name, `{other.pipeline.name}`"
            yield one.pipeline.document.diagnose(("pipeline",), "duplicate-name", message, "rename one of them")


def _same_tables(checked: Sequence[Checked], published: Sequence[Mapping[str, PublishedTable]]) -> Iterator[Diagnostic]:
    """Mistakes about tables that two pipelines write, unless they replace different parts of it, or both append to it."""
    seen: dict[Place, list[tuple[str, str, PublishedTable]]] = {}
    for one, tables in zip(checked, published, strict=True):
        for sink, use in one.pipeline.sinks.items():
            if sink not in tables:
                continue
            table, part = tables[sink], use.value.place(sink)[2]
            others = seen.setdefault((table.connection, table.table.lower()), [])
            for pipeline, written, other in others:
                if pipeline != one.pipeline.name and not (written and part and written != part):
                    yield one.pipeline.document.diagnose_key(
                        ("sinks", sink),
                        "shared-sink",
                        f"`{sink}` writes to `{table.table}`, and so does the pipeline `{pipeline}` ({other.place})",
                        "publish to another table, or another part of it with each: `write: {replace_where: ...}`",
                    )
                    break
            others.append((one.pipeline.name, part, table))


def _cycle(graph: ProjectGraph, cycle: list[str]) -> Diagnostic:
    names = cycle if cycle[0] == cycle[-1] else [*cycle, cycle[0]]
    first = graph.pipelines[names[0]]
    path = " -> ".join(f"`{name}`" for name in names)
    where = next(
        use.where
        for source, _, use in tables_read(first)
        if names[1] in {table.pipeline for table in graph.read_tables(names[0]).get(source, ())}
    )
    message = f"pipelines depend on each other: {path} (each reads the next)"
    return first.pipeline.document.diagnose_key(where[:2], "cycle", message, "read another table in one of them")


def _unfit(graph: ProjectGraph, name: str) -> Iterator[Diagnostic]:
    """Mistakes about declared columns of sources that differ from the columns that another pipeline publishes."""
    one = graph.pipelines[name]
    for source, _, use in tables_read(one):
        for table in graph.read_tables(name).get(source, ()):
            for column in one.columns[source]:
                found = _unfit_column(one, use, column, table)
                if found is not None:
                    yield found


def _unfit_column(one: Checked, use: Use, column: Column, table: PublishedTable) -> Diagnostic | None:
    there = table.columns.get(column.name)
    declared = getattr(use.value, "columns", {})
    where: Keys = (*use.where, "columns", column.name) if column.name in declared else use.where
    document = one.pipeline.document
    if there is None and table.awaits_labels:  # the run compares it with the table
        return None
    if there is None:
        message = f"`{table.pipeline}` publishes no column `{column.name}` in `{table.table}` ({table.place})"
        fix = nearest(column.name, table.columns.names) or f"its columns are {', '.join(table.columns.names)}"
        return document.diagnose_key(where, "unknown-column", message, fix)
    if fits(there.type, column.type):
        return None
    message = f"`{column.name}` is {there.type} where `{table.pipeline}` publishes it ({table.place}), but {column.type} is declared"
    fix = f"declare {there.type}, and `cast` it in a step, or change what is published"
    return document.diagnose(where, "type-mismatch", message, fix)


def fits(given: Type, declared: Type) -> bool:
    """Whether a type has every value of another one: the same type, or a wider one."""
    if given == declared:
        return True
    if given.name in INTEGERS and declared.name in INTEGERS:
        return INTEGERS.index(given.name) < INTEGERS.index(declared.name)
    if (given.name, declared.name) == ("float", "double"):
        return True
    if given.name == declared.name == "decimal":
        return declared.scale >= given.scale and declared.precision - declared.scale >= given.precision - given.scale
    return False
