"""`storage:` of a project file or a profile: which stores are used, with which credentials, by the beginning of their URLs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from etlrun.diagnostics import Diagnostic
from etlrun.spec.fields import Schema
from etlrun.spec.located import Document, Keys
from etlrun.spec.registry import kinds
from etlrun.spec.schema import kind_schema
from etlrun.spec.urls import Url, UrlError, kind_of_scheme, read_url

Storages = Mapping[Url, Any]  # the use of a kind, by the URL below which it holds


def storage_schema() -> Schema:
    """The schema of `storage:`."""
    return {
        "type": "object",
        "description": "object stores that pipelines may use, by the beginning of their URLs; if several match a URL, the longest one is used",
        "additionalProperties": kind_schema(kinds("storages")),
        "minProperties": 1,
    }


def storage_mistakes(document: Document, build: Callable[[Mapping[str, Any], Keys], Any]) -> Iterator[Diagnostic]:
    """Mistakes in the URLs and settings under `storage:` of a document with the right form."""
    profiles = document.value.get("profiles") or {}
    places: list[Keys] = [("storage",), *(("profiles", name, "storage") for name in profiles)]
    for where in places:
        seen: set[Url] = set()
        for text, spec in _at(document, where).items():
            place, use = (*where, text), build(spec, (*where, text))
            try:
                url = read_url(text)
            except UrlError as error:  # its text may contain a secret anywhere
                found = document.diagnose_key(place, "wrong-value", str(error), error.fix)
                yield replace(found, source="")
                continue
            for at, *problem in _entry_mistakes(text, url, use, seen):
                yield document.diagnose_key((*place, *at), *problem)
            seen.add(url)


def build_storages(document: Document, where: Keys, build: Callable[[Mapping[str, Any], Keys], Any]) -> dict[Url, Any]:
    """The stores under the key at `where`, which has no mistakes."""
    return {read_url(text): build(spec, (*where, text)) for text, spec in _at(document, where).items()}


def _entry_mistakes(text: str, url: Url, use: Any, seen: Collection[Url]) -> Iterator[tuple[Keys, str, str, str]]:
    """Each mistake with the key, below the URL, that is at fault."""
    if url in seen:
        yield (), "duplicate-name", f"`{url}` is named twice", "remove one of them"
    if url.scheme not in use.value.schemes:
        message = f"`{use.kind}` does not support {url.scheme}://"
        yield (use.kind,), "wrong-value", message, f"write `{kind_of_scheme(url.scheme)}` instead"
        return
    if "*" in text or "{" in text:
        message = f"`{text}` is a pattern, but the beginning of URLs is expected"
        yield (), "wrong-value", message, "write it up to the `/` before the first `*` or `{`"
    for name, message, fix in use.value.mistakes():
        yield (use.kind, name), "wrong-value", message, fix


def _at(document: Document, where: Keys) -> Mapping[str, Any]:
    found = document.value
    for part in where:
        found = found.get(part) or {}
    return found  # type: ignore[no-any-return]
