"""Select pipelines of a project: `core`, `+core`, `core+`, `mart_*`, `tag:daily`, `owner:bi`.

As in dbt, a blank means union, and a comma means intersection.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence

from etlrun.compiler.project_graph import ProjectGraph
from etlrun.diagnostics import nearest, shortened
from etlrun.failures import RunFailure

_KEYS = {"tag": "tags", "owner": "owner"}


def select(graph: ProjectGraph, chosen: Sequence[str], excluded: Sequence[str]) -> tuple[str, ...]:
    """The names of the pipelines that `chosen` selects (all if it is empty), without those of `excluded`, in order. Raises RunFailure."""
    found = _names(graph, chosen) if chosen else set(graph.pipelines)
    found -= _names(graph, excluded)
    return tuple(name for name in graph.pipelines if name in found)


def _names(graph: ProjectGraph, texts: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in (word for text in texts for word in text.split()):
        found |= set.intersection(*(_meant(graph, part) for part in word.split(",")))
    return found


def _meant(graph: ProjectGraph, text: str) -> set[str]:
    bare = text.removeprefix("+").removesuffix("+")
    found = _matching(graph, bare, text)
    more: set[str] = set()
    if text.startswith("+"):
        more |= _reached(found, graph.upstream)
    if text.endswith("+"):
        more |= _reached(found, _turned(graph.upstream))
    return found | more


def _matching(graph: ProjectGraph, word: str, text: str) -> set[str]:
    method, colon, value = word.partition(":")
    pipelines = {name: checked.pipeline for name, checked in graph.pipelines.items()}
    if not colon:
        known, what = tuple(pipelines), "pipeline"
        found = {name for name in pipelines if fnmatch.fnmatchcase(name, word)}
    elif method == "tag":
        known, what = tuple(sorted({tag for one in pipelines.values() for tag in one.tags})), "pipeline with the tag"
        found, word = {name for name, one in pipelines.items() if value in one.tags}, value
    elif method == "owner":
        known, what = tuple(sorted({one.owner for one in pipelines.values() if one.owner})), "pipeline of the owner"
        found, word = {name for name, one in pipelines.items() if one.owner == value}, value
    else:
        fix = "write NAME, +NAME, NAME+, tag:WORD or owner:NAME"
        raise RunFailure("usage", "unknown-pipeline", f"`{text}` is not a selection of pipelines", fix)
    if not found:
        none = f"no pipeline has the key `{_KEYS[method]}`" if colon else "there are no pipelines"
        fix = nearest(word, known) or (f"choose one of {shortened(known)}" if known else none)
        raise RunFailure("usage", "unknown-pipeline", f"there is no {what} `{word}`", fix)
    return found


def _reached(start: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    left = list(start)
    while left:
        new = set(edges.get(left.pop(), ())) - found
        found |= new
        left += new
    return found


def _turned(edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    turned: dict[str, list[str]] = {}
    for name, others in edges.items():
        for other in others:
            turned.setdefault(other, []).append(name)
    return turned
