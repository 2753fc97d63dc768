"""The text of a time, in every spelling and pattern, at every minute of a day: both engines read the moment that is written."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from both_engines import Engines

MINUTES = [datetime.datetime(2022, 4, 1, hour, minute, 59, 987654) for hour in range(24) for minute in range(60)]
# How Python writes a spelling, and the unit that the spelling is cut to.
SPELLINGS = {
    "%Y-%m-%d %H:%M:%S": "second",
    "%Y-%m-%dT%H:%M:%S": "second",
    "%Y-%m-%dT%H:%M:%S.%f": "microsecond",
    "%Y-%m-%d %H:%M:%S.%f": "microsecond",
    "%Y-%m-%dT%H:%M": "minute",
    "%Y-%-m-%-d %-H:%-M:%-S": "second",
    "%Y-%m-%d %H": "hour",
    " %Y-%m-%dT%H:%M:%S ": "second",
}
PATTERNS = {
    "yyyy-MM-dd HH:mm:ss": ("%Y-%m-%d %H:%M:%S", "second"),
    "yyyy-MM-dd'T'HH:mm:ss.SSSSSS": ("%Y-%m-%dT%H:%M:%S.%f", "microsecond"),
    "yyyyMMddHHmmss": ("%Y%m%d%H%M%S", "second"),
    "HH:mm dd/MM/yyyy": ("%H:%M %d/%m/%Y", "minute"),
    "yyyyMMdd HH": ("%Y%m%d %H", "hour"),
}
UNITS = {
    "hour": {"minute": 0, "second": 0, "microsecond": 0},
    "minute": {"second": 0, "microsecond": 0},
    "second": {"microsecond": 0},
}


def cases() -> list[tuple[str, str, str]]:
    """An expression of the text `{}`, how Python writes that text, and the unit it is cut to."""
    readers = ("cast({} as timestamp)", "try_cast({} as timestamp)", "to_timestamp({})", "try_to_timestamp({})")
    spelled = [(reader, form, unit) for form, unit in SPELLINGS.items() for reader in readers]
    return spelled + [
        (f'{name}({{}}, "{pattern}")', form, unit)
        for pattern, (form, unit) in PATTERNS.items()
        for name in ("to_timestamp", "try_to_timestamp")
    ]


def test_every_minute_is_read_as_it_is_written(spark: Any, duck: pytest.FixtureRequest) -> None:
    tried = cases()
    forms = list(dict.fromkeys(form for _, form, _ in tried))
    columns = {"k": "int", **{f"c{place}": "string" for place in range(len(forms))}}
    rows = [(number, *(moment.strftime(form) for form in forms)) for number, moment in enumerate(MINUTES)]
    engines = Engines(spark, duck, columns, rows)
    expressions = [expression.format(f"c{forms.index(form)}") for expression, form, _ in tried]
    assert engines.differences(expressions) == []
    for answer, (expression, form, unit) in zip(engines.duck_answers(expressions), tried, strict=True):
        written = [moment.replace(**UNITS.get(unit, {})).isoformat(" ", "microseconds") for moment in MINUTES]
        assert answer.values == tuple(map(repr, written)), (expression, form)
