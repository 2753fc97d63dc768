"""Pipelines can share sources (files in `sources/`) and chains of steps (files in `chains/`).

`sources/tpch.yaml` contains sources, written like under `sources:` of a pipeline. `{use: tpch.orders}` uses one of
them; keys next to `use` override its keys, such as the path or the columns. The shared source can use the params of the
pipeline.

```yaml
# sources/tpch.yaml
orders:
  parquet:
    path: $data/orders.parquet
    key: [o_orderkey]
    columns: {o_orderkey: bigint, o_orderdate: date, o_totalprice: "decimal(15,2)"}
# a pipeline
sources:
  orders: {use: tpch.orders}
  archived: {use: tpch.orders, path: $data/archive/orders.parquet}
```

`chains/orders.yaml` contains chains of steps, each with its own params. `include` is replaced by the steps of the
chain. A param without a default must be given with `with`. The chain can use its own params and the variables of the
project, but not the params of the pipeline.

```yaml
# chains/orders.yaml
recent:
  params: {since: date, least: {type: number, default: 0}}
  steps:
    - filter: o_orderdate >= $since and o_totalprice >= $least
# a pipeline
steps:
  large:
    - from: orders
    - include: {chain: orders.recent, with: {since: 1995-01-01, least: 1000}}
  all:
    - from: orders
    - include: {chain: orders.recent, with: {since: $start}}
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from etlrun.diagnostics import SpecError, nearest, shortened
from etlrun.spec.fields import SCALAR, Schema, schema_of_class
from etlrun.spec.located import Document, Keys
from etlrun.spec.params import Param
from etlrun.spec.paths import refuse_outside
from etlrun.spec.project import Project
from etlrun.spec.schema import located_mistakes
from etlrun.spec.wording import Mistake
from etlrun.spec.yaml_reader import read_document

SOURCES, CHAINS = "sources", "chains"  # the folders
USE, INCLUDE = "use", "include"  # the keys


@dataclass(frozen=True)
class Included:
    """A chain that a pipeline includes: its declared params and the given values, with the places of both."""

    params: Mapping[str, Any]
    declared: Keys
    given: Mapping[str, Any]
    place: Keys


@dataclass
class Shared:
    """The result of replacing `use` and `include`: the included chain of each step, and the mistakes."""

    included: dict[Keys, Included] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


def put_in_shared(document: Document, project: Project) -> Shared:
    """Replace `use` and `include` by what they name, in the document's value and in its table of positions."""
    return _Sharing(document, project).all()


def written_schema(schema: Schema) -> Schema:
    """The schema of a pipeline file as it is written: before `use` and `include` are replaced."""
    families = dict(schema["properties"])
    source, chain = families["sources"]["additionalProperties"], families["steps"]["additionalProperties"]
    use: Schema = {
        "type": "object",
        "properties": {USE: _text("a source of `sources/`: FILE.NAME", "tpch.orders")},
        "required": [USE],
    }
    families["sources"] = {**families["sources"], "additionalProperties": {"anyOf": [source, use]}}
    steps = {**chain["items"], "properties": {**chain["items"]["properties"], INCLUDE: _include_schema()}}
    families["steps"] = {**families["steps"], "additionalProperties": {**chain, "items": steps}}
    return {**schema, "properties": families}


