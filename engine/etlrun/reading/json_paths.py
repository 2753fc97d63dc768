"""Paths into JSON values: `device.mac`, `items[0].sku`, `$` for the whole value, `['a.b']` for a key that contains a dot."""

from __future__ import annotations

import re

Path = tuple["str | int", ...]
_STEP = re.compile(r"(?P<dot>\.)?(?P<name>[^.\[\]$][^.\[\]]*)|\[(?P<position>[0-9]{1,6})\]|\['(?P<quoted>[^']+)'\]")


class PathError(ValueError):
    """A text that is not a valid path. `str()` is the reason, `fix` shows how a path is written."""

    fix = "write it as `device.mac`, `items[0].sku`, `['a.b']` for a key with a dot, or `$` for the whole record"


def read_path(text: str) -> Path:
    """The keys and positions that lead to a value; empty for the whole value. Positions count from 0. Raises PathError."""
    rest = text.removeprefix("$")
    found: list[str | int] = []
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        is_first = not found and rest is text
        if step is None or step["name"] and bool(step["dot"]) == is_first:
            raise PathError(f"`{text}` is not a valid path: `{rest[at:]}` is neither a key nor a position")
        found.append(int(step["position"]) if step["position"] else step["name"] or step["quoted"])
        at = step.end()
    return tuple(found)


def path_text(path: Path) -> str:
    """A path as it is written in messages."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "$"
