"""`storage:` of a project file or a profile: which stores are used, with which credentials, by the beginning of their URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from etlrun.diagnostics import Diagnostic
from etlrun.spec.fields import Schema, schema_of_class
from etlrun.spec.located import Document, Keys
from etlrun.spec.registry import kinds
from etlrun.spec.schema import kind_schema
from etlrun.spec.urls import Url, UrlError, kind_of_scheme, read_url

Storages = Mapping[Url, Any]  # the use of a kind, by the URL below which it holds


def storage_schema() -> Schema:
    """The schema of `storage:`."""
    return {
        "type": "object",
        "description": "stores of objects that pipelines may use, by the beginning of their URLs; the longest that fits holds",
        "additionalProperties": kind_schema((name, schema_of_class(cls)) for name, cls in kinds("storages").items()),
        "minProperties": 1,
    }


def storage_mistakes(document: Document, build: Callable[[Mapping[str, Any], Keys], Any]) -> Iterator[Diagnostic]:
    """What is wrong with the URLs and settings under `storage:`; the document has the right form."""
    profiles = document.value.get("profiles") or {}
    places: list[Keys] = [("storage",), *(("profiles", name, "storage") for name in profiles)]
    for where in places:
        seen: set[Url] = set()
        for text, spec in _at(document, where).items():
            for problem in _entry_mistakes(text, build(spec, (*where, text)), seen):
                yield document.diagnose_key((*where, text), *problem)


def build_storages(document: Document, where: Keys, build: Callable[[Mapping[str, Any], Keys], Any]) -> dict[Url, Any]:
    """The stores under the key at `where`, which has no mistakes."""
    return {read_url(text): build(spec, (*where, text)) for text, spec in _at(document, where).items()}


def _entry_mistakes(text: str, use: Any, seen: set[Url]) -> Iterator[tuple[str, str, str]]:
    try:
        url = read_url(text)
    except UrlError as error:
        yield "wrong-value", str(error), error.fix
        return
    if url in seen:
        yield "duplicate-name", f"`{url}` is named twice", "remove one of them"
    seen.add(url)
    if url.scheme not in use.value.schemes:
        right = kind_of_scheme(url.scheme)
        yield "wrong-value", f"`{use.kind}` does not read {url.scheme}://", f"write `{text}: {{{right}: {{}}}}`"
        return
    if "*" in text or "{" in text:
        yield "wrong-value", f"`{text}` is a pattern, and the beginning of URLs is meant", "write it without `*`"
    for _, message in use.value.mistakes():
        yield "wrong-value", message, "correct one of them"


def _at(document: Document, where: Keys) -> Mapping[str, Any]:
    found = document.value
    for part in where:
        found = found.get(part) or {}
    return found  # type: ignore[no-any-return]
