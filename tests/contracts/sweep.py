"""Cut the line once, after every byte of a publish, in both directions: `python tests/contracts/sweep.py --all`, or `--every 4` bytes.

It does so on every server, with rows that go as a whole, and with rows in slices that a second connection proves. Whatever the byte,
the publish must succeed by trying again, the rows must be there once, with one row in the ledger, and readers may see the old rows or
the new ones only. That is some 100,000 publishes of 20 rows each, and takes hours. Without `--all` the points are those that the tests
use: some all over the protocol, and more around the COMMIT.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from warehouses import Target, Watch, many_load

from etlrun.contracts.connection import Publish
from etlrun.failures import RunFailure
from etlrun.warehouse import slices
from mysql.proxy import Direction, Fault, Proxy
from mysql.server import Server
from postgres.server import PostgresProcess

ROWS, FEW_ROWS = 300, 20  # in a coarse sweep, and in one at every byte or so
WAYS: tuple[tuple[str, str, Publish, int], ...] = (  # kind, loader, publish, rows from which on they go in slices
    *(
        ("mysql", loader, publish, least)
        for publish in get_args(Publish)
        for loader in ("insert", "load_data")
        for least in (1, 1_000)
    ),
    *(("postgres", "", publish, least) for publish in get_args(Publish) for least in (1_000, 1)),
)


@dataclass
class Swept:
    """What came of a sweep: the number of cut points, and what was wrong at some of them."""

    publish: Publish
    rows: int
    points: int = 0
    wrong: list[str] = field(default_factory=list)


def sweep(target: Target, folder: Path, publish: Publish, every: int | None = None) -> Swept:
    """Publish once for each cut point, each time with other rows than are there: at `every` so many bytes, or at the coarse points."""
    swept = Swept(publish, FEW_ROWS if every else ROWS)
    with Proxy(target.server.port) as proxy:
        line = target.through(proxy.port)
        _publish(target, folder, swept, 0)
        proxy.arm(None)
        _publish(line, folder, swept, 1)
        sizes = dict(proxy.bytes)
        for direction in get_args(Direction):
            for after in range(0, sizes[direction] + 1, every) if every else _points(sizes[direction]):
                swept.points += 1
                _cut(target, line, proxy, folder, Fault("cut", direction, after), swept)
        line.close()
    return swept


def _cut(target: Target, line: Target, proxy: Proxy, folder: Path, fault: Fault, swept: Swept) -> None:
    number = swept.points + 1
    where = f"{target.kind}, {fault.direction}, byte {fault.after}"
    old = target.state()
    proxy.arm(fault)
    with Watch(target) as watch:
        try:
            _publish(line, folder, swept, number)
        except RunFailure as failure:
            swept.wrong.append(f"{where}: {failure.message}")
    new, found, ledger = (swept.rows, swept.rows, number, number), target.state(), target.ledger()
    if found != new or ledger != [("", _run_id(number), swept.rows)]:
        swept.wrong.append(f"{where}: {found}, ledger {ledger}")
    if watch.errors or not watch.states <= {old, new}:
        swept.wrong.append(f"{where}: readers saw {watch.states}, {watch.errors}")
    target.close()


def _publish(target: Target, folder: Path, swept: Swept, number: int) -> None:
    """Publish rows that all hold `number`."""
    load = many_load(folder, rows=swept.rows, seconds=number, run_id=_run_id(number))
    try:
        target.open().publish(replace(load, publish=swept.publish))
    finally:
        target.close()
        shutil.rmtree(load.files[0].parent)


def _run_id(number: int) -> str:
    return f"{number:08}-run"


def _points(size: int) -> list[int]:
    return sorted({*range(0, size, max(1, size // 25)), *range(max(0, size - 90), size + 1, 9)})


def main() -> int:
    """Sweep every way to publish; the exit code is 1 where anything was wrong."""
    every = (
        1 if "--all" in sys.argv else int(sys.argv[sys.argv.index("--every") + 1]) if "--every" in sys.argv else None
    )
    folder = Path(tempfile.mkdtemp(prefix="etlrun-sweep-", dir="/tmp"))
    server = Server(folder / "server")
    server.make()
    servers: dict[str, Any] = {"mysql": server.start(), "postgres": PostgresProcess().start()}
    wrong = False
    try:
        for number, (kind, loader, publish, least) in enumerate(WAYS):
            slices.LEAST = least
            target = Target.on(servers[kind], kind, f"sweep{number}", {"loader": loader} if loader else {})
            found = sweep(target, folder / f"sweep{number}", publish, every)
            wrong = wrong or bool(found.wrong)
            way = f"{kind} {loader}, {publish}, slices from {least:,} rows on"
            sys.stdout.write(f"{way}: {found.points} cut points, {len(found.wrong)} wrong\n")
            sys.stdout.writelines(f"  {line}\n" for line in found.wrong)
            sys.stdout.flush()
    finally:
        for one in servers.values():
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
