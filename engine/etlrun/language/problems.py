"""Mistakes inside an expression: what is wrong, at which characters, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

TOO_DEEP = "functions and casts are nested so deeply that their SQL would be too long for the engines"
IN_PARTS = "first create columns for its parts, each in its own `derive` step"


@dataclass(frozen=True)
class Problem:
    """One mistake inside an expression; `start` and `end` are offsets into its text, end exclusive."""

    code: str
    message: str
    start: int
    end: int
    fix: str = ""


class ExpressionError(ValueError):
    """An expression that cannot be used; `problems` holds every mistake found in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
