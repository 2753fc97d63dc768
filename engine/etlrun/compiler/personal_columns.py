"""Columns with the tag `pii`: columns computed from them have the tag too.

A step sends them to a model only if `allow_pii` names them. No pivot takes its labels from them, because labels become names of columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from etlrun.compiler.check import Checked
from etlrun.compiler.found_labels import open_pivots
from etlrun.compiler.plan import Relation, make_plan
from etlrun.compiler.relation_lineage import plan_lineage
from etlrun.contracts.step import Ask
from etlrun.diagnostics import Diagnostic, nearest
from etlrun.language.influence import NOTHING, Lineage, RelationLineage
from etlrun.spec.mappings import file_of_mapping
from etlrun.spec.project import load_mapping

Place = tuple[str, str]  # a connection, and a table of it in lower case
PersonalTables = Mapping[Place, frozenset[str]]  # the tagged columns of each, in lower case


@dataclass(frozen=True)
class _Published:
    """A table that a pipeline publishes: for each column, in lower case, from what its values are computed."""

    checked: Checked
    place: Place
    columns: Mapping[str, Lineage]


def personal_tables(pipelines: Iterable[Checked]) -> PersonalTables:
    """The columns that these pipelines publish and that are computed from tagged columns, also through each other's tables."""
    published = [one for checked in pipelines for one in _published(checked)]
    found: dict[Place, frozenset[str]] = {}
    while True:
        more = dict(found)
        for one in published:
            tagged = _tagged(one.checked, found)
            columns = (name for name, lineage in one.columns.items() if _named(lineage) & tagged)
            more[one.place] = more.get(one.place, frozenset()).union(columns)
        if more == found:
            return found
        found = more


def _published(checked: Checked) -> Iterator[_Published]:
    if not reads_tables(checked) and not _tagged(checked, {}):
        return
    lineages = plan_lineage(make_plan(checked), {})
    for sink, use in checked.pipeline.sinks.items():
        written = use.value.table_written(sink)
        if written is not None:
            columns = {name.lower(): lineage for name, lineage in lineages[use.value.from_].columns.items()}
            yield _Published(checked, (written[0], written[1].lower()), columns)


def reads_tables(checked: Checked) -> bool:
    return any(use.value.table_read() for use in checked.pipeline.sources.values())


def refuse_unallowed(checked: Checked, tables: PersonalTables, unread: Sequence[str]) -> list[Diagnostic]:
    """The mistakes of steps that send tagged columns to models, allow columns that they do not use, or take names of columns from tagged values.

    While the files `unread` have mistakes, it is not known which columns of a table are tagged; then no column of a table is sent.
    """
    tagged = _tagged(checked, tables)
    problems: list[Diagnostic] = []
    plan = make_plan(checked)
    lineages = plan_lineage(plan, {})
    for relation in plan.relations:
        if relation.ask is not None:
            given = lineages[relation.reads[0]]
            refused = list(_refused(checked, relation, relation.ask, given, tagged))
            places = {(found.line, found.column) for found in refused}
            unknown = _unknown(checked, relation, relation.ask, given, unread[0]) if unread else ()
            problems += [*(found for found in unknown if (found.line, found.column) not in places), *refused]
    return [*problems, *_refused_labels(checked, lineages, tagged)]


def _refused_labels(
    checked: Checked, lineages: Mapping[str, RelationLineage], tagged: frozenset[str]
) -> Iterator[Diagnostic]:
    for pivot in open_pivots(checked):
        lineage = lineages[pivot.source.relation].column(pivot.source.column) or NOTHING
        names = sorted(_named(lineage) & tagged)
        if names:
            where = checked.scope(pivot.use.where).place(("pivot", "labels", "from"))
            tagged_ones = " and ".join(f"`{name}`" for name in names)
            message = f"the labels would be names of columns, but {tagged_ones} {'is' if len(names) == 1 else 'are'} tagged `pii`"
            fix = "pivot by a column that is not made from it, or list the labels: `labels: [A, B]`"
            yield checked.pipeline.document.diagnose(where, "pii-in-names", message, fix)


