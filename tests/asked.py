"""A small project whose pipeline asks a model about keywords, and the service that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fake_gemini import FakeServer
from projects import Project, Result

FILE = "pipelines/p.yaml"
SECRET = "planted-canary-9f3c"
CANARIES = {"vtv1": "Channel", "naruto": "Film"}
PROMPT = """\
---
task: Say what a keyword names.
output:
  kind:
    labels:
      Film: a film or series
      Channel: a channel
      Sport: a match, a team, a league
      Other: nothing of these
canaries:
  - {key: vtv1, kind: Channel}
  - {key: naruto, kind: Film}
---
Keywords are Vietnamese.
"""
PROJECT = """\
profile: fast
profiles:
  fast:
    engine: {duckdb: {threads: 2}}
    connections: {warehouse: {duckdb: warehouse.duckdb}}
    models:
      kinds: {gemini: {model: "${MODEL:-gemini-2.5-flash}", api_key: "${SERVICE_KEY}", url: "${SERVICE}", batch: 10, timeout: 5}}
      titles: {catalogue: {titles: titles.csv}}
      both: [{catalogue: {titles: titles.csv}}, {gemini: {model: gemini-2.5-flash, api_key: "${SERVICE_KEY}", url: "${SERVICE}", batch: 10}}]
  local:
    engine: {spark: {master: "local[2]", memory: 1g}}
    connections: {warehouse: {duckdb: spark.duckdb}}
    models:
      kinds: {gemini: {model: gemini-2.5-flash, api_key: "${SERVICE_KEY}", url: "${SERVICE}", batch: 10}}
"""
PIPELINE = """\
sources:
  searches: {csv: {path: data/searches.csv, columns: {user: string, keyword: string}}}
steps:
  labelled:
    - from: searches
    - enrich: {key: keyword, prompt: kind, model: MODEL, status: how, source: by MORE}
sinks:
  labelled: {table: {from: labelled, connection: warehouse, write: replace}}
"""
TITLES = "title,kind\nTình yêu và tham vọng,Film\nVTV3,Channel\n"
FEW = ("running man", "bóng đá", "vtv3", "phim hay", "tinh yeu va tham vong")


def asking_project(folder: Path) -> Project:
    """A project with the pipeline, the prompt and five keywords."""
    project = Project(folder)
    project.write("etlrun.yaml", PROJECT)
    project.write("prompts/kind.md", PROMPT)
    project.write("titles.csv", TITLES)
    searches(project, *FEW)
    enrich(project)
    return project


def searches(project: Project, *keywords: str) -> None:
    project.write(
        "data/searches.csv",
        "user,keyword\n" + "".join(f'u{number},"{keyword}"\n' for number, keyword in enumerate(keywords)),
    )


def many(count: int) -> tuple[str, ...]:
    return tuple(f"từ khoá {number}" for number in range(count))


def enrich(project: Project, model: str = "kinds", more: str = "") -> None:
    project.pipeline(PIPELINE.replace("MODEL", model).replace(" MORE", f", {more}" if more else ""))


def service(**options: Any) -> FakeServer:
    return FakeServer(**{"known": CANARIES, "secret": SECRET, **options})


def run(project: Project, served: FakeServer | None, *arguments: str, key: str = SECRET, **environment: str) -> Result:
    url = served.url if served else "http://127.0.0.1:9"
    return project.run(*(arguments or (FILE, "--json")), SERVICE=url, SERVICE_KEY=key, **environment)
