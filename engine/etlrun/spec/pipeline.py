"""Builds the typed pipeline from valid YAML: frozen values, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from etlrun.diagnostics import Diagnostic, SpecError, closest, nearest
from etlrun.spec.building import Origin, build
from etlrun.spec.fields import Scalar
from etlrun.spec.located import Document, Keys
from etlrun.spec.params import READERS, Param, ParamError, Value, read_value, sample_value, type_of_params
from etlrun.spec.pipeline_schema import pipeline_schema
from etlrun.spec.project import Project, Use
from etlrun.spec.registry import Family, kinds
from etlrun.spec.schema import located_mistakes
from etlrun.spec.shared import Included, put_in_shared
from etlrun.spec.traps import find_traps
from etlrun.spec.unread import UnreadSource, UnreadStep
from etlrun.spec.yaml_reader import read_document


@dataclass(frozen=True)
class Pipeline:
    """One pipeline file with valid form; the checker verifies names and types.

    Invalid parts are left out, or replaced by stand-ins; `mistakes` are reported together with those of the checker.
    """

    name: str
    description: str
    owner: str
    tags: tuple[str, ...]
    path: Path
    params: Mapping[str, Param]
    values: Mapping[str, Value]
    unset: tuple[str, ...]
    sources: Mapping[str, Use]
    chains: Mapping[str, tuple[Use, ...]]
    checks: Mapping[str, tuple[Use, ...]]
    sinks: Mapping[str, Use]
    origin: Origin
    mistakes: tuple[Diagnostic, ...] = ()
    included: Mapping[Keys, Mapping[str, Value]] = field(
        default_factory=dict
    )  # the values of `$name` in each step of a shared chain

    def values_at(self, where: Keys) -> Mapping[str, Value]:
        """The values of `$name` at a place in the file."""
        return self.included.get(where[:3], self.values)

    @property
    def document(self) -> Document:
        return self.origin.document


def read_pipeline(path: Path, project: Project, settings: Mapping[str, str]) -> Pipeline:
    """Read a pipeline file with `settings` (from --set) in place of its defaults.

    Mistakes in one part of the file are kept in `mistakes`. Raises SpecError if the parts of the file cannot be read.
    """
    document = read_document(path, project.shown(path))
    shared = put_in_shared(document, project)
    unread = {mistake.where for mistake in shared.mistakes}
    judged = located_mistakes(document, pipeline_schema())
    found = [
        *shared.mistakes,
        *(mistake for mistake in judged if mistake.where[:2] not in unread and mistake.where[:3] not in unread),
    ]
    mistakes = [mistake.diagnostic for mistake in found]
    if traps := [*find_traps(document)]:
        raise SpecError([*mistakes, *traps])
    if any(_concerns_all(mistake.where) for mistake in found):
        raise SpecError(mistakes)
    broken = {mistake.where[: _DEPTH.get(str(mistake.where[0]), 1)] for mistake in found}
    return _Builder(document, project, settings, mistakes, frozenset(broken), shared.included).pipeline(path)


_DEPTH = {"sources": 2, "params": 2, "sinks": 2, "steps": 3, "checks": 3}  # the depth of parts that can be left out


def _concerns_all(where: Keys) -> bool:
    """Whether the checker cannot continue after a mistake: a whole family is missing or misspelled."""
    if not where:
        return True
    if len(where) > 1:
        return where[0] == "params"
    return where[0] in _DEPTH or closest(str(where[0]), ("sources", "steps", "params")) is not None


class _Builder:
    """Builds the typed pipeline from a valid document, and collects mistakes in params."""

    def __init__(
        self,
        document: Document,
        project: Project,
        settings: Mapping[str, str],
        mistakes: list[Diagnostic],
        broken: frozenset[Keys],
        shared: Mapping[Keys, Included],
    ) -> None:
        self.document = document
        self.project = project
        self.settings = settings
        self.problems = mistakes
        self.broken = broken
        self.shared = shared
        self.included: dict[Keys, Mapping[str, Value]] = {}
        self.unset: list[str] = []

    def pipeline(self, path: Path) -> Pipeline:
        spec = self.document.value
        params = self.params(spec.get("params") or {})
        values = {name: self.value(name, param) for name, param in params.items()}
        variables = {name: self.settings.get(name, value) for name, value in self.project.variables.items()}
        origin = Origin(self.document, {**variables, **values}, self.unknown, self.unfit)
        self.included = self.values_of_included(variables, origin)
        sources = {name: self.use("sources", item, ("sources", name), origin) for name, item in self.given("sources")}
        sinks = {name: self.use("sinks", item, ("sinks", name), origin) for name, item in self.given("sinks")}
        chains = {name: tuple(self.uses("steps", name, items, origin)) for name, items in self.given("steps")}
        checks = {name: tuple(self.uses("checks", name, items, origin)) for name, items in self.given("checks")}
        return Pipeline(
            spec.get("pipeline", ""),
            spec.get("description", ""),
            spec.get("owner", ""),
            (tags,) if isinstance(tags := spec.get("tags", ()), str) else tuple(tags),
            path,
            params,
            {**variables, **values},
            tuple(self.unset),
            sources,
            chains,
            {name: _read(uses) for name, uses in checks.items()},
            _read(sinks),
            origin,
            tuple(self.problems),
            self.included,
        )

    def values_of_included(self, variables: Mapping[str, Any], origin: Origin) -> dict[Keys, Mapping[str, Value]]:
        """The values of the params of included chains, by the places of their steps."""
        found: dict[Keys, Mapping[str, Value]] = {}  # by the place of the given values: each chain is checked once
        for chain in self.shared.values():
            if chain.place not in found:
                found[chain.place] = {**variables, **dict(self.given_to(chain, origin))}
        return {where: found[chain.place] for where, chain in self.shared.items()}

    def given_to(self, chain: Included, origin: Origin) -> Iterator[tuple[str, Value]]:
        """The params of an included chain with their given values or defaults."""
        meant = {closest(name, chain.params) for name in chain.given if name not in chain.params}
        for name in chain.given:
            if name not in chain.params:
                fix = nearest(name, chain.params) or f"its params are {', '.join(chain.params) or 'none'}"
                message = f"the chain has no param `{name}`"
                self.problems.append(self.document.diagnose_key((*chain.place, name), "unknown-param", message, fix))
        for name, spec in chain.params.items():
            where, spelled = (*chain.declared, name), _long_param(spec)
            param: Param = build(Param, spelled, where, Origin(self.document, {}, lambda name, where: f"${name}"))
            given = chain.given.get(name)
            if given is not None:
                where = (*chain.place, name)
                text: str | None = str(build(Scalar, given, where, origin))
            else:
                text = param.default
            if text is None and name not in meant:
                fix = f"give it: `with: {{{name}: ...}}`"
                message = f"the param `{name}` of the chain has no value"
                self.problems.append(self.document.diagnose_key(chain.place[:-1], "missing-param", message, fix))
            yield name, self.read_param(text, param.type, where)

    def read_param(self, text: str | None, kind: str, where: Keys) -> Value:
        """The value of a param's text; for an invalid text, a sample value and a mistake at `where`."""
        try:
            return read_value(text, kind) if text is not None else sample_value(kind)
        except ParamError as error:
            self.problems.append(self.document.diagnose(where, "wrong-value", str(error), error.fix))
            return sample_value(kind)

    def params(self, spec: Mapping[str, Any]) -> dict[str, Param]:
        plain = Origin(self.document, {}, self.unfilled)
        params: dict[str, Param] = {}
        for name, value in spec.items():
            if name in self.project.variables:
                message = f"`{name}` is a variable of the project"
                self.problems.append(
                    self.document.diagnose_key(("params", name), "duplicate-name", message, "choose another name")
                )
            before = len(self.problems)
            param: Param = build(Param, _long_param(value), ("params", name), plain)
            meant = type_of_params(value) if isinstance(value, str) and value not in READERS else None
            if meant:
                message = f"params cannot have the type `{value}`"
                fix = f"write `{name}: {meant}`; if it is a text, write it as `default`"
                self.problems.append(self.document.diagnose(("params", name), "wrong-value", message, fix))
            params[name] = replace(param, default=None) if len(self.problems) > before else param
        return params

    def unfilled(self, name: str, where: Keys) -> str:
        """Report a `$name` in a default, which would stay text; a description may contain one."""
        if where[2:] != ("description",):
            param = where[1]
            fix = f"remove the default, and set the value for each run: `--set {param}=...`"
            self.problems.append(
                self.document.diagnose(
                    where, "wrong-value", f"`${name}` is not replaced here: a default must be a plain value", fix
                )
            )
        return f"${name}"

    def value(self, name: str, param: Param) -> Value:
        text = self.settings.get(name, param.default)
        if text is None:
            self.unset.append(name)
            return sample_value(param.type)
        try:
            return read_value(text, param.type)
        except ParamError as error:
            where: Keys = ("params", name)
            if name in self.settings:
                found = self.document.diagnose_key(where, "wrong-value", f"--set {name}: {error}", error.fix)
            else:
                is_long = isinstance(self.document.value["params"][name], dict)
                found = self.document.diagnose(
                    (*where, "default") if is_long else where, "wrong-value", str(error), error.fix
                )
            self.problems.append(found)
            return sample_value(param.type)

    def given(self, family: str) -> Iterator[tuple[str, Any]]:
        yield from (self.document.value.get(family) or {}).items()

    def uses(self, family: Family, name: str, items: Any, origin: Origin) -> Iterator[Use]:
        """The kinds of a list; an invalid list has one stand-in."""
        if (family, name) in self.broken or not isinstance(items, list):
            yield Use(UNREAD, _STAND_INS.get(family), (family, name))
            return
        for index, item in enumerate(items):
            where = (family, name, index)
            own = self.origin_in_chain(origin, self.included[where]) if where in self.included else origin
            yield self.use(family, item, where, own)

    def use(self, family: Family, item: Any, where: Keys, origin: Origin) -> Use:
        """The kind at `where`; a stand-in if its form is wrong or a `$name` in it does not fit."""
        if where in self.broken:
            return Use(UNREAD, _STAND_INS.get(family), where)
        (name, payload), *_ = item.items()
        place, before = (*where, name), len(self.problems)
        value = build(kinds(family)[name], payload, place, origin)
        return Use(name, value, place) if len(self.problems) == before else Use(UNREAD, _STAND_INS.get(family), where)

    def origin_in_chain(self, origin: Origin, values: Mapping[str, Value]) -> Origin:
        """The origin of steps of a shared chain, which see its own params."""

        def unknown(name: str, where: Keys) -> str:
            self.report_unknown(
                name, where, nearest(name, values) or "declare it under the `params` of the shared chain"
            )
            return "0"

        return replace(origin, values=values, unknown=unknown)

    def unfit(self, where: Keys, message: str) -> None:
        self.problems.append(self.document.diagnose(where, "type-mismatch", message))

    def unknown(self, name: str, where: Keys) -> str:
        known = tuple(self.document.value.get("params") or {}) + tuple(self.project.variables)
        fix = nearest(name, known) or f"declare it under `params:`, or write `$${name}` for the text `${name}`"
        if name.isupper():
            fix = f"only etlrun.yaml can use the environment: write `data: ${{{name}}}` there and `$data` here; or declare it under `params:`"
        self.report_unknown(name, where, fix)
        return "0"

    def report_unknown(self, name: str, where: Keys, fix: str) -> None:
        start = max(0, self.document.scalars.get(where, "").find(f"${name}"))
        self.problems.append(
            self.document.diagnose_inside(
                where, start, start + len(name) + 1, "unknown-param", f"there is no param `{name}`", fix
            )
        )


def _long_param(value: Any) -> Any:
    """The long form of a param with only a type: `month: month`."""
    return {"type": value} if isinstance(value, str) and value in READERS else value


UNREAD = "unread"
_STAND_INS: dict[str, Any] = {"sources": UnreadSource(), "steps": UnreadStep()}
_Uses = TypeVar("_Uses", tuple[Use, ...], dict[str, Use])


def _read(uses: _Uses) -> _Uses:
    """The checks or sinks without mistakes; the others need no stand-in."""
    if isinstance(uses, tuple):
        return tuple(use for use in uses if use.kind != UNREAD)
    return {name: use for name, use in uses.items() if use.kind != UNREAD}
