"""The columns of sources that a run reads: those that its sinks, checks, functions and models need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from etlrun.compiler.checks import lower_check, lower_failing
from etlrun.compiler.found_labels import open_pivots
from etlrun.compiler.key_checks import is_key_of_source, stages_nothing
from etlrun.compiler.plan import Plan, Relation
from etlrun.compiler.relation_lineage import lineages_with_hidden
from etlrun.contracts.step import Apply, ReadTexts
from etlrun.language.columns import Columns
from etlrun.language.influence import NOTHING, Lineage, RelationLineage, together
from etlrun.language.query_lineage import query_lineage


def staged_relations(plan: Plan) -> tuple[str, ...]:
    """The relations whose rows a run stages: those that sinks publish, and those whose final rows are checked."""
    pipeline = plan.checked.pipeline
    published = [use.value.from_ for use in pipeline.sinks.values()]
    looked_at = [name for name, uses in pipeline.checks.items() if not all(map(stages_nothing, uses))]
    return tuple(dict.fromkeys([*published, *looked_at]))


def needed_relations(plan: Plan, staged: Sequence[str], *, is_checked: bool) -> tuple[Relation, ...]:
    """The relations that a run computes, in order: those in `staged`, with `is_checked` those that checks compare with, and all that these need."""
    checks = [use for uses in plan.checked.pipeline.checks.values() for use in uses] if is_checked else []
    names = {name.lower(): name for name in plan.checked.order}
    compared = [names[other.lower()] for use in checks for other, _ in use.value.reads()]
    return plan.needed((*staged, *compared))


def unread_columns(plan: Plan, staged: Sequence[str], *, is_checked: bool) -> dict[str, frozenset[str]]:
    """The columns that a run does not need to read, by source; none for sources that are always read as a whole.

    All columns of the relations `staged` are needed, and with `is_checked` the columns that checks use. At least one column of a source
    is read, so that its rows are counted.
    """
    needed = needed_relations(plan, staged, is_checked=is_checked)
    sources = [one for one in needed if one.source is not None and one.source.value.skips_columns]
    if not sources:
        return {}
    lineages = lineages_with_hidden(plan, {})
    parts = [_whole(lineages[name]) for name in staged]
    parts += [_handed_out(relation, lineages) for relation in needed]
    parts += _labels(plan, lineages)
    parts += _looked_at(plan, lineages) if is_checked else ()
    read = {(origin.relation, origin.column) for origin in together(parts).origins}
    return {one.name: _unread(one.columns, {column for name, column in read if name == one.name}) for one in sources}


def _unread(columns: Columns, read: set[str]) -> frozenset[str]:
    counted = read or {(columns.unique or columns.names)[0]}
    return frozenset(name for name in columns.names if name not in counted)


def _whole(lineage: RelationLineage) -> Lineage:
    return together((*lineage.columns.values(), lineage.rows))


def _handed_out(relation: Relation, lineages: Mapping[str, RelationLineage]) -> Lineage:
    """The columns that functions and models get. They are read even if the results are not used, because a function may fail because of them."""
    made_by = relation.apply or relation.ask
    if made_by is None:
        return NOTHING
    given = lineages[relation.reads[0]]
    if isinstance(made_by, Apply):
        return _whole(given)
    name = made_by.column if isinstance(made_by, ReadTexts) else made_by.key
    return together((given.column(name) or NOTHING, given.rows))


def _labels(plan: Plan, lineages: Mapping[str, RelationLineage]) -> Iterator[Lineage]:
    """The columns from which a run reads labels."""
    for pivot in open_pivots(plan.checked):
        if pivot.source.found is None:
            lineage = lineages[pivot.source.relation]
            yield together((lineage.column(pivot.source.column) or NOTHING, lineage.rows))


def _looked_at(plan: Plan, lineages: Mapping[str, RelationLineage]) -> Iterator[Lineage]:
    """The columns that checks read. A check that saves its failed rows reads all columns; the check of a source's key only the key."""
    known = {name.lower(): lineage for name, lineage in lineages.items()}
    for name, uses in plan.checked.pipeline.checks.items():
        for position, use in enumerate(uses):
            yield _whole(query_lineage(lower_check(plan, name, position), known))
            if not is_key_of_source(use) and lower_failing(plan, name, position, 1) is not None:
                yield _whole(lineages[use.value.of_relation() or name])
