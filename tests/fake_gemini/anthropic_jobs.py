"""How Anthropic shows jobs, which it calls Message Batches: their counts, pages of them, and their results as lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .wire import Response

if TYPE_CHECKING:
    from .jobs import FakeJob

PAGE = 20
UNANSWERED = {"expired": "expired", "cancelled": "canceled"}


def shown(job: FakeJob) -> dict[str, Any]:
    kinds = [kind for _, kind, _ in _results(job)]
    answered = len(kinds) - kinds.count("expired") - kinds.count("canceled")
    counts = {
        "processing": 0 if job.ending else len(job.requests),
        "succeeded": kinds.count("succeeded") if job.ending else 0,
        "errored": answered - kinds.count("succeeded"),
        "canceled": kinds.count("canceled"),
        "expired": kinds.count("expired"),
    }
    made = datetime.fromtimestamp(job.made, UTC).isoformat()
    return {
        "id": job.name,
        "type": "message_batch",
        "processing_status": "ended" if job.ending else "in_progress",
        "request_counts": counts,
        "created_at": made,
        "ended_at": made if job.ending else None,
        "cancel_initiated_at": made if job.ending == "cancelled" else None,
        "archived_at": None,
        "results_url": f"https://elsewhere.example/{job.name}/results" if job.ending else None,
    }


def page(jobs: Sequence[FakeJob], after: str) -> dict[str, Any]:
    mine = [job for job in jobs if job.name.startswith("msgbatch_")]
    start = [job.name for job in mine].index(after) + 1 if after else 0
    found = [shown(job) for job in mine[start : start + PAGE]]
    return {"data": found, "has_more": start + PAGE < len(mine), "first_id": None, "last_id": None}


def results(job: FakeJob) -> Response:
    lines = []
    for name, kind, answer in _results(job):
        result: dict[str, Any] = {"type": kind}
        if answer is not None:
            result["message" if kind == "succeeded" else "error"] = answer.body
        text = json.dumps({"custom_id": name, "result": result}, ensure_ascii=False)
        lines.append(text[: len(text) // 2] if answer is not None and answer.raw is not None else text)
    return Response(200, raw="\n".join(lines).encode())


def _results(job: FakeJob) -> list[tuple[str, str, Response | None]]:
    """Each result by its name: what kind it is, and the answer or the error."""
    if not job.ending:
        return []
    found: list[tuple[str, str, Response | None]] = [
        (name, "succeeded" if answer.status == 200 else "errored", answer)
        for name, answer in job.answers
        if not answer.drops
    ]
    if job.ending in UNANSWERED or job.ending == "partial":
        kind = UNANSWERED.get(job.ending, "errored")
        broken = Response(500, {"type": "error", "error": {"type": "api_error", "message": "it broke"}})
        found += [(name, kind, broken if kind == "errored" else None) for name in job.lost]
    return found
