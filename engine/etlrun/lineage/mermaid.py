"""Lineage as a mermaid diagram, which GitHub and others draw: a full line is a direct influence, a dotted one an indirect one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from etlrun.language.influence import Lineage, OriginColumn
from etlrun.lineage.personal_origins import Personal


def mermaid(published: Mapping[OriginColumn, Lineage], personal: Personal) -> str:
    """A diagram from the columns where trails begin to the published ones; `relation` of a published column is its sink.

    Personal columns are marked.
    """
    origins = sorted({origin for lineage in published.values() for origin in lineage.origins} - set(published))
    ids = {origin: f"c{number}" for number, origin in enumerate((*origins, *published))}
    marked = {*personal.columns, *(column for column, lineage in published.items() if personal.parts_of(lineage))}
    lines = ["flowchart LR"]
    for number, (group, members) in enumerate(_groups((*origins, *published)).items()):
        lines.append(f'  subgraph g{number}["{_text(group)}"]')
        lines += [
            f'    {ids[origin]}["{_text(origin.column)}{" - pii" if origin in marked else ""}"]' for origin in members
        ]
        lines.append("  end")
    for target, lineage in published.items():
        lines += [f"  {arrow}" for arrow in _arrows(ids, target, lineage)]
    return "\n".join(lines) + "\n"


def _groups(origins: tuple[OriginColumn, ...]) -> dict[str, list[OriginColumn]]:
    found: dict[str, list[OriginColumn]] = {}
    for origin in origins:
        found.setdefault(f"{origin.pipeline}.{origin.relation}", []).append(origin)
    return found


def _arrows(ids: Mapping[OriginColumn, str], target: OriginColumn, lineage: Lineage) -> Iterator[str]:
    for origin, kind in sorted(lineage.direct.items()):
        yield f"{ids[origin]} --> {ids[target]}" if kind == "identity" else f"{ids[origin]} -->|{kind}| {ids[target]}"
    for origin, kinds in lineage.deciding().items():
        yield f"{ids[origin]} -.->|{', '.join(kinds)}| {ids[target]}"


def _text(text: str) -> str:
    """A name as a label: what means something to mermaid or to HTML is written as an entity."""
    return "".join(found if found.isalnum() or found in " _.-" else f"#{ord(found)};" for found in text)
