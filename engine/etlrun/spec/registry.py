"""Which kinds exist: every file of a kind's folder, and every plugin's entry point."""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache
from typing import Literal

from etlrun.failures import RunFailure

Family = Literal["sources", "steps", "checks", "sinks", "connections", "engines", "models", "storages"]
FAMILIES: tuple[Family, ...] = ("sources", "steps", "checks", "sinks", "connections", "engines", "models", "storages")


@cache
def kinds(family: Family) -> dict[str, type]:
    """The classes of a family by YAML key: built-in files first, then plugins in the order in which they are named.

    Raises RunFailure for a plugin that cannot be used.
    """
    package = importlib.import_module(f"etlrun.{family}")
    found: dict[str, type] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        if not module.name.startswith("_"):
            found[module.name.rstrip("_")] = _class_of(family, module.name)
    if os.environ.get("ETLRUN_PLUGINS"):  # scanning for plugins costs 20 ms
        _add_plugins(family, found)
    return found


def _class_of(family: Family, module: str) -> type:
    """`steps/not_null.py` holds `NotNull`; a trailing underscore avoids a word that Python reserves."""
    loaded = importlib.import_module(f"etlrun.{family}.{module}")
    cls = getattr(loaded, "".join(part.capitalize() for part in module.rstrip("_").split("_")))
    assert isinstance(cls, type)
    return cls


def _add_plugins(family: Family, found: dict[str, type]) -> None:
    from etlrun.spec.plugins import plugged_in

    for plugin, name, cls in plugged_in(family):
        if name in found:
            message = f"the plugin `{plugin}` adds `{name}` to {family}, where that name is taken"
            raise RunFailure("usage", "unusable-plugin", message, "rename its entry point")
        found[name] = cls
