"""Which kinds exist: every file of a kind's folder, and every plugin's entry point."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Literal

Family = Literal["sources", "steps", "checks", "sinks", "connections", "engines", "models"]
FAMILIES: tuple[Family, ...] = ("sources", "steps", "checks", "sinks", "connections", "engines", "models")


@cache
def kinds(family: Family) -> dict[str, type]:
    """The classes of a family by YAML key: built-in files first, then plugins in the order of their names.

    Raises TypeError where a plugin's key is taken.
    """
    package = importlib.import_module(f"etlrun.{family}")
    found: dict[str, type] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        if not module.name.startswith("_"):
            found[module.name.rstrip("_")] = _class_of(family, module.name)
    for name, cls in _plugins(family).items():
        if name in found:
            raise TypeError(f"the plugin `{name}` of etlrun.{family} takes the name of a kind that exists")
        found[name] = cls
    return found


def _class_of(family: Family, module: str) -> type:
    """`steps/not_null.py` holds `NotNull`; a trailing underscore avoids a word that Python reserves."""
    loaded = importlib.import_module(f"etlrun.{family}.{module}")
    cls = getattr(loaded, "".join(part.capitalize() for part in module.rstrip("_").split("_")))
    assert isinstance(cls, type)
    return cls


def _plugins(family: Family) -> dict[str, type]:
    # importlib.metadata costs 20 ms to import and scan: only when an environment asks for plugins at all.
    import os

    if not os.environ.get("ETLRUN_PLUGINS"):
        return {}
    from importlib.metadata import entry_points

    allowed = {name.strip() for name in os.environ["ETLRUN_PLUGINS"].split(",")}
    points = entry_points(group=f"etlrun.{family}")
    return {point.name: point.load() for point in sorted(points) if point.dist and point.dist.name in allowed}
