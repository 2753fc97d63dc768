"""A publish of 2 million rows to a table of Delta Lake and of Iceberg, beside what their libraries take to write the same rows.

    python bench/lake.py [--rows 2000000] [--rounds 3]

Both start from eight staged Parquet files; each publish is a process of its own that has loaded its modules, in turn, round after round. Prints
medians of wall time, their ratio, and how many of the staged bytes were read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "lake"))

import duckdb
import iceberg_tables
import lake_tables
import pyarrow.dataset as ds

from etlrun.contracts.sink import Publication
from etlrun.lake import delta_log, iceberg_log
from etlrun.lake.commits import Write
from etlrun.language.columns import BIGINT, STRING, Column, Columns

FILES = 8
COLUMNS = Columns((Column("contract", STRING), *(Column(name, BIGINT) for name in ("seconds", "days", "films"))))
VALUES = (
    "'SGH' || lpad(CAST(i * 2654435761 % 1000000007 AS VARCHAR), 9, '0') AS contract, i * 37 % 90001 AS seconds, "
    "i % 30 AS days, i * 11 % 701 AS films"
)
WAYS = ("etlrun (delta)", "deltalake", "etlrun (iceberg)", "pyiceberg")


def stage(folder: Path, rows: int) -> None:
    """The rows of a run in Parquet files, as an engine leaves them."""
    each = rows // FILES
    for number in range(FILES):
        at = number * each
        duckdb.execute(
            f"COPY (SELECT {VALUES} FROM range({at}, {at + each}) r(i)) TO '{folder}/{number}.parquet' (FORMAT parquet)"
        )


def publish(way: str, stage: Path, target: Path, rows: int) -> tuple[float, int]:
    """Seconds of one publish to a new table, and the bytes that this process read meanwhile."""
    given = lake_tables.publication(target / "empty", [], columns=COLUMNS)
    first = Publication(**{**vars(given), "files": (stage / "0.parquet",), "rows": rows // FILES})
    whole = Publication(
        **{**vars(given), "files": tuple(sorted(stage.glob("*.parquet"))), "rows": rows, "run_id": lake_tables.SECOND}
    )
    _publish(way, first, target)  # loads the modules
    before, started = _read(), time.monotonic()
    _publish(way, whole, target)
    return time.monotonic() - started, _read() - before


def _publish(way: str, given: Publication, target: Path) -> None:
    if way == "etlrun (delta)":
        delta_log.publish(lake_tables.at(target / "t"), given, Write("replace"))
    elif way == "etlrun (iceberg)":
        iceberg_log.publish(iceberg_tables.at(target), given, Write("replace"))
    elif way == "deltalake":
        from deltalake import write_deltalake

        write_deltalake(target / "t", ds.dataset(list(map(str, given.files))).scanner().to_reader(), mode="overwrite")
    else:
        library = iceberg_tables.catalog(target).library
        library.create_namespace_if_not_exists("gold")
        rows = ds.dataset(list(map(str, given.files))).to_table()
        table = library.create_table_if_not_exists("gold.t", rows.schema)
        table.overwrite(rows)


def _read() -> int:
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(facts["rchar"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        way, staged, target = chosen.one
        print(*publish(way, Path(staged), Path(target), chosen.rows))
        return
    found: dict[str, list[tuple[float, int]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "stage"
        folder.mkdir()
        stage(folder, chosen.rows)
        size = sum(path.stat().st_size for path in folder.iterdir())
        for number in range(chosen.rounds):
            for way in WAYS:
                target = Path(scratch) / f"{number}-{WAYS.index(way)}"
                target.mkdir()
                command = [sys.executable, __file__, "--rows", str(chosen.rows), "--one", way, str(folder), str(target)]
                seconds, read = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
                found[way].append((float(seconds), int(read)))
    print("| contestant | wall s | ratio | read of the staged bytes |\n|---|---|---|---|")
    for way, other in (*zip(WAYS[::2], WAYS[1::2], strict=True), *zip(WAYS[1::2], WAYS[1::2], strict=True)):
        wall, base = (median(seconds for seconds, _ in found[name]) for name in (way, other))
        read_share = median(read for _, read in found[way]) / size
        print(f"| {way} | {wall:.2f} | {wall / base:.2f} | {read_share:.1%} |")


if __name__ == "__main__":
    main()
