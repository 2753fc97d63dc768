"""Measures the label store where it is large: how long it takes to open, to look a million keys up, and to say what answers cost.

    python bench/label_store.py                    # 10 million keys, some minutes, 2 GB below --folder; writes bench/label_store.md
    python bench/label_store.py --keys 1000000     # smaller

The store is filled through the engine's own calls, with answers of four questions. Each figure is the median of three, each in a process of its own;
the file cache is that of the machine.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from etlrun.enrich.labels import open_store
from etlrun.enrich.questions import Question
from etlrun.enrich.store import RequestEntry, Result, Sent
from etlrun.spec.prompts import parse_prompt

PROMPT = """\
---
task: Give each keyword its category.
output:
  category:
    labels: {Film: a film, Channel: a channel, Other: neither}
---
Keywords are Vietnamese.
"""
QUESTIONS = 4
LOOKUPS = 1_000_000
A_REQUEST = 50
AT_ONCE = 2_000  # requests that are written together
RUNS = 3


def question(number: int) -> Question:
    return Question(
        parse_prompt(PROMPT, "bench", "prompts/bench.md"), {"provider": "bench", "model": f"model-{number}"}
    )


def key(number: int) -> str:
    return f"từ khoá {number:08d} phim"


def fill(path: Path, keys: int) -> None:
    store = open_store(path)
    each = keys // QUESTIONS
    for number in range(QUESTIONS):
        asked = question(number)
        store.add_question(asked, f"bench model-{number}")
        for start in range(0, each, A_REQUEST * AT_ONCE):
            rows = range(start, min(each, start + A_REQUEST * AT_ONCE))
            results = [Result(key(row), key(row), "ok", '{"category": "Film"}') for row in rows]
            groups = (results[at : at + A_REQUEST] for at in range(0, len(results), A_REQUEST))
            store.record(
                asked.id,
                "bench",
                [RequestEntry(Sent("", len(group), len(group), "complete"), group) for group in groups],
            )
    store.close()


def measure_open(path: Path, keys: int) -> None:
    began = time.monotonic()
    open_store(path).close()
    print(f"{time.monotonic() - began:.2f}")


def measure_lookups(path: Path, keys: int) -> None:
    store, each = open_store(path), keys // QUESTIONS
    chance = random.Random(0)
    names = [key(chance.randrange(2 * each)) for _ in range(LOOKUPS)]  # half of them are not there
    began = time.monotonic()
    found = store.judged([question(1)], names)
    print(f"{time.monotonic() - began:.2f} {len(found)}")
    store.close()


def measure_stats(path: Path, keys: int) -> None:
    store = open_store(path)
    began = time.monotonic()
    costs = store.costs()
    print(f"{time.monotonic() - began:.2f}")
    assert sum(cost.statuses["ok"] for cost in costs) == keys // QUESTIONS * QUESTIONS
    store.close()


MEASUREMENTS: dict[str, Callable[[Path, int], None]] = {
    "open": measure_open,
    "lookups": measure_lookups,
    "stats": measure_stats,
}


def timed(name: str, path: Path, keys: int) -> float:
    """Seconds of a measurement by its own clock, in a process of its own that has opened a small store before."""
    code = f"import sys; sys.path[0] = {str(Path(__file__).parent)!r}; import label_store as bench; from pathlib import Path\n"
    code += f"bench.open_store(Path({str(path)!r} + '.small')).close(); bench.MEASUREMENTS[{name!r}](Path({str(path)!r}), {keys})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def report(folder: Path, keys: int) -> str:
    path = folder / "labels.sqlite"
    load = os.getloadavg()[0]
    began = time.monotonic()
    fill(path, keys)
    filled = time.monotonic() - began
    seconds = {name: statistics.median(timed(name, path, keys) for _ in range(RUNS)) for name in MEASUREMENTS}
    return f"""# A large label store

`python bench/label_store.py --keys {keys}` on {os.cpu_count()} cores that were shared with other work: the load average was {load:.1f} at the start
of this run and {os.getloadavg()[0]:.1f} at its end.
{keys:,} keys for {QUESTIONS} questions take {path.stat().st_size / 1e9:.2f} GB in SQLite; writing them took {filled:,.0f} s.

| | seconds |
|---|---|
| open | {seconds["open"]:.2f} |
| {LOOKUPS:,} lookups, half of them for keys that are not in the store | {seconds["lookups"]:.1f} |
| the queries of `etlrun llm stats` | {seconds["stats"]:.2f} |
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument(
        "--folder",
        type=Path,
        default=None,
        help="folder for the temporary store; default: the system's temporary folder",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        text = report(Path(folder), options.keys)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
