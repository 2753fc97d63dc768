"""SQL for the changes that a value of a Parquet file needs before it is cast: it is exact, or fails with the value that does not fit."""

from __future__ import annotations

from collections.abc import Mapping

from etlrun.contracts.engine import Change

WORDS: Mapping[Change, str] = {
    "fits_double": "a file has a bigint that a double cannot store exactly",
    "nanoseconds": "a file has a time finer than a microsecond",
    "after_1900": "a file with Spark's old calendar has a time before 1900",
    "required": "a file has a null in a column that is declared `not null`",
}
HOLDS: Mapping[Change, str] = {
    "fits_double": "{x} IS NULL OR {x} BETWEEN -9007199254740992 AND 9007199254740992",
    "after_1900": "{x} IS NULL OR {x} >= TIMESTAMP '1900-01-01 00:00:00'",
    "required": "{x} IS NOT NULL",
}
# The Julian calendar falls one more day behind in each century year that is not divisible by 400.
_JULIAN_YEAR = "((4 * (CAST({x} - DATE '1970-01-01' AS BIGINT) + 719470) + 3) // 1461)"
_REBASED = f"CASE WHEN {{x}} >= DATE '1582-10-15' THEN {{x}} ELSE {{x}} + CAST(2 - {_JULIAN_YEAR} // 100 + {_JULIAN_YEAR} // 400 AS INTEGER) END"

DUCKDB: Mapping[Change, str] = {
    **{change: f"CASE WHEN {holds} THEN {{x}} ELSE error({{detail}}) END" for change, holds in HOLDS.items()},
    "nanoseconds": "CASE WHEN {x} IS NULL OR epoch_ns({x}) % 1000 = 0 THEN make_timestamp(epoch_ns({x}) // 1000) ELSE error({detail}) END",
    "instant": "make_timestamp(epoch_us({x}))",
    "julian_date": _REBASED,
}
SPARK: Mapping[Change, str] = {
    **{
        change: f"CASE WHEN {holds.replace('TIMESTAMP ', 'TIMESTAMP_NTZ ')} THEN {{x}} ELSE raise_error({{detail}}) END"
        for change, holds in HOLDS.items()
    },
    "nanoseconds": "CASE WHEN {x} IS NULL OR {x} % 1000 = 0 THEN CAST(timestamp_micros({x} div 1000) AS TIMESTAMP_NTZ) ELSE raise_error({detail}) END",
    "instant": "CAST({x} AS TIMESTAMP_NTZ)",
    "julian_date": "{x}",  # Spark does this while it reads
}


def passed(value: str, name: str, changes: tuple[Change, ...], templates: Mapping[Change, str]) -> str:
    """The SQL of `value`, of the column `name`, after its changes. Errors depend on the row: an engine could raise a constant one without rows."""
    for change in changes:
        words = f"{WORDS.get(change, '')}, in `{name}`: ".replace("'", "''").replace(
            "\\", "\\\\" if templates is SPARK else "\\"
        )
        value = templates[change].format(
            x=value, detail=f"concat('{words}', coalesce(CAST({value} AS STRING), 'null'))"
        )
    return value
