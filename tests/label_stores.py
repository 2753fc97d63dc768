"""A question, and answers to it in a label store."""

from __future__ import annotations

from etlrun.enrich.questions import Question
from etlrun.enrich.store import RequestEntry, Result, Sent, Store
from etlrun.spec.prompts import parse_prompt

PROMPT = """\
---
task: Give each keyword its category.
output: {category: {labels: {Action: fights, Sports: games}}}
---
"""
QUESTION = Question(parse_prompt(PROMPT, "small", "prompts/small.md"), {"model": "m"})
SENT = Sent("a91f3c", 2, 1, "complete", 100, 20, 0, 0.25, 1.5, "m-001")


def result(key: str, status: str = "ok", label: str = "Action") -> Result:
    return Result(key, key.upper(), status, f'{{"category": "{label}"}}' if status == "ok" else "", "why")  # type: ignore[arg-type]


def record(store: Store, *results: Result) -> None:
    store.record(QUESTION.id, "run-1", [RequestEntry(SENT, results)])


def known(store: Store, *keys: str) -> dict[str, tuple[str, object]]:
    return {key: (found.status, found.values.get("category")) for key, found in store.known(QUESTION.id, keys).items()}
