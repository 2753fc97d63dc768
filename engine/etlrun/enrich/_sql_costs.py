"""Reads from the label store's tables what answers have cost, and the tokens of earlier requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from etlrun.enrich._tables import ANSWERS, QUESTIONS, REQUESTS
from etlrun.enrich.store import NO_LABEL, Cost, Counted

SAMPLE = 500  # the number of requests in a sample
MAPPED = 2**31  # up to so many bytes of a file are read in place, which is faster than a copy of each page
SUMS = (sa.func.count(), *(sa.func.sum(REQUESTS.c[name]) for name in ("input_tokens", "output_tokens", "usd")))


def costs_of(connection: sa.Connection) -> list[Cost]:
    """The cost of each question, the latest first."""
    counts = _counts(connection)
    spent = {
        row[0]: tuple(row)[1:]
        for row in connection.execute(
            sa.select(REQUESTS.c.question, *SUMS, sa.func.max(REQUESTS.c.at)).group_by(REQUESTS.c.question)
        )
    }
    asked = connection.execute(sa.select(QUESTIONS).order_by(QUESTIONS.c.at.desc(), QUESTIONS.c.id)).all()
    return [_cost(row, counts.get(row.id, {}), spent.get(row.id, (0, 0, 0, 0.0, row.at))) for row in asked]


def _counts(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """The number of answers by question and status."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"pragma mmap_size = {MAPPED}")
    # In one pass, in the order of the primary key: a group by question and status sorts the answers.
    each = [sa.func.count(sa.case((ANSWERS.c.status == status, 1))) for status in NO_LABEL]
    answers = sa.select(ANSWERS.c.question, sa.func.count(), *each).group_by(ANSWERS.c.question)
    found = {}
    for question, total, *counts in connection.execute(answers):
        by_status = {"ok": total - sum(counts), **dict(zip(NO_LABEL, counts, strict=True))}
        found[question] = {status: count for status, count in by_status.items() if count}
    return found


def _cost(row: sa.Row[Any], counts: dict[str, int], spent: tuple[Any, ...]) -> Cost:
    requests, taken, given, usd, last = spent
    return Cost(row.id, row.prompt, row.source, counts, requests, int(taken), int(given), float(usd), last)


def token_counts(connection: sa.Connection, questions: Sequence[str]) -> Counted:
    """The total of keys and tokens in a sample of the requests for some questions."""
    names = ("asked", "answered", "input_tokens", "output_tokens")
    sample = (
        sa.select(*(REQUESTS.c[name] for name in names))
        .where(REQUESTS.c.question.in_(questions), REQUESTS.c.input_tokens > 0)
        .order_by(REQUESTS.c.id)  # which is random
        .limit(SAMPLE)
        .subquery()
    )
    sums = sa.select(sa.func.count(), *(sa.func.sum(sample.c[name]) for name in names)).select_from(sample)
    return Counted(*(int(value or 0) for value in connection.execute(sums).one()))
