"""Asks keys in a process of its own: `python asking_process.py URL STORE FIRST COUNT BATCH`; prints the report as JSON."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import posing  # noqa: E402

from etlrun.enrich.labels import open_store  # noqa: E402
from etlrun.models.gemini import Gemini  # noqa: E402


def main() -> None:
    url, where, first, count, batch = sys.argv[1:]
    model = Gemini(model="gemini-2.5-flash", api_key="a-key", url=url)
    asked = posing.keys(int(first) + int(count))[int(first) :]
    report = posing.pose(
        model, asked, open_store(Path(where)), posing.terms(batch=int(batch)), seed=random.randrange(1 << 30)
    )
    sys.stdout.write(json.dumps(report.as_object()) + "\n")


if __name__ == "__main__":
    main()