def _unknown(
    checked: Checked, relation: Relation, ask: Ask, given: RelationLineage, unread: str
) -> Iterator[Diagnostic]:
    use = checked.pipeline.chains[relation.name.split(".")[0]][relation.step]
    for index, part in enumerate(ask.parts):
        origins = sorted((given.column(part) or NOTHING).direct)
        read = [one for one in origins if checked.pipeline.sources[one.relation].value.table_read()]
        if read:
            where = checked.scope(use.where).place(("key", index))
            message = f"`{part}` is made from `{read[0]}`, and it is not known whether that has the tag `pii`, because {unread} has mistakes"
            yield checked.pipeline.document.diagnose(
                where, "pii-in-prompt", message, "correct that file first: `etlrun check`"
            )


def may_disclose(checked: Checked) -> bool:
    """Whether a step sends values to a model, or uses them as names of columns."""
    steps = (use.value for chain in checked.pipeline.chains.values() for use in chain)
    return any(list(step.models()) or step.label_source() for step in steps)


def _refused(
    checked: Checked, relation: Relation, ask: Ask, given: RelationLineage, tagged: frozenset[str]
) -> Iterator[Diagnostic]:
    use = checked.pipeline.chains[relation.name.split(".")[0]][relation.step]
    document = checked.pipeline.document
    allowed = {name.lower() for name in ask.allowed}
    reaching = {part: sorted(_named(given.column(part) or NOTHING) & tagged) for part in ask.parts}
    known = tuple(dict.fromkeys(name for names in reaching.values() for name in names))
    kept = [name for name in ask.allowed if name.lower() in (found.lower() for found in known)]
    for index, part in enumerate(ask.parts):
        missing = [name for name in reaching[part] if name.lower() not in allowed]
        if missing:
            names = " and ".join(f"`{name}`" for name in missing)
            of = "" if missing == [part] else f"is made from {names}, which "
            fix = f"ask about another column, or allow it in this step: `allow_pii: [{', '.join((*kept, *missing))}]`"
            where = checked.scope(use.where).place(("key", index))
            message = (
                f"`{part}` {of}{'is' if len(missing) == 1 else 'are'} tagged `pii`, and this step sends it to a model"
            )
            yield document.diagnose(where, "pii-in-prompt", message, fix)
    for index, name in enumerate(ask.allowed):
        if name not in kept:
            where = checked.scope(use.where).place(("allow_pii", index))
            message = f"this prompt uses no column `{name}` with the tag `pii`"
            yield document.diagnose(where, "wrong-value", message, nearest(name, known) or "remove it")


def _named(lineage: Lineage) -> frozenset[str]:
    """From what a value is computed, as `allow_pii` names it: columns of sources, and mappings that give its labels."""
    return frozenset((*map(str, lineage.direct), *lineage.labels_of))


def _tagged(checked: Checked, tables: PersonalTables) -> frozenset[str]:
    """The tagged columns and mappings that a pipeline reads, as `allow_pii` names them."""
    found = {file_of_mapping(name) for name in checked.mappings if _is_tagged(checked, name)}
    for source, use in checked.pipeline.sources.items():
        own = {name.lower() for name in use.value.personal()}
        own.update(*(columns for place, columns in tables.items() if _may_be(use.value.table_read(), place)))
        found |= {f"{source}.{item.name}" for item in checked.columns[source] if item.name.lower() in own}
    return frozenset(found)


def _may_be(read: Place | None, published: Place) -> bool:
    """Whether a source may read that table: `people` may be `main.people`, because only the server knows its default schema."""
    if read is None or read[0] != published[0]:
        return False
    one, other = (name.split(".") if read[0] else [name] for _, name in (read, published))
    return one[-min(len(one), len(other)) :] == other[-min(len(one), len(other)) :]


def _is_tagged(checked: Checked, name: str) -> bool:
    mapping = load_mapping(checked.project, name)
    return mapping is not None and mapping.is_personal
