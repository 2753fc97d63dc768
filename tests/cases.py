"""Cases of steps and checks: rows in, and what comes out of both engines or what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from etlrun.diagnostics import Diagnostic, SpecError
from running import Bench, both, check, in_order
from tables import read_example


@dataclass(frozen=True)
class Case:
    """A pipeline of a test, run on both engines."""

    spark: Any
    duck: Any
    folder: Path

    def gives(self, steps: str, rows: str, dates: Mapping[str, Any] | None = None) -> None:
        """The last chain of `steps` gives the table behind `->`, its names and types as declared, on both engines."""
        example = read_example(dedent(steps), rows)
        for bench in both(self.spark, self.duck, self.folder, example, dates):
            relation = list(bench.plan.checked.pipeline.chains)[-1]
            found = bench.rows(relation)
            declared = bench.plan.relation(relation).columns
            assert (found.names, found.types) == (example.outcome.names, tuple(column.type for column in declared))
            assert found.rows == in_order(example.outcome.rows(declared))

    def finds(self, steps: str, rows: str) -> None:
        """The only check of `steps` gives the verdict behind `->` on both engines."""
        example = read_example(dedent(steps), rows)
        for bench in both(self.spark, self.duck, self.folder, example):
            (relation,) = bench.plan.checked.pipeline.checks
            verdict = bench.verdict(relation)
            assert f"{'holds' if verdict.holds else 'fails'}: {verdict.detail}" == example.outcome.verdict

    def benches(self, steps: str, rows: str, dates: Mapping[str, Any] | None = None) -> tuple[Bench, Bench]:
        """The pipeline set up on both engines, for questions of the test's own."""
        return both(self.spark, self.duck, self.folder, read_example(dedent(steps), rows), dates)


def refused(folder: Path, steps: str, rows: str) -> list[tuple[str, str]]:
    """The code and the word under the caret of every mistake that checking `steps` finds."""
    example = read_example(dedent(steps), rows)
    with pytest.raises(SpecError) as caught:
        check(folder, example)
    return [(diagnostic.code, _word(diagnostic)) for diagnostic in caught.value.diagnostics]


def messages(folder: Path, steps: str, rows: str) -> list[str]:
    """The message and fix of every mistake that checking `steps` finds."""
    with pytest.raises(SpecError) as caught:
        check(folder, read_example(dedent(steps), rows))
    return [f"{diagnostic.message}; {diagnostic.fix}" for diagnostic in caught.value.diagnostics]


def _word(diagnostic: Diagnostic) -> str:
    return diagnostic.source[diagnostic.column - 1 : diagnostic.end_column - 1]
