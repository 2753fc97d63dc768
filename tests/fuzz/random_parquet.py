"""Random Parquet files: other types in every file, columns that are missing or spelled in another way, and files that are cut off."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .rows import TEXTS

MOMENTS = (datetime(2024, 2, 29, 20, 30), datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1582, 10, 10), datetime(1900, 1, 1), None)  # fmt: skip
RECENT = (datetime(2024, 2, 29, 20, 30), datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), None)
DATES = (date(2024, 2, 29), date(1, 1, 1), date(9999, 12, 31), date(1582, 10, 10), None)
SMALL = (0, 1, -5, 127, -128, None)
FITTING: dict[str, tuple[tuple[pa.DataType, tuple[Any, ...]], ...]] = {
    "a": (
        (pa.int32(), (*SMALL, 2147483647, -2147483648)),
        (pa.int8(), SMALL),
        (pa.int16(), (*SMALL, 32767)),
        (pa.uint8(), (0, 255, None)),
        (pa.uint16(), (0, 65535, None)),
        (pa.null(), (None,)),
    ),
    "b": (
        (pa.string(), (*TEXTS, None)),
        (pa.large_string(), (*TEXTS, None)),
        (pa.dictionary(pa.int32(), pa.string()), (*TEXTS, None)),
        (pa.string_view(), (*TEXTS, None)),
        (pa.null(), (None,)),
    ),
    "c": (
        (pa.float64(), (0.5, -0.0, 1e20, float("nan"), float("inf"), None, 5e-324)),
        (pa.float32(), (0.5, -0.0, float("nan"), float("-inf"), None)),
        (pa.int64(), (0, 2**53, -(2**53), None)),
        (pa.int32(), (*SMALL, 2147483647)),
        (pa.decimal128(9, 3), (Decimal("1.234"), Decimal("-0.001"), None)),
    ),
    "d": ((pa.date32(), DATES), (pa.date64(), DATES), (pa.null(), (None,))),
    "e": (
        (pa.decimal128(6, 2), (Decimal("1.50"), Decimal("9999.99"), Decimal("-0.01"), None)),
        (pa.decimal128(3, 1), (Decimal("1.5"), Decimal("-99.9"), None)),
        (pa.decimal256(6, 2), (Decimal("1.50"), None)),
        (pa.int8(), SMALL),
    ),
    "f": (
        (pa.timestamp("us"), MOMENTS),
        (pa.timestamp("ms"), tuple(at and at.replace(microsecond=0) for at in MOMENTS)),
        (pa.timestamp("s"), tuple(at and at.replace(microsecond=0) for at in MOMENTS)),
        (pa.timestamp("ns"), RECENT),
    ),
    "g": ((pa.bool_(), (True, False, None)), (pa.null(), (None,))),
    "h": (
        (pa.int64(), (0, 9223372036854775807, -9223372036854775808, 5)),
        (pa.int8(), SMALL[:-1]),
        (pa.uint32(), (0, 4294967295)),
    ),
}
OTHER: tuple[tuple[pa.DataType, tuple[Any, ...]], ...] = (
    (pa.string(), ("1", None)),
    (pa.uint64(), (0, 18446744073709551615)),
    (pa.float64(), (1.5, None)),
    (pa.float16(), (None,)),
    (pa.timestamp("us", "UTC"), (datetime(2024, 2, 29, tzinfo=UTC), None)),
    (pa.binary(), (b"\xff", None)),
    (pa.decimal128(38, 10), (Decimal("1.5"), None)),
    (pa.list_(pa.int32()), ([1, None], None)),
    (pa.struct([("a", pa.int32())]), ({"a": 1}, None)),
    (pa.time64("us"), (None,)),
    (pa.duration("us"), (None,)),
)


def parquet_file(random: Random) -> bytes:
    """The bytes of a file."""
    number = random.choice([0, 1, 3, 12, 40])
    columns = {}
    for name in random.sample(list(FITTING), len(FITTING)):
        if random.random() < (0.3 if name in "bf" else 0.008):
            continue
        kind, values = random.choice(OTHER if random.random() < 0.01 else FITTING[name])
        spelled = name.upper() if random.random() < 0.1 else name
        columns[spelled] = pa.array([random.choice(values) for _ in range(number)], kind)
    if random.random() < 0.02:
        columns["A"] = pa.array([1] * number, pa.int32())
    if random.random() < 0.3:
        columns["not declared"] = pa.array([None] * number, pa.string())
    return _damaged(random, _written(random, pa.table(columns or {"z": pa.array([1] * number)})))


def parquet_rows(content: bytes) -> int:
    """The rows of a file, from its footer."""
    return int(pq.read_metadata(io.BytesIO(content)).num_rows)


def _written(random: Random, table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(
        table,
        file,
        row_group_size=random.choice([1, 5, 1000]),
        compression=random.choice(["none", "snappy", "gzip", "zstd", "lz4"]),
        use_dictionary=random.random() < 0.7,
        data_page_version=random.choice(["1.0", "2.0"]),
        version=random.choice(["1.0", "2.4", "2.6"]),
        write_statistics=random.random() < 0.7,
        write_page_checksum=random.random() < 0.5,
        store_schema=random.random() < 0.7,
        use_deprecated_int96_timestamps=random.random() < 0.03,
        coerce_timestamps=None,
    )
    return file.getvalue()


def _damaged(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content))
    whole = [content] * 60
    return random.choice([*whole, b"", content[:at], content[:-4], content + b"more", content[:-8] + b"\xff\xff\xff\x7fPAR1"])  # fmt: skip
