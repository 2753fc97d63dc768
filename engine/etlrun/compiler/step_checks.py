"""The checks of steps on their input rows, as checks of their chains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from etlrun.compiler.check import Checked
from etlrun.compiler.key_checks import needed_relations
from etlrun.contracts.relation import Input
from etlrun.spec.project import Use


def with_step_checks(checked: Checked) -> Checked:
    """The checked pipeline with the checks of those steps that a sink or check needs."""
    found = {name: [use for use in uses if use.where[0] != "steps"] for name, uses in checked.pipeline.checks.items()}
    for name in needed_relations(checked.pipeline, checked.order):
        if asked := [*_of_chain(checked, name, checked.pipeline.chains.get(name, ()))]:
            found.setdefault(name, []).extend(asked)
    checks = {name: tuple(uses) for name, uses in found.items()}
    return replace(checked, pipeline=replace(checked.pipeline, checks=checks))


def _of_chain(checked: Checked, name: str, chain: tuple[Use, ...]) -> Iterator[Use]:
    for index, use in enumerate(chain[1:], 1):
        before = (chain[0].value.alias() if index == 1 else "") or f"{name}.{index}"  # the name that the plan gives it
        asked = use.value.check_of_rows(Input(before, checked.steps[name][index - 1], checked.scope(use.where)))
        if asked is not None:
            key, check = asked
            yield Use(key, check, (*use.where, key))
