"""The project file: where things are, and what differs between a laptop and production.

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
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.spec.ages import HOW, read_age
from etlrun.spec.building import Origin, build
from etlrun.spec.editor_schema import editor_text
from etlrun.spec.fields import Described, Scalar, Schema, key, schema_of_class
from etlrun.spec.located import Document, Keys, parse_document, read_document, read_text
from etlrun.spec.mappings import Mapping as LabelMapping
from etlrun.spec.mappings import read_mapping
from etlrun.spec.part_settings import PARTS, PartSettings
from etlrun.spec.paths import OUTSIDE, Places, path_inside, refuse_outside
from etlrun.spec.registry import Family, kinds
from etlrun.spec.schema import find_mistakes, kind_schema
from etlrun.spec.secrecy import ENVIRONMENT, hide_lines, secret_mistakes
from etlrun.spec.storages import Storages, build_storages, storage_mistakes, storage_schema
from etlrun.spec.traps import find_traps_of_project
from etlrun.spec.urls import Url, UrlError, is_url, read_url

FILE = "etlrun.yaml"
FILES = (FILE, "etlrun.yml")
USUAL_ENGINE: Mapping[str, Any] = {"duckdb": {}}  # where a profile names none
USUAL_PROFILE = "local"  # the profile of a run, where several are declared and none is chosen
LABELS = ".etlrun/labels.sqlite"  # the label store, where a profile names none


@dataclass(frozen=True)
class ProjectSettings(Described):
    """The plain keys of a project file."""

    data: str = key("the folder, or the URL in a store, that `$data` is replaced by", default="data")
    roots: tuple[str, ...] = key(
        "folders outside the project, and URLs of stores, from which sources may read; `data` is always included",
        default=(),
        example=("/mnt/lake",),
    )
    runs: str = key(
        "the folder for the files of runs; on a cluster a folder that driver and executors share",
        default=".etlrun/runs",
    )
    profile: str = key(
        "the default profile; if it is not given: the only profile, or the one called `local`", default=""
    )
    hash_inputs: bool = key(
        "`true`: the list of inputs of a run has the SHA-256 of every file; each file is then read a second time",
        default=False,
    )
    confirm_above_usd: float = key(
        "the US dollars that a run may spend on models without --yes, --max-usd or a confirmation at the terminal",
        default=1.0,
    )
    vars: Mapping[str, Scalar] = key("variables that every pipeline can use as `$name`", factory=dict)


@dataclass(frozen=True)
class Use:
    """A kind in use: its name, the value built from YAML, and its place in the file."""

    kind: str
    value: Any
    where: Keys


@dataclass(frozen=True)
class Profile:
    """An engine, the connections and the models of one surrounding. Several models under one name are asked in their order."""

    name: str
    engine: Use
    connections: Mapping[str, Use]
    models: Mapping[str, tuple[Use, ...]] = field(default_factory=dict)
    labels: str = LABELS
    names_engine: bool = True
    parts: PartSettings | None = None
    storage: Storages = field(default_factory=dict)


@dataclass
class Project:
    """A folder with a project file (or none: then everything has its default). `data_root` is where its data is, if not there."""

    root: Path
    settings: ProjectSettings = field(default_factory=ProjectSettings)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    document: Document | None = None
    data_root: Path | None = None
    storage: Storages = field(default_factory=dict)

    @property
    def data_folder(self) -> Path:
        """The folder where relative paths of data and connections start."""
        return self.data_root or self.root

    @property
    def variables(self) -> dict[str, str]:
        return {"data": self.settings.data, **self.settings.vars}

    def places(self, values: Mapping[str, Any], profile: Profile | None = None) -> Places:
        """The folders and stores from which a pipeline with these variables, run in this profile, reads its files."""
        named = (*self.settings.roots, str(values.get("data", self.settings.data)))
        roots = tuple(Path(text) for text in named if not is_url(text))
        stores = (*self.storage, *(profile.storage if profile else ()))
        return Places(self.data_folder, roots, (*_urls(named), *stores), stores)

    def path(self, text: str) -> Path:
        """A path of a spec: relative ones start at the project's folder."""
        return self.root / text

    def profile(self, name: str = "") -> Profile:
        """The profile of that name, or the default one. Raises SpecError for a name that is not there."""
        wanted = name or os.environ.get("ETLRUN_PROFILE") or self.settings.profile or self._usual_profile()
        if wanted in self.profiles:
            return self.profiles[wanted]
        if not self.profiles and wanted == USUAL_PROFILE:
            return default_profile()
        fix = (
            nearest(wanted, tuple(self.profiles)) or f"the profiles are {', '.join(self.profiles)}"
            if self.profiles
            else f"{FILE} declares none"
        )
        message = f"there is no profile `{wanted}`"
        if self.document is None:
            raise SpecError([Diagnostic(FILE, 1, 1, 2, "unknown-profile", message, fix)])
        if wanted == self.settings.profile and "profile" in self.document.value:
            raise SpecError([self.document.diagnose(("profile",), "unknown-profile", message, fix)])
        raise SpecError([self.document.diagnose_key(("profiles",), "unknown-profile", message, fix)])

    def _usual_profile(self) -> str:
        """The profile that is meant where nothing names one. Raises SpecError where it could be several."""
        if not self.profiles or USUAL_PROFILE in self.profiles:
            return USUAL_PROFILE
        if len(self.profiles) == 1:
            return next(iter(self.profiles))
        assert self.document is not None
        message = f"{FILE} has the profiles {', '.join(self.profiles)}, and does not say which one a run uses"
        fix = f"choose one: `profile: {next(iter(self.profiles))}` in {FILE}, or --profile"
        raise SpecError([self.document.diagnose_key(("profiles",), "unknown-profile", message, fix)])

    def mapping_names(self) -> tuple[str, ...]:
        """The mappings that the project has."""
        return tuple(sorted(path.stem for path in self.path("mappings").glob("*.yaml")))

    def shown(self, path: Path) -> str:
        """A path as a person at the current folder would write it."""
        try:
            return os.path.relpath(path)
        except ValueError:
            return str(path)


