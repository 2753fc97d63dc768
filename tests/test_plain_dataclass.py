"""The decorator `dataclass` of the package makes the classes that Python's own makes."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from etlrun import plain_dataclass


def _classes(dataclass: Any) -> dict[str, Any]:
    @dataclass(frozen=True)
    class Shop:
        name: str
        key: str = field(repr=False)
        city: str = "Hue"
        goods: dict[str, int] = field(default_factory=dict, compare=False)
        seen: list[str] = field(default_factory=list, compare=False, kw_only=True)

        def __post_init__(self) -> None:
            self.seen.append(self.name)

    @dataclass(frozen=True, kw_only=True)
    class Market(Shop):
        stalls: int = 3

    @dataclass
    class Count:
        rows: int = 0

    @dataclass(frozen=True)
    class Empty:
        pass

    @dataclass(frozen=True, eq=False)
    class Session:
        number: int

    @dataclass(frozen=True)
    class Word:  # noqa: PLW1641 - Python makes its hash
        text: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Word) and other.text.lower() == self.text.lower()

        def __repr__(self) -> str:
            return self.text

    @dataclass(frozen=True)
    class Name:
        text: str

        def __hash__(self) -> int:
            return 7

    return {cls.__name__: cls for cls in (Shop, Market, Count, Empty, Session, Word, Name)}


ATTEMPTS: dict[str, Any] = {
    "positions": lambda of: of["Shop"]("A", "k", "Hanoi", {"tea": 1}),
    "names": lambda of: of["Shop"](key="k", name="A", seen=["B"]),
    "missing": lambda of: of["Shop"]("A"),
    "unknown": lambda of: of["Shop"]("A", "k", colour="red"),
    "by name only": lambda of: of["Shop"]("A", "k", "Hue", {}, ["B"]),
    "inherited": lambda of: of["Market"]("A", "k", stalls=2),
    "replaced": lambda of: replace(of["Shop"]("A", "k"), city="Hanoi"),
    "as a dict": lambda of: dataclasses.asdict(of["Market"]("A", "k")),
    "own factory": lambda of: of["Shop"]("A", "k").goods is of["Shop"]("A", "k").goods,
    "equal": lambda of: of["Shop"]("A", "k") == of["Shop"]("A", "k", goods={"tea": 1}),
    "another key": lambda of: of["Shop"]("A", "k") == of["Shop"]("A", "l"),
    "another class": lambda of: of["Shop"]("A", "k") == of["Market"]("A", "k"),
    "hash": lambda of: hash(of["Shop"]("A", "k")) == hash(of["Shop"]("A", "k")),
    "hash of a class below": lambda of: len({of["Market"]("A", "k"), of["Market"]("A", "k"), of["Market"]("B", "k")}),
    "no hash": lambda of: hash(of["Count"]()),
    "nothing": lambda of: (of["Empty"](), of["Empty"]() == of["Empty"](), len({of["Empty"](), of["Empty"]()})),
    "by identity": lambda of: of["Session"](1) == of["Session"](1),
    "own methods": lambda of: (of["Word"]("A"), of["Word"]("A") == of["Word"]("a"), hash(of["Word"]("A")) != 0),
    "own hash": lambda of: (hash(of["Name"]("A")), of["Name"]("A") == of["Name"]("B")),
    "set": lambda of: setattr(of["Shop"]("A", "k"), "city", "Hanoi"),
    "set below": lambda of: setattr(of["Market"]("A", "k"), "city", "Hanoi"),
    "set another": lambda of: setattr(of["Shop"]("A", "k"), "colour", "red"),
    "delete": lambda of: delattr(of["Shop"]("A", "k"), "city"),
    "changed": lambda of: setattr(count := of["Count"](), "rows", 2) or count,
    "copied": lambda of: copy.copy(of["Shop"]("A", "k")),
    "Python's below": lambda of: dataclass(frozen=True)(type("Kiosk", (of["Shop"],), {}))("A", "k"),
    "changeable below": lambda of: dataclass(type("Kiosk", (of["Shop"],), {})),
    "fields": lambda of: [(item.name, item.kw_only) for item in dataclasses.fields(of["Market"])],
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_class_does_what_a_dataclass_of_python_does(attempt: str) -> None:
    def outcome(decorator: Any) -> str:
        try:
            return repr(ATTEMPTS[attempt](_classes(decorator)))
        except (TypeError, FrozenInstanceError) as error:
            return f"{type(error).__name__}: {error}"

    assert outcome(plain_dataclass.dataclass).replace("_MISSING", "") == outcome(dataclass)


@plain_dataclass.dataclass(frozen=True)
class Sent:
    """A value that another process receives before it has made one itself."""

    number: int


def test_a_value_is_equal_to_its_copy_from_another_process() -> None:
    assert pickle.loads(pickle.dumps(Sent(1))) == Sent(1)
