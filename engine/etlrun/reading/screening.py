"""Checks many JSON records at once for texts that DuckDB reads differently. If none matches, single records need no check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etlrun.language.arrow_values import repeated
from etlrun.reading.framing import Records, any_matches, as_one_text

if TYPE_CHECKING:
    import pyarrow

TAME = "is_tame"


@dataclass(frozen=True)
class Screen:
    """Adds a column that is true for all records of a group if no pattern matches in their text. It saves work, and never changes a result."""

    patterns: tuple[str, ...]

    @property
    def fields(self) -> list[tuple[str, pyarrow.DataType]]:
        """The column that it adds."""
        import pyarrow as pa

        return [(TAME, pa.bool_())]

    def columns(self, records: Records) -> list[pyarrow.Array]:
        """The column, with a value for each text."""
        import pyarrow as pa

        is_tame = bool(records.plain) and not any_matches(as_one_text(records.plain), self.patterns)
        return [repeated(is_tame, pa.bool_(), len(records.texts))]

    def of_lines(self, lines: str) -> str:
        """The lines of tame files with the column."""
        return f"SELECT *, NOT is_matched AS {TAME} FROM ({lines})"