def _urls(texts: Iterable[str]) -> Iterator[Url]:
    """The URLs among some texts; what only begins like one is a mistake of the path that starts there."""
    for text in filter(is_url, texts):
        with suppress(UrlError):
            yield read_url(text)


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
    """The project file of a folder; None where it has none."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


@cache
def read_project(root: Path) -> Project:
    """The project of a folder with a project file. Raises SpecError with every mistake, and shows no line that may hold a secret."""
    found = [root / name for name in FILES if (root / name).is_file()]
    shown = os.path.relpath(found[0])
    if len(found) > 1:
        message = f"there is `{FILES[1]}` beside it, and a project has one project file"
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
    origin = _Verbatim(document, {})
    storage = partial(_use, "storages", origin=origin)
    problems = problems or [*storage_mistakes(document, storage)]
    if problems:
        raise SpecError(problems)
    plain = {name: value for name, value in document.value.items() if name not in ("profiles", "storage")}
    settings = _with_environment(build(ProjectSettings, plain, (), origin), document)
    profiles = {
        name: Profile(
            name,
            _use("engines", value.get("engine", USUAL_ENGINE), ("profiles", name, "engine"), origin),
            {
                inner: _use("connections", spec, ("profiles", name, "connections", inner), origin)
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
    outside = tuple(_files_outside(root, profiles.values(), document))
    if outside:
        raise SpecError(outside)
    return Project(root, settings, profiles, document, storage=build_storages(document, ("storage",), storage))


def _with_environment(settings: ProjectSettings, document: Document) -> ProjectSettings:
    """The settings with `${NAME}` filled into their paths. Raises SpecError; variables of the project are not filled: records show them."""
    problems: list[Diagnostic] = []

    def fill(text: str, where: Keys) -> str:
        try:
            found = from_environment(text)
            if is_url(found):
                _check_url(found, where)
        except MissingVariable as missing:
            fix = f"set {missing}, or write what holds without it: `${{{missing}:-data}}`"
            message = f"the environment variable `{missing}` is not set"
            problems.append(document.diagnose(where, "wrong-value", message, fix))
            return text
        except UrlError as error:
            problems.append(document.diagnose(where, "wrong-value", str(error), error.fix))
            return text
        return found

    roots = tuple(fill(text, ("roots", index)) for index, text in enumerate(settings.roots))
    found = replace(settings, data=fill(settings.data, ("data",)), runs=fill(settings.runs, ("runs",)), roots=roots)
    for name, value in settings.vars.items():
        if ENVIRONMENT.search(value):
            message = f"`{value}` stays as it is: nothing of the environment is filled into `vars`, which records of runs show"
            problems.append(
                document.diagnose(("vars", name), "wrong-value", message, f"give it to a run: --set {name}=VALUE")
            )
    if problems:
        raise SpecError(problems)
    return found


def _check_url(text: str, where: Keys) -> None:
    """Raises UrlError for a URL that is none of a store, or that stands where none may."""
    if where == ("runs",):
        fix = "name a folder of this machine; sources may be in a store"
        raise UrlError("`runs` is a URL, and the folders of runs are on a disk of this machine", fix)
    read_url(text)


def _files_outside(root: Path, profiles: Iterable[Profile], document: Document) -> Iterator[Diagnostic]:
    """The files of models that are not in the project's folder."""
    for use in (use for profile in profiles for cascade in profile.models.values() for use in cascade):
        for name, path in use.value.files().items():
            if path_inside(root, path) is None:
                fix = "put the file itself into the project"
                yield _without_source(document.diagnose((*use.where, name), "path-outside", OUTSIDE, fix))


