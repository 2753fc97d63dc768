"""One new day of a month, with and without the cache of parts: whole processes of the interaction job, side by side.

    python bench/parts.py [--contracts 200000] [--rounds 3] [--engines duckdb,spark] [--logs DIR]

Writes sample logs once (200,000 contracts are about 6 million rows, 1 GB). Each round runs the job without parts; with an empty cache; with
what this run has kept of all days but the last, which counts as changed; and with what the third run has kept of them. Prints medians of
wall and processor time and peak memory, and ratios.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from interaction import Cost, contestants, logs_for, measure, prepare, report

HOUR = 3600


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--contracts", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--engines", default="duckdb")
    options.add_argument("--logs", type=Path, help="logs that are there already; the time of the last day is changed")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        logs = logs_for(chosen.logs, chosen.contracts, folder)
        for engine in chosen.engines.split(","):
            report(compare(engine, logs, folder / engine, chosen.rounds))


def compare(engine: str, logs: Path, folder: Path, rounds: int) -> dict[str, list[Cost]]:
    """What each way costs in each round."""
    folder.mkdir()
    prepare(folder)
    settings = folder / "etlrun.yaml"
    plain = settings.read_text()
    *_, last = sorted((logs / "log_content").iterdir())
    command = contestants(engine, logs, folder)[f"etlrun ({engine})"]
    ways = ("no parts", "nothing in the cache yet", "the next run, one day is new", "later runs, one day is new")
    costs: dict[str, list[Cost]] = {f"{way} ({engine})": [] for way in ways}
    keeping = plain.replace("local: {", "local: {parts: {keep: 40d, room: 200GB}, ")
    for path in sorted((logs / "log_content").iterdir()):
        os.utime(path, (time.time() - HOUR, time.time() - HOUR))
    for index in range(rounds):
        settings.write_text(plain)
        costs[f"{ways[0]} ({engine})"].append(measure(command, folder))
        settings.write_text(keeping)
        shutil.rmtree(folder / ".etlrun/runs/parts", ignore_errors=True)
        costs[f"{ways[1]} ({engine})"].append(measure(command, folder))
        for number, way in enumerate(ways[2:]):
            os.utime(last, (time.time() - HOUR - 2 * index - number - 1,) * 2)
            costs[f"{way} ({engine})"].append(measure(command, folder))
    return costs


if __name__ == "__main__":
    main()
