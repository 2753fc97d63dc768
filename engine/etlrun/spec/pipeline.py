"""Valid values to the typed pipeline: one YAML file as frozen values, each with its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.spec.fields import Origin, Schema, build, schema_of_class
from etlrun.spec.located import Document, Keys, read_document
from etlrun.spec.params import Param, ParamError, Value, read_value, sample_value
from etlrun.spec.project import Project, Use
from etlrun.spec.registry import Family, kinds
from etlrun.spec.schema import find_mistakes, kind_schema

TITLE = "an etlrun pipeline"


@dataclass(frozen=True)
class Pipeline:
    """One pipeline file, valid in form; names and types are the checker's business."""

    name: str
    description: str
    owner: str
    path: Path
    params: Mapping[str, Param]
    values: Mapping[str, Value]
    unset: tuple[str, ...]
    sources: Mapping[str, Use]
    chains: Mapping[str, tuple[Use, ...]]
    checks: Mapping[str, tuple[Use, ...]]
    sinks: Mapping[str, Use]
    origin: Origin

    @property
    def document(self) -> Document:
        return self.origin.document


def read_pipeline(path: Path, project: Project, settings: Mapping[str, str]) -> Pipeline:
    """Read a pipeline file with `settings` (from --set) in place of its defaults.

    Raises SpecError with every mistake of its form.
    """
    document = read_document(path, project.shown(path))
    problems = find_mistakes(document, pipeline_schema())
    if problems:
        raise SpecError(problems)
    return _Builder(document, project, settings).pipeline(path)


@cache
def pipeline_schema() -> Schema:
    """The JSON Schema of a pipeline file, every kind and plugin included."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": TITLE,
        "type": "object",
        "properties": {
            "pipeline": {"type": "string", "minLength": 1, "description": "the pipeline's name"},
            "description": {"type": "string", "description": "what its result is, in one line"},
            "owner": {"type": "string", "description": "who answers for it"},
            "params": _named("params", schema_of_class(Param)),
            "sources": _named("relations read from files or tables", _kinds("sources"), at_least=1),
            "steps": _named("chains of verbs; each is a relation", {"type": "array", "items": _kinds("steps"), "minItems": 1}),
            "checks": _named("what must hold before anything is published", {"type": "array", "items": _kinds("checks"), "minItems": 1}),
            "sinks": _named("what is published, and where", _kinds("sinks")),
        },
        "required": ["pipeline", "sources"],
        "additionalProperties": False,
    }  # fmt: skip


def schema_text() -> str:
    """The schema as a file, for editors."""
    return json.dumps(public(pipeline_schema()), indent=1, ensure_ascii=False) + "\n"


def public(schema: Any) -> Any:
    """A schema without what only our own messages read."""
    if isinstance(schema, dict):
        return {name: public(value) for name, value in schema.items() if not str(name).startswith("x-")}
    return [public(item) for item in schema] if isinstance(schema, list) else schema


def _named(doc: str, schema: Schema, at_least: int = 0) -> Schema:
    return {"type": "object", "description": doc, "additionalProperties": schema, "minProperties": at_least}


def _kinds(family: Family) -> Schema:
    return kind_schema((name, schema_of_class(cls)) for name, cls in kinds(family).items())


class _Builder:
    """Builds the typed pipeline from a valid document, collecting what is wrong with params."""

    def __init__(self, document: Document, project: Project, settings: Mapping[str, str]) -> None:
        self.document = document
        self.project = project
        self.settings = settings
        self.problems: list[Diagnostic] = []
        self.unset: list[str] = []

    def pipeline(self, path: Path) -> Pipeline:
        spec = self.document.value
        params = self.params(spec.get("params") or {})
        values = {name: self.value(name, param) for name, param in params.items()}
        variables = {name: self.settings.get(name, value) for name, value in self.project.variables.items()}
        origin = Origin(self.document, {**variables, **values}, self.unknown)
        uses = {
            family: {name: self.use(family, item, (family, name), origin) for name, item in (spec.get(family) or {}).items()}
            for family in ("sources", "sinks")
        }
        lists = {
            family: {
                name: tuple(self.use(family, item, (family, name, index), origin) for index, item in enumerate(items))
                for name, items in (spec.get(family) or {}).items()
            }
            for family in ("steps", "checks")
        }
        if self.problems:
            raise SpecError(self.problems)
        return Pipeline(
            spec["pipeline"], spec.get("description", ""), spec.get("owner", ""), path, params,
            {**{name: value for name, value in variables.items() if name not in params}, **values}, tuple(self.unset),
            uses["sources"], lists["steps"], lists["checks"], uses["sinks"], origin,
        )  # fmt: skip

    def params(self, spec: Mapping[str, Any]) -> dict[str, Param]:
        plain = Origin(self.document, {}, lambda name, where: f"${name}")
        params: dict[str, Param] = {}
        for name, value in spec.items():
            if name in self.project.variables:
                self.problems.append(
                    self.document.diagnose_key(("params", name), "duplicate-name", f"`{name}` is a variable of the project")
                )
            params[name] = build(Param, value, ("params", name), plain)
        return params

    def value(self, name: str, param: Param) -> Value:
        text = self.settings.get(name, param.default)
        if text is None:
            self.unset.append(name)
            return sample_value(param.type)
        try:
            return read_value(text, param.type)
        except ParamError as error:
            where: Keys = ("params", name)
            if name not in self.settings and isinstance(self.document.value["params"][name], dict):
                where = (*where, "default")
            message = f"--set {name}: {error}" if name in self.settings else str(error)
            self.problems.append(self.document.diagnose(where, "wrong-value", message))
            return sample_value(param.type)

    def use(self, family: str, item: Mapping[str, Any], where: Keys, origin: Origin) -> Use:
        (name, payload), *_ = item.items()
        place = (*where, name)
        return Use(name, build(kinds(family)[name], payload, place, origin), place)  # type: ignore[index,arg-type]

    def unknown(self, name: str, where: Keys) -> str:
        known = tuple(self.document.value.get("params") or {}) + tuple(self.project.variables)
        fix = nearest(name, known) or "declare it under `params:`"
        text = self.document.scalars.get(where, "")
        start = max(0, text.find(f"${name}"))
        self.problems.append(
            self.document.diagnose_inside(where, start, start + len(name) + 1, "unknown-param", f"there is no param `{name}`", fix)
        )
        return "0"
