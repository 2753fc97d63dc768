"""Ten failures of different kinds, on both engines, as a user sees them: the place, the expression or the resource, and what to do."""

from __future__ import annotations

import gzip
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from asked import CANARIES, PROMPT, SECRET
from fake_gemini import FakeServer
from projects import Project

from .loads import Place
from .proxy import Trigger
from .server import Server

PROJECT = """profile: duckdb
profiles:
  duckdb: &any
    engine: {duckdb: {threads: 2}}
    connections:
      warehouse: {mysql: {url: "${WAREHOUSE}"}}
      limited: {mysql: {url: "${LIMITED}"}}
      dying: {mysql: {url: "${DYING}"}}
    models:
      kinds: {gemini: {model: gemini-2.5-flash, api_key: "${SERVICE_KEY}", url: "${SERVICE}"}}
  spark:
    <<: *any
    engine: {spark: {master: "local[2]", memory: 1g}}
"""
PROJECT = PROJECT.replace("    <<: *any\n", PROJECT.partition("{threads: 2}}\n")[2].partition("  spark:")[0]).replace(
    " &any", ""
)
TABLE = "table: {from: out, connection: %s, table: %s, key: [id], write: replace}"
FILE = "files: {from: out, path: out/names.csv}"
# By pipeline: its step, its input, its sink; the place and code; what the caret is under; words of the message, and of the fix.
FAILURES = {
    "cast": (
        "derive: {k: id + 1, n: 1 + cast(s as int)}",
        ("rows.csv", FILE),
        ("7:34: bad-cast", "cast(s as int)"),
        ("in `derive` of `out`: `a` is not of type int", "use `try_cast`, which gives null instead"),
    ),
    "disk": (
        "filter: id >= 0",
        ("many.csv", FILE),
        ("10:5: publish-failed", "files"),
        ("out/disk.csv was not written, the old file is unchanged", "free space on the disk of "),
    ),
    "division": (
        "derive: {k: id + 1, n: 1 + 10 / id}",
        ("rows.csv", FILE),
        ("7:34: division-by-zero", "10 / id"),
        ("a division by zero in `derive` of `out`", "divide by `nullif(x, 0)`"),
    ),
    "file": (
        "filter: id >= 0",
        ("cut.csv.gz", FILE),
        ("3:7: damaged-file", "csv"),
        ("cut.csv.gz: the file is incomplete or damaged", "copy it again"),
    ),
    "lost": (
        "filter: id < 6000",
        ("many.csv", TABLE % ("dying", "lost")),
        ("10:5: publish-failed", "table"),
        ("the table `lost` of connection `dying` (127.0.0.1:", "`etlrun resume "),
    ),
    "model": (
        "enrich: {key: s, prompt: kind, model: kinds}",
        ("rows.csv", FILE),
        ("7:7: model-access", "enrich"),
        ("the service rejects the key", "export SERVICE_KEY="),
    ),
    "overflow": (
        "derive: {k: id + 1, n: 2 * id * 1073741824}",
        ("rows.csv", FILE),
        ("7:30: overflow", "2 * id * 1073741824"),
        ("a number is too large for its type in `derive` of `out`", "cast to a wider type first: int to bigint"),
    ),
    "python": (
        'python: {function: "mine:broken", columns: {id: int}}',
        ("rows.csv", FILE),
        ("7:7: python-failed", "python"),
        ("the function `mine:broken` failed: ZeroDivisionError", "fix the function"),
    ),
    "right": (
        "filter: id >= 0",
        ("rows.csv", TABLE % ("limited", "right")),
        ("10:5: no-right", "table"),
        ("the account lacks rights: INSERT, DELETE, CREATE on `right`", "GRANT INSERT, DELETE, CREATE ON "),
    ),
    "value": (
        "filter: id >= 0",
        ("rows.csv", TABLE % ("warehouse", "short")),
        ("10:5: value-refused", "table"),
        ("in 1 row `s` is longer than 3 characters, e.g. where `id` = 0", "make the column of the table wider"),
    ),
}


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_each_kind_of_failure_shows_its_place_its_cause_and_its_fix(
    tmp_path: Path, place: Place, spare: Callable[..., Server], engine: str
) -> None:
    project = failing_project(tmp_path)
    account = f"little_{place.database}"
    short = "CREATE TABLE short (id INT NOT NULL PRIMARY KEY, s VARCHAR(3) COLLATE utf8mb4_bin)"
    place.run(
        short, f"CREATE USER {account}@'%' IDENTIFIED BY 'x1'", f"GRANT SELECT ON {place.database}.* TO {account}@'%'"
    )
    doomed = spare()
    doomed.run("CREATE DATABASE w")
    with Trigger(doomed.port) as line, FakeServer(known=CANARIES, secret=SECRET, faults={"no-key": 1.0}) as service:
        line.set(200_000, doomed.kill)
        result = project.run(
            *("run", "--full", "--profile", engine, "--jobs", "4", "-q"),
            limit=little_room,
            WAREHOUSE=f"mysql://root@127.0.0.1:{place.port}/{place.database}",
            LIMITED=f"mysql://{account}:x1@127.0.0.1:{place.port}/{place.database}",
            DYING=f"mysql://root@127.0.0.1:{line.port}/w",
            SERVICE=service.url,
            SERVICE_KEY=SECRET,
        )
    place.run(f"DROP USER {account}@'%'")
    assert "Traceback" not in result.err
    for name, (_, _, (head, pointed), (message, fix)) in FAILURES.items():
        assert f"pipelines/{name}.yaml:{head}: " in result.err, result.err
        first, line_, caret, last = result.err.partition(f"pipelines/{name}.yaml:{head}: ")[2].splitlines()[:4]
        assert message in first and last.startswith("    = ") and fix in last, (name, first, last)
        at = caret.index("^")
        assert line_[at : at + caret.count("^")] == pointed, (name, line_, caret)


def failing_project(folder: Path) -> Project:
    project = Project(folder)
    project.write("etlrun.yaml", PROJECT)
    project.write("prompts/kind.md", PROMPT)
    project.write("mine.py", "def broken(rows):\n    return rows.num_rows / 0\n")
    project.write("rows.csv", "id,s\n1,a\n2,b\n0,long\n")
    project.write("many.csv", "id,s\n" + "".join(f"{number},{'x' * 100}{number % 7}\n" for number in range(30_000)))
    project.write("cut.csv.gz", gzip.compress("".join(f"{number},a\n" for number in range(30_000)).encode())[:9_000])
    for name, (step, (path, sink), _, _) in FAILURES.items():
        source = f"  r: {{csv: {{path: {path}, columns: {{id: int, s: string}}}}}}"
        sink = sink.replace("names", name)
        project.pipeline(
            f"sources:\n{source}\nsteps:\n  out:\n    - from: r\n    - {step}\nsinks:\n  out:\n    {sink}\n", name
        )
    return project


def little_room() -> None:
    """Let no file of a process grow past 1.5 MB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
