"""Jobs of the server, in three protocols: it takes them, and a test says how long it works and how they end.

The Gemini API calls them batches and carries requests and responses inline; the OpenAI API reads and writes files of JSON lines; Anthropic
takes requests inline, gives lines, and keeps no label.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from . import anthropic, anthropic_jobs, gemini, openai
from .dialect import Dialect
from .wire import Call, Response

Ending = Literal["done", "shuffled", "partial", "expired", "cancelled", "failed", "swapped", "twice", "nameless"]
Moment = Literal["taking", "taken", "looked at", "fetched"]

GEMINI_STATES = {"partial": "PARTIALLY_SUCCEEDED", "expired": "EXPIRED", "cancelled": "CANCELLED", "failed": "FAILED"}
OPENAI_STATES = {"expired": "expired", "cancelled": "cancelled", "failed": "failed"}
LOSES: Sequence[Ending] = ("partial", "expired", "cancelled")  # a third of the requests get no answer


@dataclass
class FakeJob:
    """A job as the server keeps it: its label, the requests by name, and what it answered."""

    name: str
    label: str
    requests: list[tuple[str, Call]]
    dialect: Dialect
    looks: int = 0
    ending: Ending | None = None
    answers: list[tuple[str, Response]] = field(default_factory=list)
    made: float = field(default_factory=time.time)

    @property
    def lost(self) -> list[str]:
        """The names of the requests that got no answer."""
        answered = {name for name, _ in self.answers}
        return [name for name, _ in self.requests if name not in answered]


class Jobs:
    """The jobs of a server. `takes` is after how many looks each one ends, None for not before `finish`; `endings` are those of the first jobs."""

    def __init__(
        self, respond: Callable[[Call, Dialect], Response], takes: int | None, endings: Sequence[Ending], seed: int
    ) -> None:
        self.respond = respond
        self.takes = takes
        self.endings = list(endings)
        self.chance = random.Random(seed)
        self.all: list[FakeJob] = []
        self.files: dict[str, bytes] = {}
        self.at: dict[Moment, Callable[[], Response | None]] = {}  # what happens at a moment, once

    def finish(self) -> None:
        """A day later: every job that is at work ends."""
        for job in self.all:
            self._end(job)

    def handle(self, call: Call) -> Response | None:
        """The response to a call about jobs; None where it is about something else."""
        path = call.path.split("?")[0]
        if path.endswith(":batchGenerateContent"):
            return self._taken(call, lambda: self._take_gemini(call))
        if found := re.search(r"/batches/([^/:]+)[:/]cancel$", path):
            return self._cancel(found.group(1))
        if found := re.search(r"/batches/([^/]+)$", path):
            return self._look(found.group(1))
        if path.endswith("/files"):
            return self._upload(call)
        if found := re.search(r"/files/([^/]+)/content$", path):
            return self._moment("fetched") or Response(raw=self.files[found.group(1)])
        if found := re.search(r"/batches/([^/]+)/results$", path):
            return self._moment("fetched") or anthropic_jobs.results(self._named(found.group(1)))
        if path.endswith("/messages/batches"):
            return self._taken(call, lambda: self._take_anthropic(call)) if call.method == "POST" else self._page(call)
        if path.endswith("/batches"):
            return self._taken(call, lambda: self._take_openai(call)) if call.method == "POST" else self._list(call)
        return None

    def _moment(self, moment: Moment) -> Response | None:
        happens = self.at.pop(moment, None)
        return happens() if happens else None

    def _taken(self, call: Call, take: Callable[[], FakeJob]) -> Response:
        if early := self._moment("taking"):
            return early
        job = take()
        self.all.append(job)
        return self._moment("taken") or Response(200, self._shown(job))

    def _take_gemini(self, call: Call) -> FakeJob:
        batch = call.json()["batch"]
        requests = [
            (item["metadata"]["sheet"], self._call(call, f"{_model_path(call)}:generateContent", item["request"]))
            for item in batch["inputConfig"]["requests"]["requests"]
        ]
        return FakeJob(f"batches/{len(self.all) + 1}", batch["displayName"], requests, gemini.DIALECT)

    def _take_openai(self, call: Call) -> FakeJob:
        body = call.json()
        assert (body["endpoint"], body["completion_window"]) == ("/v1/chat/completions", "24h")
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        requests = [(line["custom_id"], self._call(call, line["url"], line["body"])) for line in lines]
        return FakeJob(f"batch_{len(self.all) + 1}", body["metadata"]["etlrun_job"], requests, openai.DIALECT)

    def _take_anthropic(self, call: Call) -> FakeJob:
        asked = call.json()["requests"]
        requests = [(each["custom_id"], self._call(call, "/v1/messages", each["params"])) for each in asked]
        assert len(dict(requests)) == len(requests)
        return FakeJob(f"msgbatch_{len(self.all) + 1}", "", requests, anthropic.DIALECT)

    def _page(self, call: Call) -> Response:
        """A list of Anthropic, which shows how far each batch is: that counts as a look."""
        for job in self.all:
            self._pass_time(job)
        after = re.search(r"after_id=([^&]+)", call.path)
        return Response(200, anthropic_jobs.page(list(reversed(self.all)), after.group(1) if after else ""))

    def _named(self, name: str) -> FakeJob:
        return next(job for job in self.all if job.name.rpartition("/")[2] == name)

    def _pass_time(self, job: FakeJob) -> None:
        job.looks += 1
        if self.takes is not None and job.looks > self.takes:
            self._end(job)

    def _call(self, call: Call, path: str, body: Any) -> Call:
        return Call("POST", path, call.headers, json.dumps(body).encode())

    def _upload(self, call: Call) -> Response:
        boundary = call.headers["content-type"].partition("boundary=")[2].encode()
        parts = call.body.split(b"--" + boundary)
        (content,) = (part.partition(b"\r\n\r\n")[2][:-2] for part in parts if b"filename=" in part)
        assert any(b'name="purpose"' in part and part.rstrip().endswith(b"batch") for part in parts)
        name = f"file-{len(self.files) + 1}"
        self.files[name] = content
        return Response(200, {"id": name, "object": "file", "purpose": "batch"})

    def _look(self, name: str) -> Response:
        job = next((job for job in self.all if job.name.rpartition("/")[2] == name), None)
        if job is None:
            return Response(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": f"no batch {name}"}})
        self._pass_time(job)
        if job.ending and (early := self._moment("fetched" if job.dialect is gemini.DIALECT else "looked at")):
            return early
        return self._moment("looked at") or Response(200, self._shown(job))

    def _cancel(self, name: str) -> Response:
        job = self._named(name)
        self.endings.insert(0, "cancelled")
        self._end(job)
        return Response(200, {} if job.dialect is gemini.DIALECT else self._shown(job))

    def _list(self, call: Call) -> Response:
        shown = [self._shown(job) for job in reversed(self.all)]
        if "pageSize" in call.path:
            page = int((re.search(r"pageToken=(\d+)", call.path) or ["", "0"])[1])
            size = int(re.search(r"pageSize=(\d+)", call.path)[1])  # type: ignore[index]
            body: dict[str, Any] = {"operations": shown[page : page + size]}
            return Response(200, {**body, "nextPageToken": str(page + size)} if page + size < len(shown) else body)
        after = (re.search(r"after=([^&]+)", call.path) or ["", ""])[1]
        names = [job["id"] for job in shown]
        start = names.index(after) + 1 if after else 0
        return Response(200, {"object": "list", "data": shown[start : start + 20], "has_more": start + 20 < len(shown)})

    def _end(self, job: FakeJob) -> None:
        if job.ending:
            return
        job.ending = self.endings.pop(0) if self.endings else "done"
        asked = [] if job.ending == "failed" else job.requests
        if job.ending in LOSES:
            asked = asked[: -(-2 * len(asked) // 3)]
        job.answers = [(name, self.respond(call, job.dialect)) for name, call in asked]
        if job.ending == "shuffled":
            self.chance.shuffle(job.answers)
        if job.ending == "swapped":  # each reply under the name of the one before it
            job.answers = [(job.answers[index - 1][0], answer) for index, (_, answer) in enumerate(job.answers)]
        if job.ending == "twice":
            job.answers += [(name, job.answers[0][1]) for name, _ in job.answers[1:]]
        if job.ending == "nameless":
            job.answers = [("", answer) for _, answer in job.answers]

    def _shown(self, job: FakeJob) -> dict[str, Any]:
        if job.dialect is anthropic.DIALECT:
            return anthropic_jobs.shown(job)
        return _gemini_job(job) if job.dialect is gemini.DIALECT else self._openai_job(job)

    def _openai_job(self, job: FakeJob) -> dict[str, Any]:
        state = OPENAI_STATES.get(job.ending, "completed") if job.ending else "in_progress"
        found: dict[str, Any] = {
            "id": job.name,
            "object": "batch",
            "status": state,
            "metadata": {"etlrun_job": job.label},
        }
        if job.ending == "failed":
            return {**found, "errors": {"object": "list", "data": [{"code": "x", "message": "the job is not allowed"}]}}
        if job.ending:
            lines: dict[bool, list[str]] = {True: [], False: []}
            for name, answer in job.answers:
                if not answer.drops:
                    response = {"status_code": answer.status, "body": answer.body}
                    text = json.dumps({"custom_id": name, "response": response, "error": None}, ensure_ascii=False)
                    lines[answer.status == 200].append(text[: len(text) // 2] if answer.raw is not None else text)
            for key, is_right in (("output_file_id", True), ("error_file_id", False)):
                if lines[is_right]:
                    found[key] = f"{job.name}-{key}"
                    self.files[found[key]] = "\n".join(lines[is_right]).encode()
        return found


def _model_path(call: Call) -> str:
    return call.path.split("?")[0].rpartition(":")[0]


def _gemini_job(job: FakeJob) -> dict[str, Any]:
    state = GEMINI_STATES.get(job.ending, "SUCCEEDED") if job.ending else "RUNNING"
    metadata: dict[str, Any] = {"displayName": job.label, "state": f"BATCH_STATE_{state}"}
    if job.ending == "partial":
        metadata["state"] = "JOB_STATE_PARTIALLY_SUCCEEDED"  # which the client does not translate
    answers = [
        {**({"metadata": {"sheet": name}} if name else {}), **_gemini_answer(answer)}
        for name, answer in job.answers
        if not answer.drops
    ]
    if answers:
        metadata["output"] = {"inlinedResponses": {"inlinedResponses": answers}}
    return {"name": job.name, "metadata": metadata, "done": bool(job.ending)}


def _gemini_answer(answer: Response) -> dict[str, Any]:
    if answer.raw is not None:
        return {}
    if answer.status == 200:
        return {"response": answer.body}
    error = answer.body["error"]
    return {"error": {"code": error["code"], "message": error["message"]}}
