"""The decorator `dataclass` of this package: that of Python, without most of its generated code.

Python compiles six methods for each class, which takes longer than the rest of the import of its module. Here one is compiled, `__init__`, and
that when the first value is made; the others are functions that all classes share. Classes of both kinds may inherit from each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, kw_only: bool = False, eq: bool = True) -> Any:
        """Make a dataclass of a class, as `dataclasses.dataclass` does."""

        def decorate(cls: type) -> type:
            own, inherits = set(cls.__dict__), any(dataclasses.is_dataclass(base) for base in cls.__bases__)
            inherited = {"frozen": frozen and inherits, "kw_only": kw_only}
            made = dataclasses.dataclass(init=False, repr=False, eq=False, **inherited)(cls)
            methods = {"__init__": _initializer(made, frozen=frozen), "__repr__": _representation(made)}
            if eq:
                methods |= _comparison(made, own, frozen=frozen)
            if frozen and not inherits:
                made.__dataclass_params__.frozen = True  # classes that Python makes may inherit from it
                methods |= _refusals(made)
            for name in methods.keys() - own:
                if method := methods[name]:
                    method.__qualname__ = f"{made.__qualname__}.{name}"
                setattr(made, name, method)
            return made

        return decorate if cls is None else decorate(cls)


def _initializer(cls: Any, *, frozen: bool) -> Callable[..., None]:
    """An `__init__` that replaces itself when it is first called."""

    def initialize(self: Any, *values: Any, **named: Any) -> None:
        cls.__init__ = _compiled_initializer(cls, frozen=frozen)
        cls.__init__(self, *values, **named)

    return initialize


def _compiled_initializer(cls: type, *, frozen: bool) -> Callable[..., None]:
    scope: dict[str, Any] = {"_set": object.__setattr__, "_MISSING": MISSING}
    positional, named, body = ["self"], ["*"], []
    for item in fields(cls):
        name, parameter = item.name, item.name
        if item.default is not MISSING:
            scope[f"_default_{name}"] = item.default
            parameter += f"=_default_{name}"
        elif item.default_factory is not MISSING:
            scope[f"_new_{name}"] = item.default_factory
            parameter += "=_MISSING"
            body.append(f"if {name} is _MISSING: {name} = _new_{name}()")
        (named if item.kw_only else positional).append(parameter)
        body.append(f"_set(self, {name!r}, {name})" if frozen else f"self.{name} = {name}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(positional + (named if len(named) > 1 else []))
    lines = "\n ".join(body or ["pass"])
    exec(f"def __init__({parameters}):\n {lines}", scope)
    method: Callable[..., None] = scope["__init__"]
    method.__qualname__ = f"{cls.__qualname__}.__init__"
    return method


def _representation(cls: type) -> Callable[[Any], str]:
    names = [item.name for item in fields(cls) if item.repr]

    @recursive_repr()
    def represent(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({values})"

    return represent


def _comparison(cls: type, own: set[str], *, frozen: bool) -> dict[str, Callable[..., Any] | None]:
    compared = _getter([item.name for item in fields(cls) if item.compare])

    def equals(self: Any, other: object) -> Any:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def digest(self: Any) -> int:
        return hash(compared(self))

    if "__eq__" in own and cls.__dict__["__hash__"] is None:
        own.discard("__hash__")  # Python has set it to None, not the class
    return {"__eq__": equals, "__hash__": digest if frozen else None}


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """The values of attributes as a tuple, also if there are fewer than two."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _refusals(cls: Any) -> dict[str, Callable[..., None]]:
    """Methods that refuse to change a value, except for the attributes that a class below adds."""
    names = {item.name for item in fields(cls)}

    def refuse_to_set(self: Any, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def refuse_to_delete(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return {"__setattr__": refuse_to_set, "__delattr__": refuse_to_delete}
