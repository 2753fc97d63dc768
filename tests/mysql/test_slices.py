"""Large loads go in slices of the key, each proved while the next is on its way; whatever comes between is found out."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etlrun.connections._mysql.errors import MysqlError
from etlrun.connections._mysql.server import MysqlServer
from etlrun.connections._mysql.session import MysqlSession
from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure
from etlrun.secrets import Secret
from etlrun.warehouse.access import SessionSettings
from etlrun.warehouse.address import Address
from etlrun.warehouse.proof import state_of
from etlrun.warehouse.slices import WHOLE, Slice, cut
from etlrun.warehouse.stage import Stage, StageField, open_stages
from etlrun.warehouse.transfer import Transfer

from .loads import Place, Rows, make_load, many
from .watching import Watch

LOADERS = pytest.mark.parametrize("loader", ["insert", "load_data"])
SERVER = MysqlServer("warehouse", Address("127.0.0.1", 1, "", "w", "root", Secret("")), SessionSettings())
FIRST, SECOND = "20220501T000000Z-a", "20220502T000000Z-b"
STATE = "SELECT COUNT(*), COUNT(DISTINCT contract), MIN(seconds), MAX(seconds) FROM profile"
KEYS: dict[str, list[Any]] = {
    "tinyint": list(range(-100, 100)),
    "bigint": [number**5 - 10**11 for number in range(300)],
    "decimal(12,3)": [Decimal(number) / 8 for number in range(-200, 200)],
    "string": [f"{character}{number}" for character in "aZ'\\\"\t\néế日😀%`" for number in range(30)],
    "date": [datetime.date(2022, 1, 1) + datetime.timedelta(days) for days in range(200)],
    "timestamp": [datetime.datetime(2022, 1, 1, 0, 0, 0, 5) + datetime.timedelta(hours=hours) for hours in range(300)],
}


@pytest.fixture(autouse=True)
def even_small_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etlrun.warehouse.slices.LEAST", 10)


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is proved: `slice` beside the load, `all` after it."""
    done: list[str] = []

    def beside(*arguments: Any) -> Any:
        done.append("slice")
        return state_of(*arguments)

    def after(self: Transfer, *arguments: Any, state: Callable[..., Any] = Transfer.state) -> Any:
        done.append("all")
        return state(self, *arguments)

    monkeypatch.setattr("etlrun.warehouse.proving.state_of", beside)
    monkeypatch.setattr(Transfer, "state", after)
    return done


def slices_of(load: Load, folder: Path) -> tuple[tuple[Slice, ...], list[int]]:
    """The slices of a load, and how many of its rows are in each."""
    stage = Stage(load, open_stages(folder))
    key = tuple(
        StageField(name, kind.type, stage.staged(name), True, False)
        for name in load.key
        if (kind := load.columns.get(name))
    )
    ends = {field.staged: ends_of(stage, field) for field in key}
    slices = cut(SERVER, stage, key, ends)
    counts = [int(stage.one(f"SELECT count(*) FROM stage WHERE {part.staged or 'true'}")[0]) for part in slices]
    stage.close()
    return slices, counts


def ends_of(stage: Stage, field: StageField) -> tuple[str, str]:
    """The smallest and the largest value of a column."""
    low, high = (SERVER.literal(replace(field, staged=f"{end}({field.staged})")) for end in ("min", "max"))
    found = stage.one(f"SELECT {low}, {high} FROM stage")
    return str(found[0]), str(found[1])


@pytest.mark.parametrize("kind", KEYS)
def test_every_row_is_in_one_slice_here_and_on_the_server(
    place: Place, tmp_path: Path, kind: str, proofs: list[str]
) -> None:
    rows = [(value, number) for number, value in enumerate(KEYS[kind])]
    random.Random(4).shuffle(rows)
    load = make_load(tmp_path, rows, {"id": kind, "n": "int"}, key=("id",))
    slices, counts = slices_of(load, tmp_path)
    assert len(slices) == 4 and all(counts) and sum(counts) == len(rows)
    for loader in ("insert", "load_data"):
        place.warehouse(loader=loader).publish(replace(load, run_id=f"{FIRST}-{loader}"))
        assert place.run("SELECT COUNT(*), COUNT(DISTINCT id), SUM(n) FROM profile") == [
            (len(rows), len(rows), sum(range(len(rows))))
        ]
        assert [place.run(f"SELECT COUNT(*) FROM profile WHERE {part.there}")[0][0] for part in slices] == counts
    assert proofs == ["slice"] * 8


def test_rows_that_are_alike_in_the_first_column_of_the_key_are_cut_by_the_next(tmp_path: Path) -> None:
    slices, counts = slices_of(make_load(tmp_path, many("2022-04", 100)), tmp_path)
    assert len(slices) == 4 and sum(counts) == 100
    assert all(part.there.startswith("`month` = '2022-04' AND `contract`") for part in slices)


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        (many("2022-04", 9), ("month", "contract")),
        (many("2022-04", 50), ("month",)),
        ([*many("2022-04", 50), ("2022-05", "x", 1)], ("month",)),
        (many("2022-04", 50), ()),
        ([], ("month",)),
    ],
)
def test_what_cannot_be_cut_goes_as_a_whole(tmp_path: Path, rows: Rows, key: tuple[str, ...]) -> None:
    assert slices_of(make_load(tmp_path, rows, key=key), tmp_path)[0] == (WHOLE,)


