"""Cut the line once, after every byte of a publish, in both directions: `python -m tests.mysql.sweep --all`, or `--every 4` bytes.

It does so with rows that go as a whole, and with rows in slices that a second connection proves. Whatever the byte, the publish must
succeed by trying again, the rows must be there once, with one row in the ledger, and readers may see the old rows or the new ones
only. That is some 80,000 publishes of 20 rows each, and takes hours. Without `--all` the points are those that the tests use: some all
over the protocol, and more around the COMMIT.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Literal, get_args

from etlrun.contracts.connection import Publish
from etlrun.failures import RunFailure
from etlrun.warehouse import slices

from .loads import Place, make_load, many
from .proxy import Direction, Fault, Proxy
from .server import Server
from .watching import Watch

Loader = Literal["insert", "load_data"]
ROWS, FEW_ROWS = 300, 20  # in a coarse sweep, and in one at every byte or so
STATE = "SELECT COUNT(*), COUNT(DISTINCT contract), MIN(seconds), MAX(seconds) FROM profile"


@dataclass
class Swept:
    """What came of a sweep: the number of cut points, and what was wrong at some of them."""

    publish: Publish
    rows: int
    points: int = 0
    wrong: list[str] = field(default_factory=list)


def sweep(place: Place, folder: Path, loader: Loader, publish: Publish, every: int | None = None) -> Swept:
    """Publish once for each cut point, each time with other rows than are there: at `every` so many bytes, or at the coarse points."""
    proxy = Proxy(place.port)
    swept = Swept(publish, FEW_ROWS if every else ROWS)
    try:
        _publish(place, folder, loader, swept, 0)
        proxy.arm(None)
        _publish(place.through(proxy.port), folder, loader, swept, 1)
        sizes = dict(proxy.bytes)
        for direction in get_args(Direction):
            for after in range(0, sizes[direction] + 1, every) if every else _points(sizes[direction]):
                swept.points += 1
                _cut(place, proxy, folder, loader, Fault("cut", direction, after), swept)
    finally:
        proxy.close()
    return swept


def _cut(place: Place, proxy: Proxy, folder: Path, loader: Loader, fault: Fault, swept: Swept) -> None:
    number = swept.points + 1
    where = f"{loader}, {fault.direction}, byte {fault.after}"
    old = place.run(STATE)[0]
    proxy.arm(fault)
    with Watch(place, STATE, ("READ COMMITTED",)) as watch:
        try:
            _publish(place.through(proxy.port), folder, loader, swept, number)
        except RunFailure as failure:
            swept.wrong.append(f"{where}: {failure.message}")
    new, found, ledger = (swept.rows, swept.rows, number, number), place.run(STATE)[0], place.ledger()
    if found != new or ledger != [("", _run_id(number), swept.rows)]:
        swept.wrong.append(f"{where}: {found}, ledger {ledger}")
    if watch.errors or not watch.states() <= {old, new}:
        swept.wrong.append(f"{where}: readers saw {watch.states()}, {watch.errors}")


def _publish(place: Place, folder: Path, loader: Loader, swept: Swept, number: int) -> None:
    """Publish rows that all hold `number`."""
    load = replace(
        make_load(folder, many("2022-04", swept.rows, number), run_id=_run_id(number), parts=1), publish=swept.publish
    )
    try:
        place.warehouse(loader=loader).publish(load)
    finally:
        shutil.rmtree(load.files[0].parent)


def _run_id(number: int) -> str:
    return f"{number:08}-run"


def _points(size: int) -> list[int]:
    return sorted({*range(0, size, max(1, size // 25)), *range(max(0, size - 90), size + 1, 9)})


def main() -> int:
    """Sweep both ways to publish with both loaders; the exit code is 1 where anything was wrong."""
    every = (
        1 if "--all" in sys.argv else int(sys.argv[sys.argv.index("--every") + 1]) if "--every" in sys.argv else None
    )
    folder = Path(tempfile.mkdtemp(prefix="etlrun-sweep-", dir="/tmp"))
    server = Server(folder / "server")
    try:
        server.make()
        server.start()
        found = []
        for publish, loader, least in product(get_args(Publish), get_args(Loader), (slices.LEAST, 1)):
            slices.LEAST = least
            database = f"{publish}_by_{loader}_{least}"
            server.run(f"CREATE DATABASE {database}")
            found.append(sweep(Place(server, database, server.port), folder / database, loader, publish, every))
            sys.stdout.write(
                f"{publish}, {loader}, slices from {least:,} rows on: {found[-1].points} cut points, {len(found[-1].wrong)} wrong\n"
            )
            sys.stdout.writelines(f"  {line}\n" for line in found[-1].wrong)
            sys.stdout.flush()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return int(any(swept.wrong for swept in found))


if __name__ == "__main__":
    raise SystemExit(main())
