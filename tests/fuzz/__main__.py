"""Run trials until the time is up: `python -m fuzz --seconds 3600 --seed 1 --only chains` (in tests/)."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter

import duckdb

from sessions import start_spark

from . import chains, expressions, functions, queries, specs
from .engines import Engines

SUBJECTS = {
    "chains": chains.try_some,
    "specs": specs.try_some,
    "functions": functions.try_some,
    "expressions": expressions.try_some,
    "queries": queries.try_some,
}


def main() -> int:
    """Take turns among the subjects; each trial has a seed of its own, with which it can be run again alone."""
    options = _options()
    spark = start_spark()
    tried: Counter[str] = Counter()
    found: Counter[str] = Counter()
    with duckdb.connect() as connection:
        engines = Engines(spark, connection)
        end = time.monotonic() + options.seconds
        for seed in range(options.seed, options.seed + options.trials):
            for subject in options.only or SUBJECTS:
                if time.monotonic() >= end:
                    break
                trial = SUBJECTS[subject](seed, engines)
                tried[subject] += trial.tried
                found[subject] += len(trial.findings)
                for finding in trial.findings:
                    again = f"make fuzz ONLY={subject} SEED={seed} TRIALS=1"
                    sys.stdout.write(f"== {subject}, seed {seed}: {again}\n{finding}\n\n")
                    sys.stdout.flush()
    spark.stop()
    for subject, count in tried.items():
        sys.stdout.write(f"{subject}: {count} tried, {found[subject]} differ\n")
    return min(1, sum(found.values()))


def _options() -> Namespace:
    parser = ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=1, help="of the first trial")
    parser.add_argument("--trials", type=int, default=sys.maxsize, help="at most so many of each subject")
    parser.add_argument("--only", choices=SUBJECTS, action="append")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
