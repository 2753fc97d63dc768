"""Many JSON records looked at together: where none of them can hold what DuckDB reads otherwise, none is looked at alone."""

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
    """Gives a column that is true in all records of a group in whose text no pattern matches. It saves work and decides nothing."""

    patterns: tuple[str, ...]

    @property
    def fields(self) -> list[tuple[str, pyarrow.DataType]]:
        """The column it gives."""
        import pyarrow as pa

        return [(TAME, pa.bool_())]

    def columns(self, records: Records) -> list[pyarrow.Array]:
        """The column, as long as there are texts."""
        import pyarrow as pa

        is_tame = bool(records.plain) and not any_matches(as_one_text(records.plain), self.patterns)
        return [repeated(is_tame, pa.bool_(), len(records.texts))]

    def of_lines(self, lines: str) -> str:
        """The lines of tame files with the column."""
        return f"SELECT *, NOT is_matched AS {TAME} FROM ({lines})"
