"""Reads the project file `etlrun.yaml`: folders, and the profiles for laptop, production and so on.

```yaml
profile: dev
data: ./data
storage:
  s3://lake: {s3: {region: eu-west-1}}
vars: {start: 2024-01-01}
profiles:
  dev:
    engine: {duckdb: {threads: 4}}
    connections:
      warehouse: {duckdb: warehouse.duckdb}
  prod:
    engine: {spark: {master: yarn}}
    connections:
      warehouse: {mysql: {url: "${WAREHOUSE_URL}"}}
    models:
      categories: {catalogue: {titles: mappings/titles.csv}}
    labels: warehouse
    parts: {keep: 40d, room: 200GB}
```
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.spec.ages import HOW, read_age
from etlrun.spec.building import Origin, build
from etlrun.spec.editor_schema import editor_text
from etlrun.spec.environment import MissingVariable, from_environment
from etlrun.spec.fields import Schema, schema_of_class
from etlrun.spec.located import Document, Keys
from etlrun.spec.part_settings import PARTS, PartSettings
from etlrun.spec.paths import OUTSIDE, path_inside
from etlrun.spec.project import FILE, LABELS, USUAL_ENGINE, Profile, Project, ProjectSettings, Use, Verbatim, build_use
from etlrun.spec.registry import Family, kinds
from etlrun.spec.schema import find_mistakes, kind_schema
from etlrun.spec.secrecy import ENVIRONMENT, hide_lines, secret_mistakes
from etlrun.spec.storages import build_storages, storage_mistakes, storage_schema
from etlrun.spec.traps import find_traps_of_project
from etlrun.spec.urls import UrlError, is_url, read_url
from etlrun.spec.yaml_reader import parse_document, read_text

FILES = (FILE, "etlrun.yml")


def find_project(start: Path) -> Project:
    """The project that `start` (a file or folder) belongs to: the nearest folder upwards with a project file.

    Raises SpecError with every mistake of the project file.
    """
    folder = start.resolve() if start.is_dir() else start.resolve().parent
    for candidate in (folder, *folder.parents):
        if project_file(candidate) is not None:
            return read_project(candidate)
    return Project(folder.parent if folder.name == "pipelines" else folder)


def project_file(folder: Path) -> Path | None:
    """The project file of a folder; None if it has none."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


@cache
def read_project(root: Path) -> Project:
    """The project of a folder with a project file. Raises SpecError with every mistake, without lines that may contain a secret."""
    found = [root / name for name in FILES if (root / name).is_file()]
    shown = os.path.relpath(found[0])
    if len(found) > 1:
        message = f"there is also a file `{FILES[1]}`, but a project has only one project file"
        raise SpecError([Diagnostic(shown, 1, 1, 2, "duplicate-name", message, "put all settings into one of them")])
    text = read_text(found[0], shown)
    try:
        return _read(root, parse_document(text, shown))
    except SpecError as error:
        raise SpecError(hide_lines(error.diagnostics, text)) from None


def _read(root: Path, document: Document) -> Project:
    if document.value is None:
        document.value = {}
    problems = find_mistakes(document, project_schema()) or [
        *map(_without_source, secret_mistakes(document)),
        *_wrong_labels(document),
        *_wrong_ages(document),
    ]
    problems = problems or [*find_traps_of_project(document)]
    origin = Verbatim(document, {})
    storage = partial(build_use, "storages", origin=origin)
    problems = problems or [*storage_mistakes(document, storage)]
    if problems:
        raise SpecError(problems)
    plain = {name: value for name, value in document.value.items() if name not in ("profiles", "storage")}
    settings = _with_environment(build(ProjectSettings, plain, (), origin), document)
    profiles = {
        name: Profile(
            name,
            build_use("engines", value.get("engine", USUAL_ENGINE), ("profiles", name, "engine"), origin),
            {
                inner: build_use("connections", spec, ("profiles", name, "connections", inner), origin)
                for inner, spec in value.get("connections", {}).items()
            },
            {
                inner: _cascade(spec, ("profiles", name, "models", inner), origin)
                for inner, spec in value.get("models", {}).items()
            },
            value.get("labels", LABELS),
            "engine" in value,
            _parts(value, ("profiles", name, "parts"), origin),
            build_storages(document, ("profiles", name, "storage"), storage),
        )
        for name, value in document.value.get("profiles", {}).items()
    }
    project = Project(root, settings, profiles, document, storage=build_storages(document, ("storage",), storage))
    mistakes = tuple(_mistakes_of_profiles(project, document))
    if mistakes:
        raise SpecError(mistakes)
    return project


