"""The rows that expressions are tried on: nulls, empty and odd texts, the ends of every type, ties."""

from __future__ import annotations

import datetime
from decimal import Decimal

COLUMNS = {
    "k": "int", "g": "int", "s": "string", "t": "string", "n": "int", "m": "bigint", "y": "tinyint", "x": "double", "p": "decimal(10,2)",
    "d": "date", "z": "timestamp", "b": "boolean", "a": "array<string>", "i": "array<int>",
}  # fmt: skip
_NAN, _INF = float("nan"), float("inf")
_D, _T = datetime.date, datetime.datetime
ROWS = [
    (1, 1, "hello World", "o", 3, 10, 1, 1.5, Decimal("1.50"), _D(2022, 1, 31), _T(2022, 7, 1, 20, 25, 9, 790000), True, ["b", None, "a", "b"], [3, None, 1, 3]),
    (2, 1, "", "", 0, 0, 0, 0.0, Decimal("0.00"), _D(2024, 2, 29), _T(1969, 12, 31, 23, 59, 59, 999999), False, [], []),
    (3, 1, None, None, None, None, None, None, None, None, None, None, None, None),
    (4, 2, " Tiếng Việt ", "ế", -7, -9223372036854775808, -128, -2.5, Decimal("-2.55"), _D(1999, 12, 31), _T(2000, 1, 1), True, ["x"], [7]),
    (5, 2, "a,b,,c.d", ",", 2147483647, 9223372036854775807, 127, 1e300, Decimal("99999999.99"), _D(2022, 4, 3), _T(2024, 2, 29, 12, 0, 0, 1), None, [None], [None]),
    (6, 2, "Straße ﬁn İΣ ΑΣ ǰ", "ß", -2147483648, 1, 5, _NAN, Decimal("0.05"), _D(1, 1, 1), _T(1, 1, 1, 1, 1, 1), False, ["", "ß", "é"], [-1, 0]),
    (7, 3, "e\u0301🍥\n\t\\'\"%_", "🍥", 7, 255, -1, -_INF, Decimal("-0.01"), _D(9999, 12, 31), _T(9999, 12, 31, 23, 59, 59), True, ["a", "a"], [2, 2]),
    (8, 3, "2022-04-01", "2022", 20220401, 1000, 2, 2.675, Decimal("2.68"), _D(1970, 1, 1), _T(1970, 1, 1), None, ["b"], [1, 2, 3]),
]  # fmt: skip
