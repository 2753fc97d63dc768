"""The frame of every page: head, content security policy, navigation and style. The policy blocks all requests."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from xml.etree.ElementTree import Element

from etlrun.site.html_tree import Child, element, html_text, link


def page(title: str, project: str, depth: int, *body: Child, data: str = "") -> str:
    """A whole page; `depth` is how many folders it is below the index. With `data`, a JSON text, it can be searched."""
    script = _file("search.js") if data else ""
    header = element("header", element("nav", link(f"{'../' * depth}index.html", project), aria_label="Project"))
    main = element("main", element("h1", title), *body, id_="main")
    skip = link("#main", "Skip to the content", class_="skip")
    whole = element("body", skip, header, main, _data(data, script) if data else None)
    return _document(f"{title} - {project}" if title != project else title, whole, script)


def page_alone(title: str, *body: Child) -> str:
    """A page that is not part of a site."""
    return _document(title, element("body", element("main", element("h1", title), *body)), "")


def _document(title: str, body: Element, script: str) -> str:
    style = _file("site.css")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    return "<!doctype html>\n" + html_text(element("html", head, body, lang="en")) + "\n"


def _data(data: str, script: str) -> list[Element]:
    """The data block, escaped so that it cannot end its element, and the script that reads it."""
    safe = data.replace("<", "\\u003c")
    return [element("script", safe, type_="application/json", id_="data"), element("script", script)]


def _policy(style: str, script: str) -> str:
    scripts = f" script-src {_digest(script)};" if script else ""
    return f"default-src 'none'; style-src {_digest(style)};{scripts} base-uri 'none'; form-action 'none'"


@cache
def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _file(name: str) -> str:
    return files("etlrun.site").joinpath(name).read_text(encoding="utf-8").strip()