def _mistakes_of_profiles(project: Project, document: Document) -> Iterator[Diagnostic]:
    yield from _files_outside(project.root, project.profiles.values(), document)
    yield from _runs_of_profiles(project, document)
    yield from _staging_of_profiles(project, document)


def _runs_of_profiles(project: Project, document: Document) -> Iterator[Diagnostic]:
    """A mistake if only profiles tell how to open the store of `runs`, because commands read runs of all profiles."""
    url = project.runs_url
    if url is None or any(map(url.is_below, project.storage)):
        return
    for name, profile in project.profiles.items():
        for place in filter(url.is_below, profile.storage):
            message = f"`{place}` contains `runs`, but its settings are those of one profile, and runs of all profiles are there"
            fix = f"write it under `storage:` of the project: `storage: {{{place}: ...}}`"
            yield _without_source(document.diagnose_key(("profiles", name, "storage"), "wrong-value", message, fix))
            return


def _staging_of_profiles(project: Project, document: Document) -> Iterator[Diagnostic]:
    """A mistake for each profile that stages rows in the store of runs although runs are in a folder."""
    for name, profile in project.profiles.items():
        if profile.engine.value.requires_store and project.runs_url is None:
            place = ("profiles", name, "engine", profile.engine.kind, "staging")
            message = "`staging: store` is the store of `runs`, but runs are in a folder"
            fix = "write `runs: s3://BUCKET/FOLDER` at the top of the file, or remove `staging`"
            yield _without_source(document.diagnose_key(place, "wrong-value", message, fix))


def _with_environment(settings: ProjectSettings, document: Document) -> ProjectSettings:
    """The settings with `${NAME}` filled into their paths. Raises SpecError; variables of the project are not filled: records show them."""
    problems: list[Diagnostic] = []

    def fill(text: str, where: Keys) -> str:
        try:
            found = from_environment(text)
            if is_url(found):
                _check_url(found, where)
        except MissingVariable as missing:
            fix = f"set {missing}, or write a default value: `${{{missing}:-data}}`"
            message = f"the environment variable `{missing}` is not set"
            problems.append(document.diagnose(where, "wrong-value", message, fix))
            return text
        except UrlError as error:
            problems.append(document.diagnose(where, "wrong-value", str(error), error.fix))
            return text
        if not found.strip():
            problems.append(
                document.diagnose(where, "wrong-value", "this must not be empty", "name a folder, or remove it")
            )
        return found

    roots = tuple(fill(text, ("roots", index)) for index, text in enumerate(settings.roots))
    data, runs, scratch = (fill(getattr(settings, name), (name,)) for name in ("data", "runs", "scratch"))
    found = replace(settings, data=data, runs=runs, scratch=scratch, roots=roots)
    for name, value in settings.vars.items():
        if ENVIRONMENT.search(value):
            message = f"`{value}` is not replaced: `vars` cannot use the environment, because their values are shown in run records"
            problems.append(
                document.diagnose(("vars", name), "wrong-value", message, f"set it when you run: --set {name}=VALUE")
            )
    if problems:
        raise SpecError(problems)
    return found


def _check_url(text: str, where: Keys) -> None:
    """Raises UrlError for a URL that is not of a store, or where a URL is not allowed."""
    if where == ("scratch",):
        raise UrlError(
            "`scratch` is a URL, but it must be a folder of this machine", "name a folder; `runs` may be a URL"
        )
    url = read_url(text)
    if where == ("runs",) and not url.key:
        fix = f"name a folder in it, so that runs and data are not mixed: `{url}/runs`"
        raise UrlError("`runs` is a whole bucket or container", fix)


