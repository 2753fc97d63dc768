"""The keys of sources and the declared columns of sinks as checks, which are verified before a pipeline publishes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from etlrun.spec.pipeline import Pipeline
from etlrun.spec.project import Use
from etlrun.spec.registry import kinds


def with_key_checks(pipeline: Pipeline, order: Iterable[str]) -> Pipeline:
    """The checked pipeline with additional checks: `unique` for each `key` of a source that a sink or check needs, `unique` and `not_null`
    for the `key` of a lake table, and `not_null` for the columns that a sink declares as `not null`."""
    found = {name: list(uses) for name, uses in pipeline.checks.items()}
    for name in needed_relations(pipeline, order):
        use = pipeline.sources.get(name)
        if use is not None and use.value.key_:
            check = kinds("checks")["unique"](columns=use.value.key_)
            found.setdefault(name, []).append(Use("unique", check, (*use.where, "key")))
    for use in pipeline.sinks.values():
        needs = (("unique", "key", use.value.identified_by()), ("not_null", "key", use.value.identified_by()))
        checks = found.setdefault(use.value.from_, [])
        for kind, place, columns in (*needs, ("not_null", "columns", use.value.required())):
            if columns and not _is_checked(checks, kind, columns):
                checks.append(Use(kind, kinds("checks")[kind](columns=columns), (*use.where, place)))
    return replace(pipeline, checks={name: tuple(uses) for name, uses in found.items() if uses})


def _is_checked(checks: Iterable[Use], kind: str, columns: Iterable[str]) -> bool:
    """Whether the pipeline has this check of these columns already."""
    wanted = {name.lower() for name in columns}
    return any(
        (use.kind, use.value.where, use.value.severity) == (kind, None, "error")
        and {name.lower() for name in use.value.columns} == wanted
        for use in checks
        if use.where[0] != "steps"
    )


def stages_nothing(use: Use) -> bool:
    """Whether a check tests rows before they are published: the `key` of a source, or the input of a step."""
    return is_key_of_source(use) or use.where[0] == "steps"


def is_key_of_source(use: Use) -> bool:
    """Whether it is the check for the `key` of a source."""
    return use.where[0] == "sources"


def needed_relations(pipeline: Pipeline, relations: Iterable[str]) -> list[str]:
    """The relations that sinks and checks need, directly or indirectly."""
    order = list(relations)
    checks = [use for uses in pipeline.checks.values() for use in uses]
    wanted = {use.value.from_.lower() for use in pipeline.sinks.values()} | {name.lower() for name in pipeline.checks}
    wanted |= {other.lower() for use in checks for other, _ in use.value.reads()}
    for name in reversed(order):
        if name.lower() in wanted:
            wanted |= {other.lower() for use in pipeline.chains.get(name, ()) for other, _ in use.value.reads()}
    return [name for name in order if name.lower() in wanted]
