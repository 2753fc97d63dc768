"""HTML and SVG as trees, written by one function that escapes every text and attribute."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

Child = Element | str | None | Iterable["Child"]


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """An element. A trailing `_` of an attribute's name is dropped, and other `_` are `-`: `class_`, `aria_label`."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    for child in children:
        _put(made, child)
    return made


def _put(parent: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        parent.append(child)
    elif isinstance(child, str):
        _put_text(parent, child)
    else:
        for inner in child:
            _put(parent, inner)


def _put_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def link(address: str, *children: Child, **attributes: str) -> Element:
    return element("a", *children, href=address, **attributes)


def listed(items: Iterable[Child]) -> Element:
    return element("ul", [element("li", item) for item in items])


def table(names: Iterable[str], rows: Iterable[Iterable[Child]], **attributes: str) -> Element:
    """A table with a head, in a box that scrolls."""
    head = element("thead", element("tr", [element("th", name, scope="col") for name in names]))
    body = element("tbody", [element("tr", [element("td", cell) for cell in row]) for row in rows])
    return element("div", element("table", head, body, **attributes), class_="wide", tabindex="0")


def section(title: str, *children: Child, id_: str = "") -> Element:
    heading = element("h2", title, **({"id": id_} if id_ else {}))
    return element("section", heading, *children)


def folded(title: Child, *children: Child) -> Element:
    return element("details", element("summary", title), *children)


def html_text(root: Element) -> str:
    """The tree as HTML."""
    return tostring(root, encoding="unicode", method="html")
