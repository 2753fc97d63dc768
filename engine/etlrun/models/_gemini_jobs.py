"""Jobs of the Gemini API, which calls them batches: inline requests, each with the name of its group of keys in its metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.genai import types

from etlrun.contracts.job_client import JobClient, JobReply, JobRequest, JobState, ServiceJob, SoughtJob
from etlrun.contracts.model import Cause, ModelError
from etlrun.models._gemini import GeminiClient, reply_of
from etlrun.models._sanitize import safe_text

NAME = "sheet"  # in the metadata of a request
ENDED: Mapping[str, JobState] = {
    "JOB_STATE_SUCCEEDED": "done",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "partial",
    "JOB_STATE_EXPIRED": "expired",
    "JOB_STATE_CANCELLED": "cancelled",
    "JOB_STATE_FAILED": "failed",
}
REFUSED = (3, 9, 11, 400)  # of google.rpc.Code, and of HTTP


class GeminiJobs(GeminiClient, JobClient):
    """An open Gemini model that takes jobs."""

    most_bytes = 7 * 2**20  # limits: 20 MB for inline requests, and 16 MB for a row of the label store on MySQL

    async def submit(self, label: str, requests: Sequence[JobRequest]) -> str:
        inlined = [self._inlined(asked) for asked in requests]
        with self.translated(may_be_billed=True):
            job = await self.client.aio.batches.create(
                model=self.name, src=inlined, config=types.CreateBatchJobConfig(display_name=label)
            )
        if not job.name:
            raise ModelError("unreadable", "the service gave no id for the job", may_be_billed=True)
        return safe_text(job.name)

    def _inlined(self, asked: JobRequest) -> types.InlinedRequest:
        config = self.config(asked.request, has_schema=self.has_schema)
        config.service_tier = config.automatic_continuation = None  # only for requests that are answered at once
        contents = [types.Content(role="user", parts=[types.Part(text=asked.request.user)])]
        return types.InlinedRequest(contents=contents, config=config, metadata={NAME: asked.name})

    async def find(self, sought: SoughtJob) -> str | None:
        with self.translated(may_be_billed=False):
            async for job in await self.client.aio.batches.list(config=types.ListBatchJobsConfig(page_size=20)):
                if job.display_name == sought.label and job.name:
                    return safe_text(job.name)
        return None

    async def look(self, name: str) -> ServiceJob:
        try:
            with self.translated(may_be_billed=False):
                job = await self.client.aio.batches.get(name=name)
        except ModelError as error:
            if error.cause == "model":  # 404: the service keeps jobs only for some weeks
                return ServiceJob(name, "lost", "the service no longer knows it")
            raise
        state = ENDED.get(job.state.value if job.state else "", "at work")
        message = safe_text(job.error.message) if job.error else ""
        inlined = job.dest.inlined_responses if job.dest else None
        if state == "at work":
            return ServiceJob(name, state)
        with self.translated(may_be_billed=True):
            return ServiceJob(name, state, message, [_job_reply(found) for found in inlined or ()])

    async def cancel(self, name: str) -> None:
        with self.translated(may_be_billed=False):
            await self.client.aio.batches.cancel(name=name)


def _job_reply(found: types.InlinedResponse) -> JobReply:
    name = str((found.metadata or {}).get(NAME, ""))
    if found.error:
        cause: Cause = "refused" if found.error.code in REFUSED else "service"
        return JobReply(name, error=ModelError(cause, safe_text(found.error.message) or "no reason given"))
    if found.response is None:
        return JobReply(name, error=ModelError("unreadable", "the reply contains no answer", may_be_billed=True))
    return JobReply(name, reply_of(found.response))
