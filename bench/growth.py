"""Eight times the rows: what the interaction job takes for a month of logs, and for copies of that month.

    python bench/growth.py [--contracts 200000] [--rounds 1] [--times 8] [--logs DIR]

A month of 200,000 contracts is about 6 million rows, 1 GB. Its copies are of the same contracts, or each of contracts of its own, so that the
number of groups grows, too. Prints medians of wall time, processor time and peak memory of whole processes, and the ratios to the first line.
The copies need disk space.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from interaction import Cost, contestants, logs_for, measure, prepare, report


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--contracts", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--times", type=int, default=8)
    options.add_argument("--logs", type=Path, help="logs that are there already")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder)
        logs = logs_for(chosen.logs, chosen.contracts, folder)
        report(compare(logs, folder, chosen.times, chosen.rounds))


def compare(logs: Path, folder: Path, times: int, rounds: int) -> dict[str, list[Cost]]:
    """What one month costs, and what its copies cost, in each round."""
    pipeline = folder / "pipelines/interaction.yaml"
    pipeline.write_text(pipeline.read_text().replace("$data/log_content/", "$data/copy*/"))
    data = folder / "copies"
    command = contestants("duckdb", data, folder)["etlrun (duckdb)"]
    costs: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        for name, copies, is_renamed in (
            ("1 x the rows", 1, False),
            (f"{times} x the rows, the same contracts", times, False),
            (f"{times} x the rows and the contracts", times, True),
        ):
            for number in range(copies):
                copy(logs / "log_content", data / f"copy{number}", chr(ord("A") + number) if is_renamed else "")
            costs.setdefault(name, []).append(measure(command, folder))
            shutil.rmtree(data)
    return costs


def copy(logs: Path, folder: Path, letter: str) -> None:
    """Copy all files of a folder; `letter` becomes the third one of each contract that has letters."""
    folder.mkdir(parents=True)
    for path in logs.iterdir():
        text = path.read_bytes()
        if letter:
            text = re.sub(rb'("Contract":"[A-Z]{2})[A-Z]', rb"\g<1>" + letter.encode(), text)
        (folder / path.name).write_bytes(text)


if __name__ == "__main__":
    main()
