"""Run trials until the time is up: `python -m fuzz --seconds 3600 --seed 1 --only chains` (in tests/)."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import time
import traceback
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Mapping
from threading import Timer
from typing import Any

import duckdb

from sessions import start_spark

from . import chains, expressions, files, functions, queries, specs
from .engines import Engines
from .trials import Trial

SUBJECTS = {
    "chains": chains.try_some,
    "specs": specs.try_some,
    "functions": functions.try_some,
    "expressions": expressions.try_some,
    "queries": queries.try_some,
    "files": files.try_some,
}


# Each statement runs once over a few rows: to compile it would take longer.
INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}
HUNG_SECONDS = 3600.0  # that a trial may take


def main() -> int:
    """Take turns among the subjects; each trial has a seed of its own, with which it can be run again alone."""
    options = _options()
    counts = {subject: Counter[str]() for subject in options.only or SUBJECTS}
    with duckdb.connect() as connection:
        engines = Engines(lambda: _start_spark(options.compiled), connection)
        end = time.monotonic() + options.seconds
        seed = options.seed
        while seed < options.seed + options.trials and time.monotonic() < end:
            for subject, count in counts.items():
                _try(subject, seed, engines, count, options.files)
            seed += 1
    sys.stdout.write(_table(counts, options.seed, seed - 1))
    return min(1, sum(count["differ"] for count in counts.values()))


def _try(subject: str, seed: int, engines: Engines, count: Counter[str], number: int) -> None:
    again = f"make fuzz ONLY={subject} SEED={seed} TRIALS=1" + (f" FILES={number}" if subject == "files" else "")
    hung = Timer(HUNG_SECONDS, _end_hung, (f"== {subject}, seed {seed} does not end: {again}\n",))
    hung.daemon = True
    hung.start()
    try:
        trial = files.try_some(seed, engines, number) if subject == "files" else SUBJECTS[subject](seed, engines)
    except Exception:  # noqa: BLE001 - a traceback is what is looked for, and the other seeds are tried all the same
        trial = Trial(1, (traceback.format_exc(),))
    finally:
        hung.cancel()
    sys.stderr.write(
        f"{subject}, seed {seed}: {trial.tried} tried, {trial.failed} failed, {len(trial.findings)} differ\n"
    )
    count.update(tried=trial.tried, failed=trial.failed, differ=len(trial.findings))
    for finding in trial.findings:
        sys.stdout.write(f"== {subject}, seed {seed}: {again}\n{finding}\n\n")
        sys.stdout.flush()


def _end_hung(message: str) -> None:
    """End the process, and show what its threads were doing."""
    sys.stdout.write(message)
    sys.stdout.flush()
    faulthandler.dump_traceback()
    os._exit(1)


def _table(counts: Mapping[str, Counter[str]], first: int, last: int) -> str:
    """What came of a run, as the table in README.md of this folder has it."""
    lines = [
        f"| {subject} | {first} to {last} | {count['tried']:,} | {count['tried'] - count['failed'] - count['differ']:,} "
        f"| {count['failed']:,} | {count['differ']:,} |\n"
        for subject, count in counts.items()
    ]
    header = "| subject | seeds | tried | equal | an error on both | differ |\n|---|---|---|---|---|---|\n"
    return header + "".join(lines)


def _start_spark(is_compiled: bool) -> Any:
    spark = start_spark()
    for name, value in INTERPRETED.items() if not is_compiled else ():
        spark.conf.set(name, value)
    silence()
    return spark


def silence() -> None:
    """Keep Spark's own stories of errors, which are looked for here, from the output."""
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _options() -> Namespace:
    parser = ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=1, help="of the first trial")
    parser.add_argument("--trials", type=int, default=sys.maxsize, help="at most so many of each subject")
    parser.add_argument("--files", type=int, default=files.FILES, help="of a trial of `files`")
    parser.add_argument("--compiled", action="store_true", help="let Spark compile expressions, as it does in a run")
    parser.add_argument("--only", choices=SUBJECTS, action="append")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
