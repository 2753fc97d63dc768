"""Many JSON records looked at together: where none of them can hold what DuckDB reads otherwise, none is looked at alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etlrun.reading.framing import Records, as_one_text

if TYPE_CHECKING:
    import pyarrow

TAME = "is_tame"


@dataclass(frozen=True)
class Screen:
    """Gives a column that is true in all records of a group in whose text no pattern matches. It saves work and decides nothing."""

    patterns: Sequence[str]

    @property
    def fields(self) -> list[tuple[str, pyarrow.DataType]]:
        """The column it gives."""
        import pyarrow as pa

        return [(TAME, pa.bool_())]

    def columns(self, records: Records) -> list[pyarrow.Array]:
        """The column, as long as there are texts."""
        import pyarrow as pa

        is_tame = bool(records.plain) and not self._matches(records.plain)
        return [pa.repeat(pa.scalar(is_tame), len(records.texts))]

    def _matches(self, data: bytes) -> bool:
        import pyarrow.compute as pc

        whole = as_one_text(data)
        return any(pc.match_substring_regex(whole, pattern)[0].as_py() for pattern in self.patterns)
