"""The registry of kinds: the files of each family's folder, and the entry points of plugins."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Literal, TypeVar

from etlrun.failures import RunFailure

Family = Literal["sources", "steps", "checks", "sinks", "connections", "engines", "models", "storages"]
FAMILIES: tuple[Family, ...] = ("sources", "steps", "checks", "sinks", "connections", "engines", "models", "storages")


T = TypeVar("T")


class OnDemand(Mapping[str, T]):
    """Values by name, in the order of the names; each is created when it is first used."""

    def __init__(self, names: Iterable[str], make: Callable[[str], T]) -> None:
        self.names = tuple(names)
        self.make = cache(make)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> T:
        if name not in self.names:
            raise KeyError(name)
        return self.make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@cache
def kinds(family: Family) -> Mapping[str, type]:
    """The classes of a family by YAML key: built-in files first, then plugins in the order in which they are named.

    The file of a kind is loaded when its class is used, because a run needs only a few. Raises RunFailure for a plugin that cannot be used.
    """
    package = importlib.import_module(f"etlrun.{family}")
    files = sorted(found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_"))
    modules = {file.rstrip("_"): file for file in files}
    plugins: dict[str, type] = {}
    if os.environ.get("ETLRUN_PLUGINS"):  # scanning for plugins costs 20 ms
        _add_plugins(family, modules, plugins)
    return OnDemand((*modules, *plugins), lambda name: plugins.get(name) or _class_of(family, modules[name]))


def _class_of(family: Family, module: str) -> type:
    """`steps/not_null.py` holds `NotNull`; a trailing underscore avoids a word that Python reserves."""
    loaded = importlib.import_module(f"etlrun.{family}.{module}")
    cls = getattr(loaded, "".join(part.capitalize() for part in module.rstrip("_").split("_")))
    assert isinstance(cls, type)
    return cls


def _add_plugins(family: Family, built_in: Mapping[str, str], found: dict[str, type]) -> None:
    from etlrun.spec.plugins import plugged_in

    for plugin, name, cls in plugged_in(family):
        if name in built_in or name in found:
            message = f"the plugin `{plugin}` adds `{name}` to {family}, but this name already exists there"
            raise RunFailure("usage", "unusable-plugin", message, "rename its entry point")
        found[name] = cls