class _Sharing:
    def __init__(self, document: Document, project: Project) -> None:
        self.document = document
        self.project = project
        self.found = Shared()

    def all(self) -> Shared:
        value = self.document.value if isinstance(self.document.value, dict) else {}
        for name, item in _entries(value.get("sources")):
            if isinstance(item, dict) and USE in item:
                try:
                    self.use(("sources", name), item)
                except SpecError as error:
                    self.found.mistakes.extend(Mistake(("sources", name), found) for found in error.diagnostics)
        for name, items in _entries(value.get("steps")):
            if isinstance(items, list) and any(_is_include(item) for item in items):
                self.include(("steps", name), items)
        return self.found

    def use(self, where: Keys, item: dict[str, Any]) -> None:
        """Replace `{use: FILE.NAME, ...}` by a source of `sources/`."""
        shared = self.look_up(SOURCES, item[USE], (*where, USE))
        if not isinstance(shared.value, dict) or len(shared.value) != 1:
            raise SpecError([shared.diagnose_key((), "wrong-value", "this is not a source", _SOURCE_FIX)])
        ((kind, keys),) = shared.value.items()
        if not isinstance(keys, dict):
            raise SpecError([shared.diagnose_key((kind,), "wrong-value", "this is not a source", _SOURCE_FIX)])
        here, written = self.document.below(where), self.document.below((*where, USE)).values[()]
        shared.values[()] = here.values[()]
        shared.keys[()] = here.keys[()]
        shared.values[(kind,)] = shared.keys[(kind,)] = written  # missing keys are reported here
        own = {name: value for name, value in item.items() if name != USE}
        for name in own:
            shared.put_positions((kind, name), here.below((name,)))
        self.document.put_positions(where, shared)
        self.document.value[where[0]][where[1]] = {kind: {**keys, **own}}

    def include(self, where: Keys, items: list[Any]) -> None:
        """Replace every `include` by the steps of a chain of `chains/`."""
        before, after = self.document.below(where), Document(self.document.file, self.document.text, [])
        after.values[()], after.keys[()] = before.values[()], before.keys[()]
        for index, item in enumerate(items):
            written = before.below((index,))
            steps = [written]
            if _is_include(item):
                place = (INCLUDE, where[1], index)
                self.document.put_positions(place, written)
                steps = self.steps(written, place, (*where, len(after.value))) or steps
            for step in steps:
                after.put_positions((len(after.value),), step)
                after.value.append(step.value)
        self.document.put_positions(where, after)
        self.document.value[where[0]][where[1]] = after.value

    def steps(self, written: Document, place: Keys, where: Keys) -> list[Document]:
        """The steps for an `include`; empty if it has mistakes, which are collected for the step at `where`."""
        try:
            chain, given = self.chain(written.below((INCLUDE,)), (*place, INCLUDE))
        except SpecError as error:
            self.found.mistakes.extend(Mistake(where, diagnostic) for diagnostic in error.diagnostics)
            return []
        steps = [chain.below(("steps", index)) for index in range(len(chain.value["steps"]))]
        declared = (*place, "declared")
        if chain.value.get("params"):
            self.document.put_positions(declared, chain.below(("params",)))
        included = Included(chain.value.get("params") or {}, declared, given, (*place, INCLUDE, "with"))
        for offset in range(len(steps)):
            self.found.included[(*where[:-1], int(where[-1]) + offset)] = included
        return steps

    def chain(self, written: Document, at: Keys) -> tuple[Document, Mapping[str, Any]]:
        """The chain that an `include` names, and the given values. Raises SpecError."""
        _refuse(located_mistakes(written, _include_schema()))
        is_short = isinstance(written.value, str)
        long = {"chain": written.value} if is_short else written.value
        chain = self.look_up(CHAINS, long["chain"], at if is_short else (*at, "chain"))
        _refuse(located_mistakes(chain, _chain_schema()))
        for index, step in enumerate(chain.value["steps"]):
            if _is_include(step):
                message, fix = (
                    "a shared chain cannot include another one",
                    "include both in the pipeline, one after the other",
                )
                raise SpecError([chain.diagnose_key(("steps", index, INCLUDE), "not-allowed-here", message, fix)])
        return chain, long.get("with") or {}

    def look_up(self, folder: str, text: Any, at: Keys) -> Document:
        """Find FILE.NAME in `folder`. Raises SpecError."""
        what = "source" if folder == SOURCES else "chain"
        file, dot, name = text.partition(".") if isinstance(text, str) else ("", "", "")
        files = tuple(sorted(path.stem for path in self.project.path(folder).glob("*.yaml")))
        if not dot or not file or not name:
            fix = f"`orders.recent` is the {what} `recent` of {folder}/orders.yaml"
            raise SpecError([self.document.diagnose(at, "wrong-value", "expected FILE.NAME", fix)])
        if file not in files:
            fix = nearest(file, files) or (
                f"the files there are {shortened(files)}" if files else f"put the {what} into it"
            )
            message = f"there is no file {folder}/{file}.yaml"
            raise SpecError([self.document.diagnose(at, "file-not-found", message, fix)])
        path = self.project.path(folder) / f"{file}.yaml"
        refuse_outside(self.project.root, path, self.project.shown(path))
        other = read_document(path, self.project.shown(path))
        known = tuple(other.value) if isinstance(other.value, dict) else ()
        if name not in known:
            fix = nearest(name, known) or f"it has {', '.join(known) or 'none'}"
            message = f"{folder}/{file}.yaml has no {what} `{name}`"
            raise SpecError([self.document.diagnose(at, "unknown-relation", message, fix)])
        self.document.shared.append(other)
        return other.below((name,))


_SOURCE_FIX = "write it as in a pipeline: `NAME: {parquet: {path: ..., columns: ...}}`"


def _refuse(mistakes: list[Mistake]) -> None:
    if mistakes:
        raise SpecError([mistake.diagnostic for mistake in mistakes])


def _entries(family: Any) -> Iterator[tuple[str, Any]]:
    yield from list(family.items()) if isinstance(family, dict) else ()


def _is_include(step: Any) -> bool:
    return isinstance(step, dict) and list(step) == [INCLUDE]


def _text(doc: str, example: str) -> Schema:
    return {"type": "string", "description": doc, "x-example": example}


@cache
def _include_schema() -> Schema:
    given: Schema = {
        "type": "object",
        "additionalProperties": {"type": SCALAR},
        "description": "the values of the params of the chain",
        "x-example": {"since": "1995-01-01"},
    }
    name = _text("a chain of `chains/`: FILE.NAME", "orders.recent")
    long: Schema = {
        "type": "object",
        "properties": {"chain": name, "with": given},
        "required": ["chain"],
        "additionalProperties": False,
        "x-place": "an `include`",
    }
    example = {"chain": "orders.recent", "with": {"since": "1995-01-01"}}
    doc = "the steps of a chain of `chains/`"
    return {"anyOf": [name, long], "x-short": "chain", "description": doc, "x-example": example}


@cache
def _chain_schema() -> Schema:
    params: Schema = {"type": "object", "additionalProperties": schema_of_class(Param)}
    return {
        "type": "object",
        "properties": {
            "description": _text("the purpose of the chain, in one line", "orders since a day"),
            "params": params,
            "steps": {"type": "array", "minItems": 1},
        },
        "required": ["steps"],
        "additionalProperties": False,
        "x-place": "a shared chain",
    }
