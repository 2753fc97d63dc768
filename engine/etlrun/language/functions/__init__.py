"""The functions that an expression may call, by name, in one file per subject. Tests prove that all engines give equal results."""

from __future__ import annotations

from etlrun.language.functions.aggregates import AGGREGATES
from etlrun.language.functions.arrays import ARRAYS
from etlrun.language.functions.conditionals import CONDITIONALS
from etlrun.language.functions.dates import DATES
from etlrun.language.functions.division import DIVISION
from etlrun.language.functions.function import ArgumentProblem, Function, as_decimal, common_type
from etlrun.language.functions.instants import INSTANTS
from etlrun.language.functions.maps import MAPS
from etlrun.language.functions.matching import MATCHING
from etlrun.language.functions.moment_texts import MOMENT_TEXTS
from etlrun.language.functions.numbers import NUMBERS
from etlrun.language.functions.statistics import STATISTICS
from etlrun.language.functions.text import TEXT
from etlrun.language.functions.windows import WINDOWS

SUBJECTS: dict[str, tuple[Function, ...]] = {
    "aggregates": AGGREGATES,
    "arrays": ARRAYS,
    "conditionals": CONDITIONALS,
    "dates": DATES + MOMENT_TEXTS + INSTANTS,
    "maps": MAPS,
    "matching": MATCHING,
    "numbers": NUMBERS + DIVISION,
    "statistics": STATISTICS,
    "text": TEXT,
    "windows": WINDOWS,
}
ROWS: tuple[Function, ...] = tuple(row for rows in SUBJECTS.values() for row in rows)
FUNCTIONS: dict[str, Function] = {
    name: row for row in ROWS for name in (row.name, *row.aliases)
}  # every alias is its row

__all__ = ["FUNCTIONS", "ROWS", "SUBJECTS", "ArgumentProblem", "Function", "as_decimal", "common_type"]