def _files_outside(root: Path, profiles: Iterable[Profile], document: Document) -> Iterator[Diagnostic]:
    """Mistakes for model files outside the project's folder."""
    for use in (use for profile in profiles for cascade in profile.models.values() for use in cascade):
        for name, path in use.value.files().items():
            if path_inside(root, path) is None:
                fix = "copy the file into the project"
                yield _without_source(document.diagnose((*use.where, name), "path-outside", OUTSIDE, fix))


@cache
def project_schema() -> Schema:
    """The JSON Schema of a project file."""
    settings = schema_of_class(ProjectSettings)
    profile: Schema = {
        "type": "object",
        "properties": {
            "engine": {**_family_schema("engines"), "description": "the engine that runs the statements"},
            "connections": {
                "type": "object",
                "description": "the databases and catalogs from which tables are read and to which they are published, by name",
                "additionalProperties": _family_schema("connections"),
            },
            "models": {
                "type": "object",
                "description": "the models for the step `enrich`, by name; a list of models is asked in its order",
                "additionalProperties": _one_or_more(_family_schema("models")),
            },
            "labels": {
                "type": "string",
                "minLength": 1,
                "description": "the label store: a SQLite file, or the name of a `mysql` or `postgres` connection whose database a team shares",
            },
            "parts": {**schema_of_class(PartSettings), "description": PARTS},
            "storage": storage_schema(),
        },
        "additionalProperties": False,
    }
    doc = "the settings that differ between a laptop and production, by name: the engine, the connections, the models and the stores"
    profiles: Schema = {"type": "object", "description": doc, "additionalProperties": profile}
    properties = {**settings["properties"], "storage": storage_schema(), "profiles": profiles}
    return {
        "title": "an etlrun project",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "x-place": "the project file",
    }


def project_schema_text() -> str:
    """The schema as a file, for editors."""
    return editor_text(project_schema(), "docs/project.md", __name__)


def _wrong_labels(document: Document) -> Iterator[Diagnostic]:
    for name, profile in document.value.get("profiles", {}).items():
        wrong = wrong_labels(profile.get("labels", LABELS), tuple(profile.get("connections", {})))
        if wrong:
            yield _without_source(document.diagnose(("profiles", name, "labels"), *wrong))


def _wrong_ages(document: Document) -> Iterator[Diagnostic]:
    for name, profile in document.value.get("profiles", {}).items():
        keep = profile.get("parts", {}).get("keep")
        if keep is not None and read_age(keep) is None:
            message = f"`{keep}` is not an age"
            yield _without_source(document.diagnose(("profiles", name, "parts", "keep"), "wrong-value", message, HOW))


def wrong_labels(text: str, connections: Collection[str]) -> tuple[str, str, str] | None:
    """Why `text` is not a label store: a code, the message and the fix. It must be a connection's name, or a path (with `.` or `/`)."""
    if "://" in text:
        kind = "postgres" if text.startswith("postgres") else "mysql"
        fix = f"put the URL under `connections`, as NAME: {{{kind}: {{url: ...}}}}, and write that name under `labels`"
        return "wrong-value", "`labels` is a URL, but it must be the path of a file or the name of a connection", fix
    if text in connections or re.search(r"[./$]", text):
        return None
    fix = nearest(text, tuple(connections)) or "to use a file, write a path with a `.` or a `/`"
    return "unknown-connection", f"`labels` names `{text}`, and there is no such connection", fix


def _without_source(diagnostic: Diagnostic) -> Diagnostic:
    return replace(diagnostic, source="")


def _parts(profile: Mapping[str, Any], where: Keys, origin: Origin) -> PartSettings | None:
    return build(PartSettings, profile["parts"], where, origin) if "parts" in profile else None


def _cascade(spec: Any, where: Keys, origin: Origin) -> tuple[Use, ...]:
    """One model, or several that are asked in order until one has an answer."""
    if isinstance(spec, list):
        return tuple(build_use("models", item, (*where, index), origin) for index, item in enumerate(spec))
    return (build_use("models", spec, where, origin),)


def _one_or_more(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1}]}


def _family_schema(family: Family) -> Schema:
    return kind_schema(kinds(family))
