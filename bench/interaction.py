"""The interaction job by etlrun against the scripts that an expert writes by hand, whole processes, side by side.

    python bench/interaction.py [--contracts 200000] [--rounds 3] [--engines duckdb,spark]

Writes sample logs once (200,000 contracts are about 6 million rows, 1 GB), then runs each contestant in turn, round after round, and
prints medians of wall time, processor time and peak memory, and the ratio of each. The published table is part of etlrun's time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds of the clock, seconds of the processor, and megabytes at its peak (children included)."""

    wall: float
    cpu: float
    memory: float


def measure(command: list[str], folder: Path) -> Cost:
    """Run a command to its end. Its output is thrown away; a failure stops the bench."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as noise:
        process = subprocess.Popen(command, cwd=folder, stdout=noise, stderr=noise)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            noise.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{noise.read().decode()[-2000:]}")
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def contestants(engine: str, logs: Path, folder: Path) -> dict[str, list[str]]:
    etlrun = [
        sys.executable,
        "-m",
        "etlrun",
        "pipelines/interaction.yaml",
        "--engine",
        engine,
        "--set",
        f"data={logs}",
        "-q",
    ]
    script = [
        sys.executable,
        str(HERE / "by_hand" / f"{engine}_job.py"),
        str(logs / "log_content"),
        str(folder / f"by_hand_{engine}"),
    ]
    return {f"script ({engine})": script, f"etlrun ({engine})": etlrun}


def prepare(folder: Path) -> None:
    """A project to run in."""
    for name in ("pipelines", "mappings"):
        shutil.copytree(HERE.parent / name, folder / name)
    profile = 'local: {engine: {spark: {master: "local[2]"}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}'
    (folder / "etlrun.yaml").write_text(f"data: ./data\nprofiles:\n  {profile}\n")


def logs_for(given: Path | None, contracts: int, folder: Path) -> Path:
    """The folder `given`, or a new one below `folder` with sample logs of so many contracts."""
    if given is not None:
        return given.resolve()
    logs = folder / "logs"
    make = [sys.executable, "-m", "etlrun", "sample-data", str(logs), "--users", "0"]
    subprocess.run([*make, "--contracts", str(contracts)], check=True)
    return logs


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--contracts", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--engines", default="duckdb,spark")
    options.add_argument("--logs", type=Path, help="logs that are there already")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder)
        logs = logs_for(chosen.logs, chosen.contracts, folder)
        for engine in chosen.engines.split(","):
            runs: dict[str, list[Cost]] = {name: [] for name in contestants(engine, logs, folder)}
            for _ in range(chosen.rounds):
                for name, command in contestants(engine, logs, folder).items():
                    runs[name].append(measure(command, folder))
            report(runs)


def report(runs: dict[str, list[Cost]]) -> None:
    print("| contestant | wall s | ratio | processor s | ratio | peak MB | ratio |\n|---|---|---|---|---|---|---|")
    base: list[float] = []
    for name, costs in runs.items():
        figures = [median(getattr(cost, part) for cost in costs) for part in ("wall", "cpu", "memory")]
        base = base or figures
        cells = [f"{figure:.1f} | {figure / first:.2f}" for figure, first in zip(figures, base, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
