"""Pivots whose labels are read in a run: which steps these are, and the pipeline with the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from etlrun.compiler.check import Checked, check_again
from etlrun.compiler.step_checks import with_step_checks
from etlrun.contracts.label_source import LabelSource
from etlrun.spec.project import Use


@dataclass(frozen=True)
class OpenPivot:
    """A step that takes its labels from a column. `place` is its name: the chain, and the number of the step there."""

    chain: str
    place: str
    use: Use
    source: LabelSource


def open_pivots(checked: Checked) -> Iterator[OpenPivot]:
    """The steps that take their labels from a column, sorted: first those from which the column of another is computed."""
    for name in checked.order:
        for number, use in enumerate(checked.pipeline.chains.get(name, ()), 1):
            source = use.value.label_source()
            if source is not None:
                yield OpenPivot(name, f"{name}.{number}", use, source)


def found_labels(checked: Checked) -> dict[str, list[str]]:
    """The labels that were read, by the place of the step."""
    return {pivot.place: list(pivot.source.found) for pivot in open_pivots(checked) if pivot.source.found is not None}


def with_labels(checked: Checked, labels: Mapping[str, Sequence[str]]) -> Checked:
    """The checked pipeline with these labels, given by the place of the step. Raises SpecError if they do not fit.

    Chains that also need labels that are not read yet are left out: they cannot be checked yet.
    """
    if not labels:
        return checked
    chains = {
        name: tuple(_with_labels(use, labels.get(f"{name}.{number}")) for number, use in enumerate(chain, 1))
        for name, chain in checked.pipeline.chains.items()
    }
    of_found, of_others = _made_from(checked, set(labels)), _made_from(checked, _awaited(checked) - set(labels))
    order = tuple(name for name in checked.order if name not in of_found & of_others)
    return with_step_checks(check_again(replace(checked, order=order), chains))


def _awaited(checked: Checked) -> set[str]:
    return {pivot.place for pivot in open_pivots(checked) if pivot.source.found is None}


def _made_from(checked: Checked, places: set[str]) -> set[str]:
    """The chains with the steps at `places`, and all chains that read them directly or indirectly."""
    found = {place.rpartition(".")[0] for place in places}
    for name in checked.order:
        reads = (other for use in checked.pipeline.chains.get(name, ()) for other, _ in use.value.reads())
        if any(other.lower() in {one.lower() for one in found} for other in reads):
            found.add(name)
    return found


def _with_labels(use: Use, labels: Sequence[str] | None) -> Use:
    return use if labels is None else replace(use, value=use.value.with_labels(tuple(labels)))
