"""Any history of publishes, faults and rollbacks by pointer: what readers see is what a plain list of publishes says."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from test_pointer_contract import POINTS, pointed
from warehouses import Target

from etlrun.contracts.connection import Published
from etlrun.failures import RunFailure
from etlrun.warehouse.faults import FaultError
from mysql.loads import Rows, many

MONTHS = ("2022-04", "2022-05")
PERIODS = {"": "", **{f"`month` = '{month}'": f"month = '{month}'" for month in MONTHS}}


@dataclass
class Publish:
    """A publish that took place, and those whose rows it replaced."""

    period: str
    run: str
    rows: Rows
    replaced: list[Publish] = field(default_factory=list)


class History:
    """What readers see, kept as a list of the publishes whose rows they see."""

    def __init__(self) -> None:
        self.seen: list[Publish] = []
        self.known: dict[str, Publish] = {}

    def publish(self, new: Publish) -> None:
        new.replaced = [one for one in self.seen if not new.period or one.period == new.period]
        self.seen = [*(one for one in self.seen if one not in new.replaced), new]
        self.known[new.run] = new

    def undo(self, period: str | None) -> None:
        last = [one for one in self.seen if period in (None, one.period)][-1]
        self.seen = [one for one in self.seen if one is not last]
        self.seen = sorted([*self.seen, *last.replaced], key=lambda one: list(self.known).index(one.run))

    def rows(self) -> list[tuple[object, ...]]:
        return sorted((row for one in self.seen for row in one.rows), key=repr)

    def ledger(self) -> list[tuple[str, str, int]]:
        return sorted((one.period, one.run, len(one.rows)) for one in self.seen)


def rows_of(period: str, count: int, number: int) -> Rows:
    months = [month for month in MONTHS if month in period] or MONTHS
    return [row for month in months for row in many(month, count, number)]


@pytest.fixture
def target(versioned: Target) -> Target:
    return versioned


@pytest.mark.parametrize("seed", range(2))
def test_any_history_shows_what_a_list_of_publishes_says(
    target: Target, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, history, warehouse = random.Random(seed), History(), target.open()
    for number in range(40):
        monkeypatch.setattr("etlrun.warehouse.faults._hits", {})
        if chance.random() < 0.25 and history.seen:
            period = chance.choice([None, *(one.period for one in history.seen)])
            try:
                warehouse.roll_back("profile", period, "")
            except RunFailure as failure:
                assert failure.code == "no-versions"
            else:
                history.undo(period)
        else:
            period = chance.choice(list(PERIODS))
            rows = rows_of(period, chance.randint(1, 5), number)
            run = f"202205{number:02}T000000Z-x"
            load = pointed(tmp_path, rows, run, where=PERIODS[period], keep=chance.randint(0, 3))
            point = chance.choice(POINTS) if chance.random() < 0.4 else ""
            monkeypatch.setenv("ETLRUN_FAULT", f"{point}:raise" if point else "")
            try:
                warehouse.publish(load)
                is_done = True
            except FaultError:
                is_done = point in ("committed", "tidying")
            except RunFailure as failure:
                assert failure.code == "periods-overlap" and period and not history.seen[0].period
                is_done = False
            monkeypatch.delenv("ETLRUN_FAULT")
            if is_done:
                history.publish(Publish(period, run, rows))
        if history.known:
            assert (target.rows(), target.ledger()) == (history.rows(), history.ledger()), f"step {number}"
            stray = (
                "SELECT COUNT(*) FROM profile__data WHERE __etlrun_load NOT IN (SELECT load_id FROM _etlrun_versions)"
            )
            assert target.run(stray) == [(0,)]
    assert len(history.known) > 10


def test_months_published_at_the_same_time_are_all_there(target: Target, tmp_path: Path) -> None:
    target.open().publish(pointed(tmp_path, [], "20220401T000000Z-x", where="month = '2022-01'"))
    for turn in range(3):
        loads = [
            pointed(
                tmp_path,
                many(f"2022-0{month}", 300, turn),
                f"202205{turn:02}T00000{month}Z-x",
                where=f"month = '2022-0{month}'",
            )
            for month in range(2, 6)
        ]
        with ThreadPoolExecutor(len(loads)) as pool:
            published = list(pool.map(lambda load: target.open().publish(load), loads))
        assert published == [Published(300)] * 4
        assert target.run(
            "SELECT month, COUNT(*), MIN(seconds), MAX(seconds) FROM profile GROUP BY month ORDER BY month"
        ) == [(f"2022-0{month}", 300, turn, turn) for month in range(2, 6)]
    assert target.run("SELECT COUNT(DISTINCT __etlrun_load) FROM profile__data") == [(8,)]
