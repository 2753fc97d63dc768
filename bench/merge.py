"""A merge by key into a Delta table, beside the MERGE of its library.

    python bench/merge.py [--rows 20000000] [--keys 1000000] [--rounds 1]

Half of the rows of a run replace rows in every one of the table's eight files, or in one file; each merge is a process of its own, in turn.
Prints medians of processor time and peak memory. Both end with the same rows, which is verified.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "lake"))

import duckdb
import lake_tables
from deltalake import DeltaTable

from etlrun.contracts.sink import Publication
from etlrun.lake import delta_log
from etlrun.lake.commits import Write
from lake import COLUMNS, FILES, VALUES

WAYS = ("etlrun", "deltalake")
KEY = ("contract",)


def stage(target: Path, numbers: str) -> Path:
    duckdb.execute(f"COPY (SELECT {VALUES} FROM ({numbers})) TO '{target}' (FORMAT parquet)")
    return target


def publish(folder: Path, table: str, files: tuple[Path, ...], run: str, write: Write) -> None:
    rows = duckdb.execute(f"SELECT count(*) FROM read_parquet({[str(path) for path in files]})").fetchall()[0][0]
    given = Publication(
        "out",
        COLUMNS,
        files,
        rows,
        run,
        run,
        "p",
        "",
        "",
        folder,
        None,
        None,
        scratch=folder / "scratch",  # type: ignore[arg-type]
    )
    delta_log.publish(lake_tables.at(folder / table), given, write)


def merge(way: str, folder: Path) -> None:
    """One merge, whose processor seconds and peak megabytes are printed."""
    import pyarrow.parquet as pq

    new, before = folder / "new.parquet", resource.getrusage(resource.RUSAGE_SELF)
    if way == "etlrun":
        publish(folder, way, (new,), "20220502T000000Z-a", Write("merge", key=KEY))
    else:
        table = DeltaTable(folder / way)
        merging = table.merge(pq.read_table(new), "s.contract = t.contract", source_alias="s", target_alias="t")
        merging.when_matched_update_all().when_not_matched_insert_all().execute()
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024, flush=True)


def compare(rows: int, keys: int, rounds: int, *, in_one_file: bool) -> None:
    costs: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            parts = [
                stage(folder / f"{part}.parquet", f"FROM range({part}, {rows}, {FILES}) t(i)") for part in range(FILES)
            ]
            step = FILES if in_one_file else max(1, rows // keys) | 1
            stage(
                folder / "new.parquet",
                f"FROM range({rows - keys // 2 * step // FILES * FILES}, {rows + keys * step}, {step}) t(i) LIMIT {keys}",
            )
            for way in WAYS:
                publish(folder, way, tuple(parts), "20220501T000000Z-a", Write("replace"))
                command = [sys.executable, __file__, "--way", way, "--folder", name]
                costs[way].append([float(part) for part in subprocess.check_output(command, text=True).split()])
            sums = {
                duckdb.execute(f"SELECT count(*), bit_xor(hash(t)) FROM read_parquet({DeltaTable(folder / way).file_uris()}) t").fetchone()
                for way in WAYS
            }  # fmt: skip
            assert len(sums) == 1, sums
    print(f"\n{rows:,} rows, {keys:,} of the run, {'one file' if in_one_file else 'every file'}")
    first = [median(values) for values in zip(*costs[WAYS[0]], strict=True)]
    for way in WAYS:
        figures = [median(values) for values in zip(*costs[way], strict=True)]
        cells = [f"{figure:.1f} | {figure / one:.2f}" for figure, one in zip(figures, first, strict=True)]
        print(f"| {way} | {' | '.join(cells)} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=20_000_000)
    options.add_argument("--keys", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--way", help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.way:
        merge(chosen.way, chosen.folder)
        return
    for in_one_file in (False, True):
        compare(chosen.rows, chosen.keys, chosen.rounds, in_one_file=in_one_file)


if __name__ == "__main__":
    main()
