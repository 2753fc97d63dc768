"""Pages over 1.92 million contracts, in a real browser: how large they are, how long a build takes, when they are ready, how fast they react.

    python bench/dashboards.py [--contracts 1920000] [--rounds 5]

Writes contracts of two shapes as Parquet, publishes them once to DuckDB, and builds a page with sums and one with `rows: all`. `tv`: most
contracts watch one type, as in the months that the interaction dashboard was made for. `mixed`: most watch several, as in
`etlrun sample-data`. Times in the page are from the click to the end of the next frame; medians of rounds, each in a page of its own.
Needs the browser and the npm packages of the tests: make .venv/chromium.stamp .venv/node.stamp
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import duckdb

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "dashboards"))

from browser import Browser  # noqa: E402

TYPES = ("Truyen_Hinh", "Phim_Truyen", "Giai_Tri", "Thieu_Nhi", "The_Thao")
SHAPES = {  # type: the share of contracts that watch it, the logarithm of the seconds of most, and how much it varies
    "tv": ((1.0, 11.5, 1.2), (0.2, 8, 1.5), (0.12, 6, 1.5), (0.1, 9, 1.2), (0.04, 7, 1.5)),
    "mixed": ((0.97, 10.8, 1.1), (0.87, 9.6, 1.3), (0.51, 8.4, 1.3), (0.59, 8.8, 1.3), (0.36, 8.2, 1.3)),
}
PROJECT = (
    "profiles: {fast: {engine: {duckdb: {}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}}\nprofile: fast\n"
)
COLUMNS = "{Contract: string, " + ", ".join(f"Total_{name}: bigint" for name in TYPES)
COLUMNS += ", Active: bigint, Most_watched: string, Taste: string, Level_Activeness: string}"
PIPELINE = f"""pipeline: contracts
sources: {{contracts: {{parquet: {{path: contracts.parquet, columns: {COLUMNS}}}}}}}
steps: {{profile: [{{from: contracts}}]}}
sinks: {{contracts: {{table: {{from: profile, connection: warehouse, key: [Contract], write: replace}}}}}}
"""
TOTALS = ", ".join(f"Total_{name}" for name in TYPES)
SHOWN = ", ".join(f"{{Total_{name}: {{divide_by: 3600, format: decimal 2}}}}" for name in TYPES)
DASHBOARD = f"""dashboard: NAME
title: Watching by contract
pipeline: contracts
sink: contracts
measures:
  customers: {{label: Customers, count: rows}}
  hours: {{label: Hours watched, sum: [{TOTALS}], divide_by: 3600, format: short}}
  daily_hours: {{label: Hours a day and customer, ratio: [hours, customers], divide_by: 30, format: decimal 2}}
  days_active: {{label: Days active, average: Active}}
filters: [Level_Activeness, Most_watched, Taste]
page:
  - [{{kpi: customers}}, {{kpi: hours}}, {{kpi: daily_hours}}, {{kpi: days_active}}]
  - - donut: {{of: Level_Activeness, value: hours}}
    - bar: {{of: Contract, value: hours, top: 10}}
    - bar: {{of: Most_watched, value: customers}}
  - [{{bar: {{of: Taste, value: customers, top: 10}}}}]
  - - table:
        columns: [Contract, {SHOWN}, Most_watched, Taste, Level_Activeness]
        order: hours desc
        rows: ROWS
        search: [Contract]
        totals: true
"""
OBSERVED = """
window.readyAt = {};
new MutationObserver(() => { window.readyAt[document.documentElement.dataset.ready] = performance.now(); })
  .observe(document, {attributes: true, subtree: true, attributeFilter: ['data-ready']});
