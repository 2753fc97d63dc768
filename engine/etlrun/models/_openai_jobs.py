"""Jobs of the OpenAI API, which calls them batches: a file of requests is uploaded, and files of replies and of errors are downloaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from etlrun.contracts.job_client import JobClient, JobReply, JobRequest, JobState, ServiceJob, SoughtJob
from etlrun.contracts.model import Cause, ModelError
from etlrun.models._json_api import as_object, result_lines
from etlrun.models._openai import OpenaiClient, reply_of
from etlrun.models._sanitize import safe_text

LABEL = "etlrun_job"  # in the metadata of a batch
ENDED: Mapping[str, JobState] = {
    "completed": "done",
    "expired": "expired",
    "cancelled": "cancelled",
    "failed": "failed",
}


class OpenaiJobs(OpenaiClient, JobClient):
    """An open model of a service that speaks the OpenAI API and takes jobs."""

    most_bytes = 7 * 2**20  # limits: 200 MB for a file, and 16 MB for a row of the label store on MySQL

    async def submit(self, label: str, requests: Sequence[JobRequest]) -> str:
        lines = (
            {"custom_id": asked.name, "method": "POST", "url": "/v1/chat/completions", "body": self._body(asked)}
            for asked in requests
        )
        content = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
        file = await self._got("POST", "/files", data={"purpose": "batch"}, files={"file": (f"{label}.jsonl", content)})
        body = {
            "input_file_id": file.get("id"),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {LABEL: label},
        }
        name = safe_text((await self._got("POST", "/batches", json=body)).get("id"))
        if not name:
            raise ModelError("unreadable", "the service gave no id for the job", may_be_billed=True)
        return name

    def _body(self, asked: JobRequest) -> dict[str, Any]:
        found = self.body(asked.request, self.form)
        found.pop("service_tier", None)  # not for jobs, only for requests that are answered at once
        return found

    async def find(self, sought: SoughtJob) -> str | None:
        after = ""
        while True:
            page = await self._got("GET", f"/batches?limit=100{after}")
            found = [job for job in _list(page.get("data")) if isinstance(job, dict)]
            for job in found:
                metadata = job.get("metadata")
                if isinstance(metadata, dict) and metadata.get(LABEL) == sought.label:
                    return safe_text(job.get("id")) or None
            if not page.get("has_more") or not found:
                return None
            after = f"&after={quote(safe_text(found[-1].get('id')))}"

    async def look(self, name: str) -> ServiceJob:
        response = await self.api.call("GET", f"/batches/{quote(name, safe='')}")
        if response.status_code == 404:
            return ServiceJob(name, "lost", "the service no longer knows it")
        if response.status_code != 200:
            raise self.from_response(response)
        job = as_object(response)
        state = ENDED.get(safe_text(job.get("status")), "at work")
        if state == "at work":
            return ServiceJob(name, state)
        replies = [
            _job_reply(line)
            for key in ("output_file_id", "error_file_id")
            if job.get(key)
            for line in result_lines(await self._content(safe_text(job[key])))
        ]
        errors = job.get("errors")
        first = _list(errors.get("data")) if isinstance(errors, dict) else []
        message = safe_text(first[0].get("message")) if first and isinstance(first[0], dict) else ""
        return ServiceJob(name, state, message, replies)

    async def cancel(self, name: str) -> None:
        await self._got("POST", f"/batches/{quote(name, safe='')}/cancel")

    async def _content(self, file: str) -> bytes:
        response = await self.api.call("GET", f"/files/{quote(file, safe='')}/content")
        if response.status_code == 404:
            return b""  # files are kept only for some weeks
        if response.status_code != 200:
            raise self.from_response(response)
        return response.content

    async def _got(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        response = await self.api.call(method, path, **content)
        if response.status_code not in (200, 201):
            raise self.from_response(response)
        return as_object(response)


def _job_reply(line: Mapping[str, Any]) -> JobReply:
    name, response = line["custom_id"], line.get("response")
    if not isinstance(response, dict) or not isinstance(response.get("body"), dict):
        error = line.get("error")
        message = safe_text(error.get("message")) if isinstance(error, dict) else ""
        return JobReply(name, error=ModelError("service", message or "the request was not answered"))
    body, status = response["body"], response.get("status_code")
    if status == 200:
        try:
            return JobReply(name, reply_of(body))
        except ModelError as error:
            return JobReply(name, error=error)
    reason = body.get("error")
    message = safe_text(reason.get("message")) if isinstance(reason, dict) else ""
    cause: Cause = "refused" if status in (400, 413, 422) else "service"
    return JobReply(name, error=ModelError(cause, message or "no reason given"))


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []
