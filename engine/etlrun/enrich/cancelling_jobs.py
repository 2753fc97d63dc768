"""Cancel a batch job at its service. The next run uses the answers that are ready."""

from __future__ import annotations

import asyncio

from etlrun.contracts.job_client import JobClient
from etlrun.contracts.model import LanguageModel, ModelError
from etlrun.enrich.jobs import Job
from etlrun.enrich.store import Store
from etlrun.failures import RunFailure
from etlrun.spec.environment import from_environment
from etlrun.spec.project import Profile, Project


def cancel_job(project: Project, profile: Profile, store: Store, job: str) -> Job:
    """Ask the service to cancel the job with this id. Raises RunFailure if no such job is at work, or the service refuses."""
    found = next((each for each in store.jobs() if each.id == job and each.state == "at work"), None)
    try:
        if found is None:
            raise ModelError("setup", "no such job is running", "`etlrun llm jobs` lists the jobs")
        asyncio.run(_cancel(_model_of(project, profile, found), found))
    except ModelError as error:
        message = f"the job `{job}` was not cancelled: {error.message}"
        if error.cause in ("access", "model", "setup"):
            raise RunFailure("usage", f"model-{error.cause}", message, error.fix) from None
        raise RunFailure("model", "model-service", message, error.fix or "try again") from None
    return found


def _model_of(project: Project, profile: Profile, job: Job) -> LanguageModel:
    for use in (use for uses in profile.models.values() for use in uses):
        if isinstance(use.value, LanguageModel):
            identity = use.value.identity(project.root, from_environment)
            if f"{identity['provider']} {identity['model']}" == job.source:
                return use.value
    raise ModelError("setup", f"the profile has no model {job.source}", "name the profile that sent it: --profile")


async def _cancel(model: LanguageModel, job: Job) -> None:
    client = model.open(from_environment)
    try:
        assert isinstance(client, JobClient)
        await client.cancel(job.name)
    finally:
        await client.close()
