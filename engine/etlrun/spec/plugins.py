"""Plugins: packages that add kinds through entry points. A run uses those that the environment variable `ETLRUN_PLUGINS` names."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, distributions, entry_points
from types import TracebackType

from etlrun.failures import RunFailure

VARIABLE = "ETLRUN_PLUGINS"


def plugged_in(family: str) -> Iterator[tuple[str, str, type]]:
    """The kinds that plugins add to a family: the package, the YAML key, the class. Raises RunFailure for one that cannot be used."""
    for package in _switched_on():
        for point in sorted(_points(package), key=lambda point: point.name):
            if point.group == f"etlrun.{family}":
                yield package.name, point.name, _load(package, point)


def how_to_switch_on(family: str, name: str) -> str:
    """The fix for an unknown kind that an installed, but not enabled package has; empty if there is none."""
    for point in entry_points(group=f"etlrun.{family}", name=name):
        if point.dist is not None:
            names = (*(package.name for package in _switched_on()), point.dist.name)
            return f"the package `{point.dist.name}` provides it: set {VARIABLE}={','.join(names)}"
    return ""


def plugin_in(trace: TracebackType | None) -> str:
    """The plugin whose code is in a traceback, with its version; empty if there is none."""
    modules = {str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in traceback.walk_tb(trace)}
    for package in distributions():
        if any(point.module.partition(".")[0] in modules for point in _points(package)):
            return f"{package.name} {package.version}"
    return ""


def _switched_on() -> Iterator[Distribution]:
    for name in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        try:
            package = distribution(name)
        except PackageNotFoundError as error:
            message = f"{VARIABLE} names the package `{name}`, which is not installed"
            raise RunFailure(
                "usage", "unusable-plugin", message, "install it, or remove it from the variable"
            ) from error
        if not _points(package):
            message = f"{VARIABLE} names the package `{name}`, which adds no kinds"
            fix = 'a plugin has entry points in groups such as "etlrun.steps"'
            raise RunFailure("usage", "unusable-plugin", message, fix)
        yield package


def _points(package: Distribution) -> list[EntryPoint]:
    return [point for point in package.entry_points if point.group.startswith("etlrun.")]


def _load(package: Distribution, point: EntryPoint) -> type:
    try:
        found = point.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        message = f"the plugin `{package.name}` cannot load `{point.name}` from `{point.value}`: {error}"
        raise RunFailure("usage", "unusable-plugin", message, "correct its entry point, or the module") from error
    if not isinstance(found, type):
        message = f"the plugin `{package.name}` gives `{point.name}` as `{point.value}`, which is not a class"
        raise RunFailure("usage", "unusable-plugin", message, "correct its entry point: `module:Class`")
    return found
