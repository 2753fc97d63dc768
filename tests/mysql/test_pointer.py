"""Publishing by pointer, as readers of every isolation level and an account with few rights see it. The rest holds for every server: contracts/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etlrun.contracts.connection import Load, Published
from etlrun.failures import RunFailure

from .loads import Place, make_load, many
from .watching import Watch

FIRST, SECOND = (f"2022050{number}T000000Z-{letter}" for number, letter in enumerate("ab", 1))
OLD, NEW = many("2022-04", 40, 1), many("2022-04", 30, 2)
STATE = "SELECT COUNT(*), COUNT(DISTINCT contract), MIN(seconds), MAX(seconds) FROM profile"
OLD_STATE, NEW_STATE = (40, 40, 1, 1), (30, 30, 2, 2)
LOADERS = pytest.mark.parametrize("loader", ["insert", "load_data"])


def pointed(folder: Path, rows: Any, run_id: str, *, keep: int = 1, **given: Any) -> Load:
    return replace(make_load(folder, rows, run_id=run_id, **given), publish="pointer", keep=keep)


def loads(place: Place) -> list[int]:
    """How many rows each load has that is still there, in the order of their numbers."""
    return [
        int(row[0])
        for row in place.run("SELECT COUNT(*) FROM profile__data GROUP BY __etlrun_load ORDER BY __etlrun_load")
    ]


@LOADERS
def test_readers_see_the_rows_of_the_last_publish_through_a_view(place: Place, tmp_path: Path, loader: str) -> None:
    warehouse = place.warehouse(loader=loader)
    assert warehouse.publish(pointed(tmp_path, OLD, FIRST)) == Published(40)
    with Watch(place, STATE) as watch:
        assert warehouse.publish(pointed(tmp_path, NEW, SECOND)) == Published(30)
    assert watch.errors == [] and watch.states() <= {OLD_STATE, NEW_STATE}
    assert place.rows() == sorted(NEW)
    assert place.ledger() == [("", SECOND, 30)]
    assert place.run(
        "SELECT table_type FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'profile'"
    ) == [("VIEW",)]
    assert loads(place) == [40, 30]


def test_readers_see_one_version_or_the_other_while_a_table_goes_back_and_forth(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    with Watch(place, STATE) as watch:
        for run in (FIRST, SECOND, FIRST, SECOND):
            warehouse.roll_back("profile", None, run)
    assert watch.errors == [] and watch.states() == {OLD_STATE, NEW_STATE}


def test_an_account_needs_rights_to_create_once_and_none_to_update(place: Place, tmp_path: Path) -> None:
    account = f"narrow_{place.database}"
    place.run(
        f"CREATE USER {account}@'%' IDENTIFIED BY 'secret'",
        f"GRANT SELECT, INSERT, DELETE, CREATE ON {place.database}.* TO {account}@'%'",
    )
    warehouse = place.warehouse(user=account, password="secret")
    with pytest.raises(
        RunFailure, match="the missing view cannot be created: the account lacks rights: CREATE VIEW on `profile`"
    ) as failure:
        warehouse.publish(pointed(tmp_path, OLD, FIRST))
    statement = failure.value.fix.partition("let an administrator run: ")[2].rstrip(";")
    place.run(statement, f"REVOKE CREATE ON {place.database}.* FROM {account}@'%'")
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    warehouse.roll_back("profile", None, "")
    assert place.rows() == sorted(OLD)
    place.run(f"DROP USER {account}@'%'")
