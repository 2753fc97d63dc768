"""Reads and changes the table of jobs inside a transaction of the label store.

A row that changes is deleted and inserted, so that an account on a server needs the rights to SELECT, INSERT and DELETE, as without jobs.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from etlrun.contracts.job_client import JobState
from etlrun.enrich._sql_rows import parts_of
from etlrun.enrich._tables import JOBS, LEASES, QUESTIONS
from etlrun.enrich.jobs import OPEN, Job, JobSheet, State, content_of

FIELDS = {"asked": "keys", "began": "at"}  # of a job, by column, where their names differ
NO_QUESTION = (sa.literal("").label("prompt"), sa.literal("").label("source"))


def open_ids(connection: sa.Connection) -> set[str]:
    """The jobs whose replies are not stored yet."""
    return set(connection.scalars(sa.select(JOBS.c.id).where(JOBS.c.state.in_(OPEN))))


def jobs_of(connection: sa.Connection, questions: Sequence[str] | None) -> list[Job]:
    """The open jobs of some questions, or all jobs if no question is given; the latest first."""
    statement = sa.select(JOBS, QUESTIONS.c.prompt, QUESTIONS.c.source).join_from(
        JOBS, QUESTIONS, QUESTIONS.c.id == JOBS.c.question, isouter=True
    )
    if questions is not None:
        statement = statement.where(JOBS.c.question.in_(questions), JOBS.c.state.in_(OPEN))
    return [_job(row) for row in connection.execute(statement.order_by(JOBS.c.began.desc(), JOBS.c.id))]


def _job(row: sa.Row[Any]) -> Job:
    values = {FIELDS.get(column.name, column.name): row._mapping[column] for column in JOBS.columns}
    return Job(prompt=row.prompt or "", source=row.source or "", **values)


def insert_job(connection: sa.Connection, question: str, run: str, owner: str, sheets: Sequence[JobSheet]) -> Job:
    """Insert an intended job, which owns the leases of its keys from now on."""
    keys = [key.normal for sheet in sheets for key in sheet.keys]
    usd = sum(sheet.usd for sheet in sheets)
    content = content_of(sheets)
    job = Job(
        uuid.uuid4().hex[:16],
        question,
        "",
        "",
        "",
        "intended",
        content,
        len(sheets),
        len(keys),
        usd,
        0.0,
        run,
        owner,
        time.time(),
    )
    _insert(connection, job)
    for part in parts_of(sorted(set(keys))):
        connection.execute(sa.delete(LEASES).where(LEASES.c.question == question, LEASES.c.key.in_(part)))
        connection.execute(sa.insert(LEASES), [{"question": question, "key": key, "owner": job.id} for key in part])
    return job


def name_job(connection: sa.Connection, job: str, name: str) -> None:
    """Store the name of an intended job at the service."""
    if found := _taken(connection, job, ("intended",)):
        _insert(connection, replace(found, name=name, state="at work"))


def drop_job(connection: sa.Connection, job: str) -> None:
    """Remove an intended job and its leases."""
    if _taken(connection, job, ("intended",)):
        connection.execute(sa.delete(LEASES).where(LEASES.c.owner == job))


def end_job(connection: sa.Connection, job: str, state: JobState, spent: float) -> bool:
    """End an open job and release its leases; false if it had ended before. Its requests are not kept."""
    found = _taken(connection, job, OPEN)
    if found is None:
        return False
    _insert(connection, replace(found, state=state, spent=spent, content="", ended=time.time()))
    connection.execute(sa.delete(LEASES).where(LEASES.c.owner == job))
    return True


def forget_in_jobs(connection: sa.Connection, question: str, keys: set[str]) -> None:
    """Remove keys from the open jobs of a question, so that replies about them are not stored."""
    for job in jobs_of(connection, [question]):
        held = sorted(keys.intersection(job.held))
        if held and (found := _taken(connection, job.id, OPEN)):
            left = content_of(sheet.without(keys) for sheet in found.sheets)
            _insert(connection, replace(found, content=left))
        for part in parts_of(held):
            connection.execute(sa.delete(LEASES).where(LEASES.c.owner == job.id, LEASES.c.key.in_(part)))


def _taken(connection: sa.Connection, job: str, states: Sequence[State]) -> Job | None:
    """Remove and return the job if it is in one of the states; only one of several processes gets it."""
    while row := connection.execute(
        sa.select(JOBS, *NO_QUESTION).where(JOBS.c.id == job, JOBS.c.state.in_(states))
    ).first():
        is_as_read = sa.and_(JOBS.c.id == job, JOBS.c.state == row.state, JOBS.c.content == row.content)
        if connection.execute(sa.delete(JOBS).where(is_as_read)).rowcount:
            return _job(row)
    return None


def _insert(connection: sa.Connection, job: Job) -> None:
    values = {column.name: getattr(job, FIELDS.get(column.name, column.name)) for column in JOBS.columns}
    connection.execute(sa.insert(JOBS).values(values))