@LOADERS
@pytest.mark.parametrize("publish", ["transaction", "pointer"])
def test_every_way_to_write_goes_in_slices(
    place: Place, tmp_path: Path, loader: str, publish: Any, proofs: list[str]
) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(
        replace(make_load(tmp_path, many("2022-04", 60, 1), where="month = '2022-04'", run_id=FIRST), publish=publish)
    )
    may = replace(
        make_load(tmp_path, many("2022-05", 40, 2), where="month = '2022-05'", run_id=SECOND), publish=publish
    )
    with Watch(place, STATE, ("READ COMMITTED", "REPEATABLE READ")) as watch:
        warehouse.publish(may)
    assert watch.errors == [] and watch.states() <= {(60, 60, 1, 1), (100, 60, 1, 2)}
    assert place.rows() == sorted([*many("2022-04", 60, 1), *many("2022-05", 40, 2)])
    assert proofs == ["slice"] * 8


def test_rows_beside_others_are_proved_at_the_end(place: Place, tmp_path: Path, proofs: list[str]) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, many("2022-04", 60, 1), run_id=FIRST))
    merged = [("2022-04", f"C{number:06}", 2) for number in range(0, 120, 2)]
    warehouse.publish(make_load(tmp_path, merged, write="merge", run_id=SECOND))
    assert place.run("SELECT COUNT(*), SUM(seconds) FROM profile") == [(90, 150)]
    assert proofs == ["slice"] * 4 + ["all"] * 2


def test_a_changed_value_in_any_slice_is_found_out(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, many("2022-04", 60, 1), run_id=FIRST))
    for contract in ("C000000", "C000030", "C000059"):
        place.run(
            "DROP TRIGGER IF EXISTS bit",
            f"CREATE TRIGGER bit BEFORE INSERT ON profile FOR EACH ROW SET NEW.seconds = NEW.seconds + (NEW.contract = '{contract}')",
        )
        with pytest.raises(RunFailure) as failure:
            warehouse.publish(make_load(tmp_path, many("2022-04", 60, 5), run_id=SECOND))
        assert failure.value.code == "values-differ"
        assert place.run(STATE) == [(60, 60, 1, 1)]


@pytest.mark.parametrize("contract", ["A", "C000030x", "D"])
def test_a_row_of_somebody_else_in_a_slice_that_is_proved_is_found_out(
    place: Place, tmp_path: Path, contract: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, many("2022-04", 60, 1), run_id=FIRST))

    def write_too(name: str) -> None:
        if name == "loaded":
            place.run(f"INSERT INTO profile VALUES ('2022-04', '{contract}', 9)")

    monkeypatch.setattr("etlrun.warehouse.transfer.point", write_too)
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(make_load(tmp_path, many("2022-04", 60, 5), run_id=SECOND))
    assert failure.value.code == "rows-differ" and "61 rows of 60" in failure.value.message
    assert place.run("SELECT COUNT(*), SUM(seconds) FROM profile") == [(61, 69)]


def test_without_a_second_connection_all_is_proved_at_the_end(place: Place, tmp_path: Path, proofs: list[str]) -> None:
    place.run(
        "CREATE USER IF NOT EXISTS single@'%' IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1",
        f"GRANT ALL ON `{place.database}`.* TO single@'%'",
    )
    assert (
        place.warehouse(user="single", password="x")
        .publish(make_load(tmp_path, many("2022-04", 60), run_id=FIRST))
        .rows
        == 60
    )
    assert proofs == ["all"]
    assert place.slept == []


@pytest.mark.parametrize("breaks_at", [1, 3])
def test_a_second_connection_that_breaks_costs_another_look(
    place: Place, tmp_path: Path, breaks_at: int, proofs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = state_of
    calls: list[MysqlSession] = []

    def broken(server: Any, session: MysqlSession, *arguments: Any) -> Any:
        calls.append(session)
        if len(calls) == breaks_at:
            session.cut()
        proofs.append("slice")
        return beside(server, session, *arguments)

    monkeypatch.setattr("etlrun.warehouse.proving.state_of", broken)
    assert place.warehouse().publish(make_load(tmp_path, many("2022-04", 60), run_id=FIRST)).rows == 60
    assert proofs[-1] == "all" and place.slept == []
    with pytest.raises(MysqlError):
        calls[0].one("SELECT 1")


def test_no_session_stays_behind(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, many("2022-04", 60, 1), run_id=FIRST))
    with pytest.raises(RunFailure):
        warehouse.publish(make_load(tmp_path, [*many("2022-04", 60, 5), ("2022-04", "C000059", 1)], run_id=SECOND))
    assert place.run(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    ) == [(0,)]
