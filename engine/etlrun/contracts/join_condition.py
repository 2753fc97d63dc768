"""Rewrites a condition in the `on` of a join, such as `a = b and c <= d`, as the columns of `on` and a `where`."""

from __future__ import annotations

import re

from etlrun.language.columns import Columns

HERE, THERE = "here", "there"
_COMPARED = re.compile(r"\s*(?:(\w+)\.)?(\w+)\s*(<=>|<=|>=|<>|!=|==?|<|>)\s*(?:(\w+)\.)?(\w+)\s*")
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def is_condition(text: str) -> bool:
    """Whether a text is a condition rather than a column name: it contains a comparison, `and` or `or`."""
    return re.search(r"[=<>]|\s(?:and|or)\s", text, re.IGNORECASE) is not None


def as_keys(text: str, columns: Columns, other: Columns, name: str) -> str:
    """What to write for a condition between the columns here and those of the other relation, which is called `name`."""
    keys: dict[str, str] = {}
    where: list[str] = []
    for part in re.split(r"\sand\s", text, flags=re.IGNORECASE):
        found = _COMPARED.fullmatch(part if re.search("[=<>]", part) else f"{part} = {part}")
        sides = _sides(found, columns, other, name) if found else None
        if sides is None:
            return "write the columns that are equal as `on: {here: there}`, and all else as `where: here.x <= there.y`"
        here, sign, there = sides
        if sign in ("=", "==") and here not in keys:
            keys[here] = there
        else:
            where.append(f"{HERE}.{here} {sign} {THERE}.{there}")
    is_list = all(here == there for here, there in keys.items())
    pairs = ", ".join(f"{here}: {there}" for here, there in keys.items())
    on = f"on: [{', '.join(keys)}]" if is_list else f"on: {{{pairs}}}"
    condition = f"where: {' and '.join(where)}"
    if not keys:
        return f"`on` compares with `=` only: write `how: cross` and `{condition}` instead"
    return f"write `{on}` and `{condition}`" if where else f"write `{on}`"


def _sides(found: re.Match[str], columns: Columns, other: Columns, name: str) -> tuple[str, str, str] | None:
    """The column here, the sign and the column there; None where the condition does not say which is which."""
    one_of, one, sign, two_of, two = found.groups()
    is_turned = (two_of or "") == HERE or (one_of or "").lower() in (THERE, name.lower())
    if not one_of and not two_of:
        is_turned = one not in columns or two not in other
    here, there = (two, one) if is_turned else (one, two)
    if here not in columns or there not in other:
        return None
    return here, _TURNED.get(sign, sign) if is_turned else sign, there
