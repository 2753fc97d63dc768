"""Draws the relations of a pipeline: sources on the left, published ones on the right; every box is a link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from etlrun.site.html_tree import element

WIDTH, HEIGHT, GAP_X, GAP_Y = 170, 34, 60, 16
MOST = 20  # characters of a name in a box


@dataclass(frozen=True)
class Box:
    """A relation: its address in the pages, its kind, and the boxes that it reads."""

    name: str
    address: str
    kind: str
    reads: tuple[str, ...]


def picture(boxes: Mapping[str, Box]) -> Element:
    """Draw the boxes in columns, each to the right of the boxes that it reads."""
    places = _places(boxes)
    width = max((x for x, _ in places.values()), default=0) + WIDTH + 4
    height = max((y for _, y in places.values()), default=0) + HEIGHT + 4
    drawn = [_line(places[read], places[key]) for key, box in boxes.items() for read in box.reads if read in places]
    drawn += [_box(box, *places[key]) for key, box in boxes.items()]
    size = {"width": str(width), "height": str(height), "viewBox": f"0 0 {width} {height}"}
    return element("div", _svg(drawn, size), class_="wide", tabindex="0")


def _svg(drawn: list[Element], size: Mapping[str, str]) -> Element:
    made = element("svg", drawn, role="group", aria_label="Relations and what they are made from")
    for name, value in size.items():
        made.set(name, value)
    return made


def _places(boxes: Mapping[str, Box]) -> dict[str, tuple[int, int]]:
    """The upper left corners: a box's column is its longest distance from a source; its order in the column follows its inputs."""
    levels: dict[str, int] = {}

    def level(key: str, path: tuple[str, ...] = ()) -> int:
        if key not in levels:
            reads = (read for read in boxes[key].reads if read in boxes and read not in path)
            levels[key] = max((level(read, (*path, key)) + 1 for read in reads), default=0)
        return levels[key]

    columns: dict[int, list[str]] = {}
    for key in boxes:
        columns.setdefault(level(key), []).append(key)
    rows: dict[str, float] = {}
    for number in sorted(columns):
        ordered = sorted(columns[number], key=lambda key: _middle(boxes[key], rows))
        rows.update({key: float(index) for index, key in enumerate(ordered)})
    return {key: (2 + levels[key] * (WIDTH + GAP_X), 2 + int(rows[key]) * (HEIGHT + GAP_Y)) for key in boxes}


def _middle(box: Box, rows: Mapping[str, float]) -> float:
    known = [rows[read] for read in box.reads if read in rows]
    return sum(known) / len(known) if known else 0.0


def _line(start: tuple[int, int], end: tuple[int, int]) -> Element:
    x1, y1, x2, y2 = start[0] + WIDTH, start[1] + HEIGHT // 2, end[0], end[1] + HEIGHT // 2
    middle = (x1 + x2) // 2
    return element("path", d=f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}")


def _box(box: Box, x: int, y: int) -> Element:
    shown = box.name if len(box.name) <= MOST else box.name[: MOST - 1] + "…"
    frame = element("rect", x=str(x), y=str(y), width=str(WIDTH), height=str(HEIGHT), rx="5")
    text = element("text", shown, x=str(x + 10), y=str(y + 22))
    return element("a", element("title", f"{box.kind} {box.name}"), frame, text, href=box.address, class_=box.kind)
