"""How long `etlrun check` takes: the pipelines of this project, and 100 generated ones of ten steps, as whole processes.

    python bench/check_speed.py [--rounds 9] [--pipelines 100]

Every round runs each command once, so that all of them meet the same machine; the table gives medians, and what a command takes more
than the packages alone that it cannot do without. Byte code is cached, as in an installed package.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
BASE = "import yaml, jsonschema, click"
CHECK = "from etlrun.cli.main import main; main()"
PIPELINE = """\
pipeline: generated_{number}
params: {{month: {{type: month, default: 2022-04}}, least: {{type: int, default: 3}}}}
sources:
  views:
    json:
      path: $data/log_content/{{date:yyyyMMdd}}.json
      dates: $month
      columns: {{contract: string, app: string, seconds: bigint not null}}
  people: {{parquet: {{path: $data/people, columns: {{contract: string, city: string, since: date}}}}}}
steps:
  joined:
    - from: views
    - filter: contract <> '0' and seconds > $least
    - lookup: {{column: app, map: app_content, as: type, unmatched: drop}}
    - join: {{with: people, on: [contract], how: left, columns: [city, since]}}
    - derive: {{minutes: seconds / 60, code: "concat(upper(app), '-', contract)", age: "datediff(date, since)"}}
  profile_{number}:
    - from: joined
    - aggregate:
        by: [contract, city]
        pivot: {{column: type, labels: app_content, value: sum(seconds), name: "total_{{label}}", fill: 0, as: totals}}
        columns: {{days: count(distinct date), longest: max(minutes), apps: count(distinct code)}}
    - argmax: {{over: totals, as: most_watched, ties: label order}}
    - labels: {{over: totals, where: "> 0", as: taste, separator: "-"}}
    - bucket: {{column: days, as: level, cases: {{High: "> 20", Medium: ">= 10"}}, else: Low}}
checks:
  profile_{number}:
    - unique: [contract, city]
    - not_null: [contract, most_watched]
    - accepted: {{level: [High, Medium, Low]}}
sinks:
  out: {{table: {{from: profile_{number}, connection: warehouse, write: replace}}}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each command runs")
    parser.add_argument("--pipelines", type=int, default=100, help="how many pipelines are generated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generated = write_pipelines(Path(folder) / "generated", options.pipelines)
        commands = {
            f"`{BASE}`": (["-c", BASE], ROOT),
            "`etlrun check pipelines/`": (["-c", CHECK, "check", "pipelines/"], ROOT),
            f"`etlrun check` of {options.pipelines} pipelines": (["-c", CHECK, "check"], generated),
        }
        measured = measure(commands, options.rounds, with_bytecode(Path(folder)))
    print_table(measured)


def write_pipelines(folder: Path, count: int) -> Path:
    """A project with `count` pipelines of ten steps each."""
    (folder / "pipelines").mkdir(parents=True)
    (folder / "mappings").mkdir()
    for name in ("etlrun.yaml", "mappings/app_content.yaml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for number in range(count):
        (folder / "pipelines" / f"generated_{number:04}.yaml").write_text(
            PIPELINE.format(number=number), encoding="utf-8"
        )
    return folder


def with_bytecode(folder: Path) -> dict[str, str]:
    """The environment of a process whose modules are compiled once, as those that pip installs are."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def measure(
    commands: dict[str, tuple[list[str], Path]], rounds: int, environment: dict[str, str]
) -> dict[str, tuple[float, float]]:
    """The median seconds of each command, by the clock and of the processor; a first round that is not counted fills the caches."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for round_ in range(rounds + 1):
        for name, (arguments, folder) in commands.items():
            cost = cost_of([sys.executable, *arguments], folder, environment)
            if round_:
                found[name].append(cost)
    return {name: (median(wall for wall, _ in costs), median(cpu for _, cpu in costs)) for name, costs in found.items()}


def cost_of(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of the clock and of the processor that one run of a command takes. A failure stops the bench."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def print_table(measured: dict[str, tuple[float, float]]) -> None:
    (base_wall, base_cpu), *_ = measured.values()
    print("| whole process | seconds | more than the first | times the first | processor seconds | times the first |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, (wall, cpu) in measured.items():
        print(
            f"| {name} | {wall:.2f} | {wall - base_wall:.2f} | {wall / base_wall:.1f} | {cpu:.2f} | {cpu / base_cpu:.1f} |"
        )


if __name__ == "__main__":
    main()
