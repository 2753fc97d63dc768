"""Aggregates the rows of text files in the statement that reads them, so that these rows are never written.

Records that DuckDB leaves open are not rows yet. The statement writes them to the log of its database, in memory, from which they are
copied for the exact reader. A sequence counts them, and stops the statement if there are too many. No record is lost: the lines, the rows and the
open records are counted, too. If anything is not as expected, the rows are read without this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etlrun.contracts.direct_aggregation import DirectAggregation, DuckdbStatements
from etlrun.contracts.engine import StatementError
from etlrun.contracts.row_aggregation import FileAggregationFailure
from etlrun.contracts.source import Control, InputFile
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, text, type_name
from etlrun.reading.rows import FILE, INCOMING, LINE, RAW, constant_name, copy_statement, with_constants

OPEN = "__etlrun_open"  # the sequence that counts open records, and the type of their messages
LOG = f"level := 'error', log_type := {text(OPEN)}"
SAMPLED = 50_000  # records that show how many are open, and how many groups there are
MOST_OPEN, LONGEST_OPEN = 50_000, 1 << 13  # records in the log, which is never written to disk, and bytes of each


@dataclass
class DirectReading:
    """Reads the records `incoming` of `files`, of which there are `records`, and aggregates the `rows` that DuckDB reads from them.

    Open records go into the folder `target`, and partial aggregates into the new folder `folder`.
    """

    aggregation: DirectAggregation
    columns: Columns
    files: Sequence[InputFile]
    incoming: str
    rows: str
    records: int
    target: Path
    folder: Path

    def read(self, control: Control) -> int | None:
        """How many records are left open; None if aggregation does not pay. Raises FileAggregationFailure if there is a problem."""
        import duckdb

        try:
            with closing(self.aggregation.start()) as session:
                control.follow(session.connection)
                try:
                    return self._read(session)
                finally:
                    control.leave(session.connection)
        except (StatementError, duckdb.Error) as error:
            raise FileAggregationFailure from error

    def _read(self, session: DuckdbStatements) -> int | None:
        session.inputs += [file.at for file in self.files]
        connection = session.connection
        connection.execute(f"CREATE TEMP VIEW {INCOMING} AS {self.incoming}")
        connection.execute(f"CREATE TEMP SEQUENCE {OPEN} MAXVALUE {MOST_OPEN}")
        connection.execute("CALL enable_logging(level = 'error', storage = 'memory')")
        connection.execute("SET enable_profiling = 'no_output'")
        if not self._pays(session):
            return None
        self._define(session, _sure_rows(self.columns, self.rows))
        session.write(self.aggregation.statement, self.folder)
        profile = connection.get_profiling_information("json")
        lines, sure = sum(_counts("READ_CSV", profile)), _counts("UNNEST", profile)[self.rows.count("unnest(") :]
        ((left, counted),) = connection.execute(
            f"SELECT count(*), nextval('{OPEN}') - 1 FROM duckdb_logs WHERE type = {text(OPEN)}"
        ).fetchall()
        if lines != self.records or left != counted or sure[:1] != [lines - left]:
            raise FileAggregationFailure
        if left:
            connection.execute(copy_statement(self._open_rows(), self.target))
        return int(left)

    def _open_rows(self) -> str:
        """The open records, as the statement of the source's kind would leave them."""
        record = "substr(message, instr(message, ':') + 1)"
        found = (
            f"(SELECT {record} AS l, CAST(split_part(message, ':', 1) AS INTEGER) AS file "
            f"FROM duckdb_logs WHERE type = {text(OPEN)})"
        )
        declared = len(self.columns) - len(self.files[0].constants)
        nulls = [f"CAST(NULL AS {type_name(item.type)}) AS {name(item.name)}" for item in self.columns.items[:declared]]
        shared = self.columns.items[declared:]
        values = [f"{constant_name(item)} AS {name(item.name)}" for item in shared]
        own = [f"l AS {name(RAW)}", f"file AS {name(FILE)}", f"CAST(NULL AS BIGINT) AS {name(LINE)}"]
        return f"SELECT {', '.join((*nulls, *values, *own))} FROM ({with_constants(found, shared, self.files)})"

    def _pays(self, session: DuckdbStatements) -> bool:
        """Whether a sample has few open records, and far fewer groups than rows, by how many rows of the sample share a group.

        Of n rows in G groups of equal size, about n * n / 2G share their group with an earlier one.
        """
        sample = f"SELECT * FROM ({self.rows}) LIMIT {SAMPLED}"
        (found,) = session.fetch(f"SELECT count(*) AS size, count({name(RAW)}) AS open FROM ({sample})").to_pylist()
        if found["open"] * self.records * 2 > found["size"] * MOST_OPEN:
            return False
        size = found["size"] - found["open"]
        self._define(session, f"SELECT * FROM ({sample}) WHERE {name(RAW)} IS NULL")
        (found,) = session.fetch(f"SELECT count(*) AS groups FROM ({self.aggregation.statement})").to_pylist()
        return bool((size - found["groups"]) * self.records * 2 >= size * size)

    def _define(self, session: DuckdbStatements, rows: str) -> None:
        values = (f"CAST({name(item.name)} AS {type_name(item.type)}) AS {name(item.name)}" for item in self.columns)
        relation = name(self.aggregation.name)
        session.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {relation} AS SELECT {', '.join(values)} FROM ({rows})"
        )


def _sure_rows(columns: Columns, rows: str) -> str:
    """The `rows` without open records, which are written to the log.

    All columns come from one UNNEST: so no filter of the aggregation runs before a record is written.
    """
    values = ", ".join(f"{name(f'c{index}')} := {name(item.name)}" for index, item in enumerate(columns))
    record = f"CASE WHEN strlen({name(RAW)}) > {LONGEST_OPEN} THEN error('too long') ELSE {name(RAW)} END"
    logged = f"write_log(concat({name(FILE)}, ':', {record}), {LOG})"  # null
    is_sure = f"CASE WHEN {name(RAW)} IS NOT NULL THEN coalesce({logged}, CAST(nextval('{OPEN}') AS VARCHAR)) IS NULL ELSE true END"
    found = f"SELECT unnest(CASE WHEN {is_sure} THEN [struct_pack({values})] END) AS r FROM ({rows})"
    members = ", ".join(f"r.{name(f'c{index}')} AS {name(item.name)}" for index, item in enumerate(columns))
    return f"SELECT {members} FROM ({found})"


def _counts(operator: str, profile: str) -> list[int]:
    """How many rows each operator of this name gave in the last statement, from the first one on, by the profile that DuckDB made of it."""

    def counts(node: dict[str, Any]) -> Iterator[int]:
        for child in node.get("children", ()):
            yield from counts(child)
        if node.get("name") == operator:
            yield int(node.get("intermediate_rows", 0))

    return [count for node in json.loads(profile).get("operator", ()) for count in counts(node)]
