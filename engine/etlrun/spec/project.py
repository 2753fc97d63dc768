"""A project: its folder, its settings, and its profiles with engine, connections and models. `spec/project_file.py` reads one."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.spec.building import Origin, build
from etlrun.spec.fields import Described, Scalar, key
from etlrun.spec.located import Document, Keys
from etlrun.spec.mappings import Mapping as LabelMapping
from etlrun.spec.mappings import read_mapping
from etlrun.spec.part_settings import PartSettings
from etlrun.spec.paths import Places, refuse_outside
from etlrun.spec.registry import Family, kinds
from etlrun.spec.storages import Storages
from etlrun.spec.urls import Url, UrlError, is_url, read_url
from etlrun.spec.yaml_reader import read_document

FILE = "etlrun.yaml"
USUAL_ENGINE: Mapping[str, Any] = {"duckdb": {}}  # the engine of a profile that names none
USUAL_PROFILE = "local"  # the profile of a run, where several are declared and none is chosen
LABELS = ".etlrun/labels.sqlite"  # the label store of a profile that names none


@dataclass(frozen=True)
class ProjectSettings(Described):
    """The plain keys of a project file."""

    data: str = key("the folder, or the URL in a store, that replaces `$data`", default="data")
    roots: tuple[str, ...] = key(
        "folders outside the project, and URLs of stores, from which sources may read; `data` is always included",
        default=(),
        example=("/mnt/lake",),
    )
    runs: str = key(
        "the folder for the files of runs, or its URL in a store; on a cluster a store, or a folder that driver and executors share",
        default=".etlrun/runs",
    )
    scratch: str = key(
        "if `runs` is a URL: the folder of this machine for the files of runs that are at work",
        default=".etlrun/scratch",
        example="/mnt/etlrun",
    )
    profile: str = key(
        "the default profile; if it is not given: the only profile, or the one called `local`", default=""
    )
    hash_inputs: bool = key(
        "`true`: the list of inputs of a run contains the SHA-256 of every file; each file is then read twice",
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
    """The engine, connections and models of one environment. Several models under one name are asked in order."""

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
    """A folder with a project file; without this file, every setting has its default. `data_root` is the folder of its data, if it is another one."""

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
        """The folders and stores from which a pipeline with these variables may read files in this profile."""
        named = (*self.settings.roots, str(values.get("data", self.settings.data)))
        roots = tuple(Path(text) for text in named if not is_url(text))
        stores = (*self.storage, *(profile.storage if profile else ()))
        return Places(self.data_folder, roots, (*_urls(named), *stores), stores)

    @property
    def runs_url(self) -> Url | None:
        """The URL of the runs, if they are in a store."""
        return read_url(self.settings.runs) if is_url(self.settings.runs) else None

    @property
    def runs_path(self) -> Path:
        """The folder of this machine for the files of runs; one for each URL if the runs are in a store."""
        if self.runs_url is None:
            return self.path(self.settings.runs)
        digest = hashlib.sha256(str(self.runs_url).encode()).hexdigest()[:12]
        return self.path(self.settings.scratch) / f"runs-{digest}"

    def path(self, text: str) -> Path:
        """A path of a spec: relative ones start at the project's folder."""
        return self.root / text

    def profile(self, name: str = "") -> Profile:
        """The profile of that name, or the default one. Raises SpecError for an unknown name."""
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
        """The default profile. Raises SpecError if it is ambiguous."""
        if not self.profiles or USUAL_PROFILE in self.profiles:
            return USUAL_PROFILE
        if len(self.profiles) == 1:
            return next(iter(self.profiles))
        assert self.document is not None
        message = f"{FILE} has the profiles {', '.join(self.profiles)}, and does not select one of them"
        fix = f"choose one: `profile: {next(iter(self.profiles))}` in {FILE}, or --profile"
        raise SpecError([self.document.diagnose_key(("profiles",), "unknown-profile", message, fix)])

    def mapping_names(self) -> tuple[str, ...]:
        """The mappings that the project has."""
        return tuple(sorted(path.stem for path in self.path("mappings").glob("*.yaml")))

    def shown(self, path: Path) -> str:
        """A path relative to the current folder, for messages."""
        try:
            return os.path.relpath(path)
        except ValueError:
            return str(path)


def _urls(texts: Iterable[str]) -> Iterator[Url]:
    """The URLs among some texts; invalid URLs are reported with the paths that use them."""
    for text in filter(is_url, texts):
        with suppress(UrlError):
            yield read_url(text)


def default_profile() -> Profile:
    """The profile of a folder without a project file: DuckDB, and a DuckDB warehouse next to the data."""
    origin = Verbatim(Document("", ""), {})
    warehouse = build_use("connections", {"duckdb": {"path": "warehouse.duckdb"}}, (), origin)
    engine = build_use("engines", USUAL_ENGINE, (), origin)
    return Profile(USUAL_PROFILE, engine, {"warehouse": warehouse}, names_engine=False)


def load_mapping(project: Project, name: str) -> LabelMapping | None:
    """The mapping in `mappings/NAME.yaml`, or None if there is no such file. Raises SpecError for its mistakes."""
    path = project.path("mappings") / f"{name}.yaml"
    if not re.fullmatch(r"[\w-]+", name) or not path.is_file():
        return None
    refuse_outside(project.root, path, project.shown(path))
    found = path.stat()
    return _mapping(path, project.shown(path), (found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=256)
def _mapping(path: Path, shown: str, stamp: tuple[int, int]) -> LabelMapping:
    """Read a mapping once, and again when its file has changed, because many pipelines may use it."""
    return read_mapping(read_document(path, shown), path.stem)


class Verbatim(Origin):
    """YAML text in which `$` is not replaced: the project file's `${NAME}` is read when a connection opens."""

    def fill(self, value: Any, where: Keys) -> Any:
        return value


def build_use(family: Family, spec: Mapping[str, Any], where: Keys, origin: Origin) -> Use:
    (name, payload), *_ = spec.items()
    return Use(name, build(kinds(family)[name], payload, (*where, name), origin), (*where, name))
