"""Which declared types can hold every value of a type in a Parquet file, and the message if they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etlrun.language.columns import INTEGERS, Type
from etlrun.language.functions import as_decimal

if TYPE_CHECKING:
    import pyarrow

EXACT_DIGITS = {"double": 15, "float": 6}  # decimals of so many digits come back from the binary fraction as they were
EXACT_INTEGERS = {"double": ("tinyint", "smallint", "int"), "float": ("tinyint", "smallint")}


class Misfit(Exception):
    """A column of a file differs from its declaration. `str()` is the difference, `fix` what to declare."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


def fits(kind: Type, declared: Type) -> bool:
    """Whether `declared` can hold every value of `kind`, by the types alone. Members of a struct may be left out."""
    if kind.element is not None and declared.element is not None:
        return fits(kind.element, declared.element)
    if kind.entry is not None and declared.entry is not None:
        return all(map(fits, kind.entry, declared.entry))
    if kind.fields:
        there = {name.lower(): inner for name, inner in kind.fields}
        members = [(there.get(name.lower()), inner) for name, inner in declared.fields]
        return bool(members) and all(found is not None and fits(found, inner) for found, inner in members)
    return kind == declared or _holds_integers(kind, declared) or _holds_fractions(kind, declared)


def _holds_integers(kind: Type, declared: Type) -> bool:
    if kind.is_integer and declared.is_integer:
        return INTEGERS.index(kind.name) <= INTEGERS.index(declared.name)
    return kind.is_integer and kind.name in EXACT_INTEGERS.get(declared.name, ())


def _holds_fractions(kind: Type, declared: Type) -> bool:
    if declared.name == "decimal" and (kind.is_integer or kind.name == "decimal"):
        exact = as_decimal(kind)
        return exact.scale <= declared.scale and exact.precision - exact.scale <= declared.precision - declared.scale
    if kind.name == "decimal":
        return kind.precision <= EXACT_DIGITS.get(declared.name, 0)
    return (kind.name, declared.name) == ("float", "double")


def members_of(fields: pyarrow.Schema | pyarrow.StructType) -> dict[str, list[pyarrow.Field]]:
    """The columns or members by their names in lower case."""
    found: dict[str, list[pyarrow.Field]] = {}
    for field in fields:
        found.setdefault(field.name.lower(), []).append(field)
    return found
