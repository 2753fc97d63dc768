"""Makes Arrow arrays without `pa.array` and `pa.scalar`, which import pandas if it is installed; that takes longer than a small run."""

from __future__ import annotations

import datetime
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow

EPOCH = datetime.date(1970, 1, 1)


def repeated(value: bool | int | datetime.date | None, kind: pyarrow.DataType, size: int) -> pyarrow.Array:
    """`size` times the same value of a boolean, a whole number or a `date32`."""
    import pyarrow as pa

    if value is None:
        return pa.nulls(size, kind)
    number = (value - EPOCH).days if isinstance(value, datetime.date) else int(value)
    one = pa.py_buffer(number.to_bytes(max(1, kind.bit_width // 8), sys.byteorder, signed=not isinstance(value, bool)))
    return pa.repeat(pa.Array.from_buffers(kind, 1, [None, one])[0], size)


def whole_numbers(values: Iterable[int]) -> pyarrow.Array:
    """An array of 64-bit whole numbers, none of which is null."""
    import pyarrow as pa

    found = array("q", values)
    return pa.Array.from_buffers(pa.int64(), len(found), [None, pa.py_buffer(found)])


def texts(encoded: Sequence[bytes]) -> pyarrow.Array:
    """An array of texts, each given as UTF-8 bytes, which are not checked."""
    import pyarrow as pa

    ends = pa.py_buffer(array("q", accumulate(map(len, encoded), initial=0)))
    return pa.Array.from_buffers(pa.large_string(), len(encoded), [None, ends, pa.py_buffer(b"".join(encoded))])
