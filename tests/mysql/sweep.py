"""Cut the line once, after every byte of a publish, in both directions: `python -m tests.mysql.sweep --all`.

Whatever the byte, the publish must succeed by trying again, the rows must be there once, with one row in the ledger, and readers may
see the old rows or the new ones only. Without `--all` the points are those that the tests use: all of the beginning and of the end
of the protocol in steps, and some of the middle.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from etlrun.failures import RunFailure

from .loads import Place, make_load, many
from .proxy import Direction, Fault, Proxy
from .server import Server
from .watching import Watch

Loader = Literal["insert", "load_data"]
ROWS = 300
STATE = "SELECT COUNT(*), COUNT(DISTINCT contract), MIN(seconds), MAX(seconds) FROM profile"


@dataclass
class Swept:
    """What came of a sweep: the number of cut points, and what was wrong at some of them."""

    points: int = 0
    wrong: list[str] = field(default_factory=list)
    seen: set[tuple[Any, ...]] = field(default_factory=set)


def sweep(place: Place, folder: Path, loader: Loader, *, is_whole: bool) -> Swept:
    """Publish once for every cut point, each time with other rows than are there."""
    proxy = Proxy(place.port)
    swept = Swept()
    try:
        place.warehouse().publish(make_load(folder, many("2022-04", ROWS, 0), run_id="run-000000"))
        for direction in get_args(Direction):
            for after in list(_points(_measure(place, proxy, folder, loader)[direction], is_whole=is_whole)):
                swept.points += 1
                _cut(place, proxy, folder, loader, Fault("cut", direction, after), swept)
    finally:
        proxy.close()
    return swept


def _measure(place: Place, proxy: Proxy, folder: Path, loader: Loader) -> dict[Direction, int]:
    """How many bytes a publish sends and receives."""
    ((last,),) = place.run("SELECT MAX(run_id) FROM _etlrun_loads")
    number = int(last.removeprefix("run-")) + 1
    proxy.arm(None)
    place.through(proxy.port).warehouse(loader=loader).publish(_load(folder, number))
    return dict(proxy.bytes)


def _cut(place: Place, proxy: Proxy, folder: Path, loader: Loader, fault: Fault, swept: Swept) -> None:
    ((last,),) = place.run("SELECT MAX(run_id) FROM _etlrun_loads")
    number = int(last.removeprefix("run-")) + 1
    load = _load(folder, number)
    proxy.arm(fault)
    where = f"{loader}, {fault.direction}, byte {fault.after}"
    old = place.run(STATE)[0]
    with Watch(place, STATE, ("READ COMMITTED",)) as watch:
        try:
            place.through(proxy.port).warehouse(loader=loader).publish(load)
        except RunFailure as failure:
            swept.wrong.append(f"{where}: {failure.message}")
    new = (ROWS, ROWS, number, number)
    if place.run(STATE)[0] != new or place.ledger() != [("", load.run_id, ROWS)]:
        swept.wrong.append(f"{where}: {place.run(STATE)[0]}, ledger {place.ledger()}")
    if watch.errors or not watch.states() <= {old, new}:
        swept.wrong.append(f"{where}: readers saw {watch.states()}, {watch.errors}")
    shutil.rmtree(load.files[0].parent)


def _load(folder: Path, number: int) -> Any:
    return make_load(folder, many("2022-04", ROWS, number), run_id=f"run-{number:06}", parts=1)


def _points(size: int, *, is_whole: bool) -> Iterator[int]:
    if is_whole:
        yield from range(size + 1)
        return
    steps = {*range(0, size, max(1, size // 25)), *range(max(0, size - 90), size + 1, 9)}
    yield from sorted(steps)


def main() -> int:
    """Sweep with both loaders; the exit code is 1 where anything was wrong."""
    folder = Path(tempfile.mkdtemp(prefix="etlrun-sweep-", dir="/tmp"))
    server = Server(folder / "server")
    try:
        server.make()
        server.start()
        found = []
        for loader in get_args(Loader):
            server.run(f"CREATE DATABASE by_{loader}")
            found.append(sweep(Place(server, f"by_{loader}", server.port), folder / loader, loader, is_whole="--all" in sys.argv))
            sys.stdout.write(f"{loader}: {found[-1].points} cut points, {len(found[-1].wrong)} wrong\n")
            sys.stdout.writelines(f"  {line}\n" for line in found[-1].wrong)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return int(any(swept.wrong for swept in found))


if __name__ == "__main__":
    raise SystemExit(main())
