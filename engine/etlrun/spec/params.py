"""Params: the typed values of a run, from the defaults of the pipeline and `--set NAME=VALUE`."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import ClassVar, Literal

from etlrun.language.columns import FRACTIONS, INTEGERS, SCALARS
from etlrun.language.instant_text import EXAMPLE, read_instant
from etlrun.language.type_names import TYPES
from etlrun.language.type_texts import SPELLINGS
from etlrun.spec.fields import Described, Scalar, key

Value = str | int | bool | Decimal | datetime.date | datetime.datetime


@dataclass(frozen=True)
class Param(Described):
    """A value that a run may set; without a default it must be set. `month: month` is short for the type alone."""

    short: ClassVar[str] = "default"

    type: Literal["month", "date", "timestamp", "timestamptz", "int", "number", "string", "boolean"] = key(
        "`month` (2022-04), `date` (2022-04-30), `timestamp`, `timestamptz` (with an offset: `2022-04-30 20:15:00+07:00`), "
        "`int`, `number`, `string` or `boolean`",
        default="string",
    )
    default: Scalar | None = key("the value if the command does not set the param", default=None)
    description: str = key("the meaning of the param", default="")


class ParamError(ValueError):
    """A text that is not a value of the type of a param; `fix` says how to write one."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def type_of_params(name: str) -> str | None:
    """The param type for a column type of etlrun or another tool; None for an unknown name."""
    spelled = re.sub(r"\(.*\)", "", name.strip().lower())
    kind = SPELLINGS.get(spelled, spelled)
    kind = kind if kind in SCALARS else TYPES.get(kind, "").partition("`")[0].partition("(")[0]
    return _OF_COLUMNS.get(kind)


def read_value(text: str, kind: str) -> Value:
    """Read `text` as a value of the param type `kind`. Raises ParamError."""
    wanted, reader = READERS[kind]
    try:
        return reader(text.strip() if kind != "string" else text)
    except (ValueError, KeyError, InvalidOperation):
        raise ParamError(f"`{text}` is not {'an' if kind == 'int' else 'a'} {kind}", f"write it as {wanted}") from None


def sample_value(kind: str) -> Value:
    """A value to check a pipeline with when a param has none yet."""
    return read_value(SAMPLES[kind], kind)


def _month(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
        raise ValueError(text)
    datetime.date(int(text[:4]), int(text[5:]), 1)
    return text


def _date(text: str) -> datetime.date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    return datetime.date.fromisoformat(text)


def _int(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(text)
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value


def _timestamp(text: str) -> datetime.datetime:
    """Read a timestamp without a time zone."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?", text):
        raise ValueError(text)
    return datetime.datetime.fromisoformat(text)


def _instant(text: str) -> datetime.datetime:
    return read_instant(text).replace(tzinfo=datetime.UTC)


def _number(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", text) or len(text) > 38:
        raise ValueError(text)
    return Decimal(text)


READERS: dict[str, tuple[str, Callable[[str], Value]]] = {
    "month": ("2022-04", _month),
    "date": ("2022-04-30", _date),
    "timestamp": ("'2022-04-30 20:15:00'", _timestamp),
    "timestamptz": (EXAMPLE, _instant),
    "int": ("42", _int),
    "number": ("1.5", _number),
    "string": ("any text", str),
    "boolean": ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
}
_OF_COLUMNS = {
    **dict.fromkeys(INTEGERS, "int"),
    **dict.fromkeys((*FRACTIONS, "decimal"), "number"),
    **{name: name for name in ("boolean", "string", "date", "timestamp", "timestamptz")},
}
SAMPLES = {
    "month": "2000-01",
    "date": "2000-01-01",
    "timestamp": "2000-01-01 00:00:00",
    "timestamptz": "2000-01-01 00:00:00Z",
    "int": "1",
    "number": "1",
    "string": "text",
    "boolean": "true",
}