def default_profile() -> Profile:
    """What a folder without a project file runs with: DuckDB, and a DuckDB warehouse beside the data."""
    origin = _Verbatim(Document("", ""), {})
    warehouse = _use("connections", {"duckdb": {"path": "warehouse.duckdb"}}, (), origin)
    engine = _use("engines", USUAL_ENGINE, (), origin)
    return Profile(USUAL_PROFILE, engine, {"warehouse": warehouse}, names_engine=False)


@cache
def project_schema() -> Schema:
    """The JSON Schema of a project file."""
    settings = schema_of_class(ProjectSettings)
    profile: Schema = {
        "type": "object",
        "properties": {
            "engine": {**_family_schema("engines"), "description": "what runs the statements"},
            "connections": {
                "type": "object",
                "description": "places that tables are read from and published to, by name",
                "additionalProperties": _family_schema("connections"),
            },
            "models": {
                "type": "object",
                "description": "what `enrich` asks, by name; a list is asked in its order",
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
    doc = (
        "what differs between a laptop and production: by name, the engine, the connections, the models and the stores"
    )
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


def load_mapping(project: Project, name: str) -> LabelMapping | None:
    """The mapping in `mappings/NAME.yaml`, or None where there is no such file. Raises SpecError for its mistakes."""
    path = project.path("mappings") / f"{name}.yaml"
    if not re.fullmatch(r"[\w-]+", name) or not path.is_file():
        return None
    refuse_outside(project.root, path, project.shown(path))
    found = path.stat()
    return _mapping(path, project.shown(path), (found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=256)
def _mapping(path: Path, shown: str, stamp: tuple[int, int]) -> LabelMapping:
    """Many pipelines use one mapping: it is read once, and again when the file has changed."""
    return read_mapping(read_document(path, shown), path.stem)


class MissingVariable(Exception):
    """An environment variable that the project file refers to and that is not set; `str()` is its name."""


def from_environment(text: str) -> str:
    """Fill `${NAME}` and `${NAME:-default}` from the environment. Raises MissingVariable."""

    def value(found: re.Match[str]) -> str:
        given = os.environ.get(found.group(1)) or found.group(2)
        if given is None:
            raise MissingVariable(found.group(1))
        return given

    return ENVIRONMENT.sub(value, text)


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
    """Why `text` is no label store: a code, what is wrong, and what to do. It is a connection's name or a path, which has a `.` or `/`."""
    if "://" in text:
        kind = "postgres" if text.startswith("postgres") else "mysql"
        fix = f"put the URL under `connections`, as NAME: {{{kind}: {{url: ...}}}}, and give `labels` that name"
        return "wrong-value", "`labels` is a URL, and the label store is in a file or a connection", fix
    if text in connections or re.search(r"[./$]", text):
        return None
    fix = nearest(text, tuple(connections)) or "to use a file, write a path with a `.` or a `/`"
    return "unknown-connection", f"`labels` names `{text}`, and there is no such connection", fix


def _without_source(diagnostic: Diagnostic) -> Diagnostic:
    return replace(diagnostic, source="")


class _Verbatim(Origin):
    """A source whose `$` is left alone: the project file's `${NAME}` is read when a connection opens."""

    def fill(self, value: Any, where: Keys) -> Any:
        return value


def _use(family: Family, spec: Mapping[str, Any], where: Keys, origin: Origin) -> Use:
    (name, payload), *_ = spec.items()
    return Use(name, build(kinds(family)[name], payload, (*where, name), origin), (*where, name))


def _parts(profile: Mapping[str, Any], where: Keys, origin: Origin) -> PartSettings | None:
    return build(PartSettings, profile["parts"], where, origin) if "parts" in profile else None


def _cascade(spec: Any, where: Keys, origin: Origin) -> tuple[Use, ...]:
    """One model, or several that are asked in their order until one knows."""
    if isinstance(spec, list):
        return tuple(_use("models", item, (*where, index), origin) for index, item in enumerate(spec))
    return (_use("models", spec, where, origin),)


def _one_or_more(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1}]}


def _family_schema(family: Family) -> Schema:
    return kind_schema(kinds(family))
