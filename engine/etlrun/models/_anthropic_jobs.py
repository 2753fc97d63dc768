"""Jobs of Anthropic, which calls them Message Batches.

A batch has no label of etlrun, but each request has one, in its `custom_id`, which the service shows only in the results. So if the connection
broke or the run was killed during a submit, it is known only after the batch has ended whether the service accepted it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from etlrun.contracts.job_client import JobClient, JobReply, JobRequest, ServiceJob, SoughtJob, Undecided
from etlrun.contracts.model import Cause, ModelError
from etlrun.models._anthropic import AnthropicClient, reply_of
from etlrun.models._json_api import as_object, result_lines
from etlrun.models._sanitize import safe_count, safe_text

BATCHES = "/v1/messages/batches"
COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
LEEWAY = 86_400  # seconds by which the clock of this machine may be wrong
REFUSED = ("invalid_request_error", "request_too_large")


class AnthropicJobs(AnthropicClient, JobClient):
    """An open model of Anthropic that takes jobs."""

    most_bytes = 7 * 2**20  # limits: 256 MB for a batch, and 16 MB for a row of the label store on MySQL
    large = (BATCHES,)

    async def submit(self, label: str, requests: Sequence[JobRequest]) -> str:
        asked = [{"custom_id": f"{label}-{each.name}", "params": self.body(each.request)} for each in requests]
        name = safe_text((await self._got("POST", BATCHES, json={"requests": asked})).get("id"))
        if not name:
            raise ModelError("unreadable", "the service gave no id for the job", may_be_billed=True)
        return name

    async def find(self, sought: SoughtJob) -> str | None:
        is_undecided = False
        async for batch in self._since(sought.at - LEEWAY):
            name = safe_text(batch.get("id"))
            if name in sought.others or _requests(batch) != sought.requests:
                continue
            if batch.get("processing_status") != "ended":
                is_undecided = True
            elif any(label == sought.label for label, _ in await self._results(batch)):
                return name
        if is_undecided:
            raise Undecided
        return None

    async def _since(self, at: float) -> AsyncIterator[Mapping[str, Any]]:
        """The batches that were created since then, the latest first."""
        after = ""
        while True:
            page = await self._got("GET", f"{BATCHES}?limit=100{after}")
            found = page.get("data")
            batches = [batch for batch in found if isinstance(batch, dict)] if isinstance(found, list) else []
            for batch in batches:
                if _seconds(batch.get("created_at")) >= at:
                    yield batch
            if not page.get("has_more") or not batches or _seconds(batches[-1].get("created_at")) < at:
                return
            after = f"&after_id={quote(safe_text(batches[-1].get('id')))}"

    async def look(self, name: str) -> ServiceJob:
        response = await self.api.call("GET", _path(name))
        if response.status_code == 404:
            return ServiceJob(name, "lost", "the service no longer knows it")
        if response.status_code != 200:
            raise self.from_response(response)
        batch = as_object(response)
        if batch.get("processing_status") != "ended":
            return ServiceJob(name, "at work")
        if batch.get("archived_at"):
            return ServiceJob(name, "lost", "the service no longer has its results")
        replies = [_job_reply(line) for _, line in await self._results(batch)]
        known = [reply for reply in replies if reply is not None]
        if batch.get("cancel_initiated_at"):
            return ServiceJob(name, "cancelled", replies=known)
        return ServiceJob(name, "expired" if _counts(batch)["expired"] else "done", replies=known)

    async def cancel(self, name: str) -> None:
        await self._got("POST", f"{_path(name)}/cancel")

    async def _results(self, batch: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        """The results of a batch that has ended, each with the label in its `custom_id`; empty if the service no longer keeps them."""
        response = await self.api.call("GET", f"{_path(safe_text(batch.get('id')))}/results")
        if response.status_code == 404 or batch.get("archived_at"):
            return []
        if response.status_code != 200:
            raise self.from_response(response)
        return [(line["custom_id"].rpartition("-")[0], line) for line in result_lines(response.content)]

    async def _got(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        response = await self.api.call(method, path, **content)
        if response.status_code != 200:
            raise self.from_response(response)
        return as_object(response)


def _path(name: str) -> str:
    return f"{BATCHES}/{quote(name, safe='')}"


def _job_reply(line: Mapping[str, Any]) -> JobReply | None:
    """The result of a request; None if it was cancelled or expired, so that it is asked again."""
    name, result = line["custom_id"].rpartition("-")[2], line.get("result")
    kind = result.get("type") if isinstance(result, dict) else None
    if not isinstance(result, dict) or kind in ("canceled", "expired"):
        return None
    if kind == "succeeded" and isinstance(result.get("message"), dict):
        try:
            return JobReply(name, reply_of(result["message"]))
        except ModelError as error:
            return JobReply(name, error=error)
    return JobReply(name, error=_error(result))


def _error(result: Mapping[str, Any]) -> ModelError:
    response = result.get("error")
    error = response.get("error") if isinstance(response, dict) else None
    details = error if isinstance(error, dict) else {}
    cause: Cause = "refused" if details.get("type") in REFUSED else "service"
    return ModelError(cause, safe_text(details.get("message")) or "no reason given")


def _counts(batch: Mapping[str, Any]) -> dict[str, int]:
    """How many requests of a batch are in each state."""
    found = batch.get("request_counts")
    counted = found if isinstance(found, dict) else {}
    return {state: safe_count(counted.get(state)) or 0 for state in COUNTS}


def _requests(batch: Mapping[str, Any]) -> int:
    return sum(_counts(batch).values())


def _seconds(at: object) -> float:
    """Seconds since 1970 of a time from the service; the current time if it cannot be parsed."""
    try:
        return datetime.fromisoformat(at).timestamp() if isinstance(at, str) else float("inf")
    except (ValueError, OverflowError):
        return float("inf")