"""
ACTED = """(async () => {
  const before = performance.now();
  ACTION;
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - before;
})()"""
FIND = "(input => { input.value = 'WORDS'; input.dispatchEvent(new Event('input')); })(document.querySelector('input'))"
ACTIONS = {  # a reader enters the field before searching, which prepares the texts
    "filter": "document.querySelectorAll('.bar')[1].querySelectorAll('button')[1].click()",
    "unfilter": "document.querySelector('.chip').click()",
    "enter the search": "document.querySelector('input').focus()",
    "search": FIND.replace("WORDS", "h12"),
    "search again": FIND.replace("WORDS", "h123"),
    "search nothing": FIND.replace("WORDS", ""),
    "sort": "document.querySelectorAll('.rows th button')[2].click()",
}


def write_contracts(shape: str, count: int, path: Path) -> None:
    """Contracts with a total for each type, and what the interaction pipeline makes of them."""
    totals = ", ".join(
        f"if(random() < {share}, exp({middle} + {spread} * sqrt(-2 * ln(1 - random())) * cos(6.2832 * random()))::bigint, 0) "
        f"AS Total_{name}"
        for name, (share, middle, spread) in zip(TYPES, SHAPES[shape], strict=True)
    )
    label = {name: name.replace("_", " ") for name in TYPES}
    cases = " ".join(f"WHEN most = Total_{name} THEN '{label[name]}'" for name in TYPES)
    taste = ", ".join(f"CASE WHEN Total_{name} > 0 THEN '{label[name]}' END" for name in sorted(TYPES))
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1; SELECT setseed(0.7)")
        connection.execute(
            f"""COPY (
            SELECT * EXCLUDE (most), CASE {cases} END AS Most_watched, concat_ws('-', {taste}) AS Taste,
                   CASE WHEN Active > 20 THEN 'High' WHEN Active >= 10 THEN 'Medium' ELSE 'Low' END AS Level_Activeness
            FROM (SELECT *, greatest({TOTALS}) AS most FROM (
                SELECT concat(['HNH', 'SGH', 'DNH', 'HPH', 'CTH', 'HUH', 'NTH', 'BDH'][i % 8 + 1],
                              lpad((i // 8 * 7919 % 10000000)::varchar, 7, '0')) AS Contract,
                       {totals}, 1 + (29.99 * random() * random())::bigint AS Active
                FROM range({count}) AS numbers(i)))
            ) TO '{path}' (FORMAT parquet)"""
        )


def run(folder: Path, *arguments: str) -> float:
    """The seconds that a command takes; it must succeed."""
    started = time.monotonic()
    command = [sys.executable, "-m", "etlrun", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def look(browser: Browser, page: Path) -> dict[str, float]:
    """Milliseconds until numbers and rows are there, and of each action."""
    tab = browser.page()
    tab("evaluateOnNewDocument", OBSERVED)
    tab("setViewport", {"width": 1280, "height": 900})
    tab.open(page)
    found: dict[str, float] = {f"ready ({name})": at for name, at in tab.ask("window.readyAt").items()}
    found |= {name: tab.ask(ACTED.replace("ACTION", action)) for name, action in ACTIONS.items()}
    found["heap MB"] = tab.ask("performance.memory.usedJSHeapSize") / 1e6
    assert tab("messages") == []
    tab.close()
    return found


def medians(rounds: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(found[name] for found in rounds) for name in rounds[0]}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--contracts", type=int, default=1_920_000)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    browser = Browser()
    with tempfile.TemporaryDirectory() as temporary:
        for shape in SHAPES:
            folder = Path(temporary) / shape
            for name in ("pipelines", "dashboards"):
                (folder / name).mkdir(parents=True)
            (folder / "etlrun.yaml").write_text(PROJECT)
            (folder / "pipelines" / "contracts.yaml").write_text(PIPELINE)
            write_contracts(shape, chosen.contracts, folder / "contracts.parquet")
            run(folder, "pipelines/contracts.yaml")
            for name, rows in (("sums", "1000"), ("all", "all")):
                text = DASHBOARD.replace("NAME", name).replace("ROWS", rows)
                (folder / "dashboards" / f"{name}.yaml").write_text(text)
                seconds = [run(folder, "dashboard", "build", name) for _ in range(min(3, chosen.rounds))]
                page = folder / "build" / "dashboards" / f"{name}.html"
                found = medians([look(browser, page) for _ in range(chosen.rounds)])
                cells = [f"{page.stat().st_size / 1000:,.0f} kB", f"{median(seconds):.1f} s"]
                cells += [f"{key} {value:,.0f}" for key, value in found.items()]
                print(f"{shape}, {name}: " + ", ".join(cells), f"(load {os.getloadavg()[0]:.1f})", flush=True)
    browser.close()


if __name__ == "__main__":
    main()
