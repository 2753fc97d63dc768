"""Sends rows in one of two ways: LOAD DATA LOCAL, which streams them, or INSERTs of about a megabyte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import pyarrow as pa

from etlrun.connections._mysql.encode import literal, proof_line, sent_text, sum_of_crcs
from etlrun.connections._mysql.errors import DUPLICATE, masked
from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.words import name, names, table_name
from etlrun.warehouse.faults import point
from etlrun.warehouse.server import LoadRefused
from etlrun.warehouse.stage import Encoding, StageField
from etlrun.warehouse.text_lines import bytes_of, line

BYTES = 1 << 20
CHUNKS = 50  # of the stage, in one LOAD DATA: a million rows


class LoadData:
    """Sends rows by LOAD DATA LOCAL."""

    notice = ""

    def encoding(self, fields: tuple[StageField, ...]) -> Encoding:
        return Encoding((line([sent_text(each) for each in fields]),), proof_line(fields), sum_of_crcs)

    def load(
        self, session: MysqlSession, table: str, fields: tuple[StageField, ...], batches: Iterator[pa.RecordBatch]
    ) -> int:
        return load_data(session, table, fields, (bytes_of(batch.column(0)) for batch in batches))


@dataclass(frozen=True)
class Insert:
    """Sends rows by INSERT."""

    notice: str = ""

    def encoding(self, fields: tuple[StageField, ...]) -> Encoding:
        values = f"concat('(', concat_ws(',', {', '.join(map(literal, fields))}), ')')"
        return Encoding((values,), proof_line(fields), sum_of_crcs)

    def load(
        self, session: MysqlSession, table: str, fields: tuple[StageField, ...], batches: Iterator[pa.RecordBatch]
    ) -> int:
        return insert(session, table, fields, (batch.column(0).cast(pa.binary()).to_pylist() for batch in batches))


def load_data(session: MysqlSession, table: str, fields: tuple[StageField, ...], lines: Iterator[memoryview]) -> int:
    """Stream the lines into the table, about a million per statement; returns the number of accepted rows. Raises LoadRefused, ServerError."""
    binary = {field.name: f"@v{number}" for number, field in enumerate(fields) if field.type.name == "binary"}
    targets = ", ".join(binary.get(field.name, name(field.name)) for field in fields)
    unhexed = ", ".join(f"{name(column)} = UNHEX({variable})" for column, variable in binary.items())
    statement = (
        f"LOAD DATA LOCAL INFILE '{{file}}' INTO TABLE {table_name(table)} CHARACTER SET utf8mb4 FIELDS TERMINATED BY x'09' ESCAPED BY x'5c' "
        f"LINES TERMINATED BY x'0a' ({targets}){f' SET {unhexed}' if unhexed else ''}"
    )
    chunks = _watched(lines)
    total = 0
    for first in chunks:
        loaded, warnings = session.stream(statement, chain((first,), islice(chunks, CHUNKS - 1)))
        total += loaded
        if warnings:
            raise _complaint(session, warnings)
    return total


def insert(session: MysqlSession, table: str, fields: tuple[StageField, ...], tuples: Iterator[list[bytes]]) -> int:
    """Send the rows as INSERT statements; returns the number of accepted rows. Raises LoadRefused, ServerError."""
    head = f"INSERT INTO {table_name(table)} ({names(tuple(field.name for field in fields))}) VALUES ".encode()
    most = min(BYTES, int(session.one("SELECT @@max_allowed_packet")[0]) // 2)
    total = 0
    for values in _packets(tuples, most):
        point("loading")
        loaded, warnings = session.change(head + values)
        total += loaded
        if warnings:
            raise _complaint(session, warnings)
    return total


def _watched(lines: Iterator[memoryview]) -> Iterator[memoryview]:
    for chunk in lines:
        point("loading")
        yield chunk


def _packets(tuples: Iterator[list[bytes]], most: int) -> Iterator[bytes]:
    """The tuples, separated by commas, in pieces of about `most` bytes."""
    piece: list[bytes] = []
    size = 0
    for batch in tuples:
        for one in batch:
            if piece and size + len(one) >= most:
                yield b",".join(piece)
                piece, size = [], 0
            piece.append(one)
            size += len(one) + 1
    if piece:
        yield b",".join(piece)


def _complaint(session: MysqlSession, warnings: int) -> LoadRefused:
    detail = session.rows("SHOW WARNINGS LIMIT 1")
    times = f"the server warned {warnings:,} {'time' if warnings == 1 else 'times'}"
    return (
        LoadRefused(
            f"{times}: {masked(str(detail[0][2]))} ({detail[0][1]})",
            int(detail[0][1]),
            is_duplicate=int(detail[0][1]) in DUPLICATE,
        )
        if detail
        else LoadRefused(times)
    )
