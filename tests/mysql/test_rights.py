"""SELECT, INSERT and DELETE are enough after the first run, for every way of writing, and for everything that looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etlrun.contracts.connection import LEDGER, Publish
from etlrun.failures import RunFailure
from etlrun.warehouse.ledger import WRITERS
from etlrun.warehouse.view_publish import tried_view
from projects import Project

from .loads import Place, columns_of, make_load, many
from .server import is_mysql
from .test_locks import locking
from .test_pipelines import PROJECT, SPEC

FIRST = "20220501T000000Z-a"
LEAST = "SELECT, INSERT, DELETE"


class Account:
    """An account of the database with the least rights, after somebody else's first run."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.name = f"least_{place.database}"
        place.run(f"CREATE USER {self.name}@'%' IDENTIFIED BY 'x1'")

    def grant(self, *objects: str) -> None:
        self.place.run(*(f"GRANT {LEAST} ON {self.place.database}.{what} TO {self.name}@'%'" for what in objects))


@pytest.fixture
def account(place: Place) -> Iterator[Account]:
    account = Account(place)
    yield account
    place.run(f"DROP USER {account.name}@'%'")


@pytest.mark.parametrize("loader", ["insert", "load_data"])
@pytest.mark.parametrize("objects", [("*",), ("profile", "_etlrun_loads", "_etlrun_writers")])
def test_they_are_enough_to_write_in_every_way(
    place: Place, account: Account, tmp_path: Path, loader: str, objects: tuple[str, ...]
) -> None:
    place.warehouse().publish(make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST))
    account.grant(*objects)
    warehouse = place.warehouse(user=account.name, password="x1", loader=loader)
    loads = [
        make_load(tmp_path, many("2022-04", 4, 2), run_id="20220502T000000Z-a"),
        make_load(tmp_path, many("2022-05", 2, 3), where="month = '2022-05'", run_id="20220503T000000Z-a"),
        make_load(tmp_path, many("2022-06", 1, 4), write="append", run_id="20220504T000000Z-a"),
        make_load(tmp_path, many("2022-05", 1, 5), write="merge", run_id="20220505T000000Z-a"),
    ]
    assert [warehouse.publish(load).rows for load in loads] == [4, 2, 1, 1]
    assert place.run(
        "SELECT month, seconds, COUNT(*) FROM profile GROUP BY month, seconds ORDER BY month, seconds"
    ) == [("2022-04", 2, 4), ("2022-05", 3, 1), ("2022-05", 5, 1), ("2022-06", 4, 1)]
    assert [warehouse.publish(load).was_there for load in loads[2:]] == [True, True]
    assert warehouse.notices == []


@pytest.mark.parametrize("missing", ["SELECT", "INSERT", "DELETE"])
def test_each_of_them_is_needed_and_granted_as_printed(
    place: Place, account: Account, tmp_path: Path, missing: str
) -> None:
    place.warehouse().publish(make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST))
    account.grant("*")
    place.run(f"REVOKE {missing} ON {place.database}.* FROM {account.name}@'%'")
    load = make_load(tmp_path, many("2022-04", 4, 2), run_id="20220502T000000Z-a")
    warehouse = place.warehouse(user=account.name, password="x1")
    with pytest.raises(RunFailure, match=f"the account lacks rights: {missing} on `") as failure:
        warehouse.publish(load)
    assert failure.value.exit_code == 1 and place.rows() == many("2022-04", 3, 1)
    place.run(failure.value.fix.removeprefix("let an administrator run: "))
    assert warehouse.publish(load).rows == 4


@pytest.mark.parametrize("publish", ["transaction", "pointer"])
def test_what_an_account_lacks_is_found_before_the_run_and_granted_as_printed(
    place: Place, account: Account, tmp_path: Path, publish: Publish
) -> None:
    place.run(f"GRANT SELECT ON {place.database}.* TO {account.name}@'%'")
    load = replace(make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST), publish=publish)
    warehouse = place.warehouse(user=account.name, password="x1")
    with pytest.raises(RunFailure) as failure:
        warehouse.mismatches(load)
    assert failure.value.code == "no-right"
    data = "profile" if publish == "transaction" else "profile__data"
    assert f"INSERT, DELETE, CREATE on `{data}`" in failure.value.message
    assert ("CREATE VIEW on `profile`" in failure.value.message) == (publish == "pointer")
    place.run(failure.value.fix.removeprefix("let an administrator run: "))
    assert list(warehouse.mismatches(load)) == []
    assert warehouse.publish(load).rows == 3


def test_what_an_account_lacks_for_a_view_is_found_before_the_run_and_granted_as_printed(
    place: Place, account: Account, tmp_path: Path
) -> None:
    place.run(f"GRANT SELECT, INSERT, DELETE, CREATE ON {place.database}.* TO {account.name}@'%'")
    load = make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST)
    load = replace(load, columns=columns_of({"a": "int"}), key=(), write="view", table="shown", query="SELECT 1 AS a")
    warehouse = place.warehouse(user=account.name, password="x1")
    for attempt in (warehouse.mismatches, warehouse.publish):
        with pytest.raises(RunFailure, match="the account lacks rights: CREATE VIEW, DROP on `shown`") as failure:
            attempt(load)
    place.run(failure.value.fix.removeprefix("let an administrator run: "))
    assert list(warehouse.mismatches(load)) == []
    assert warehouse.publish(load).rows == 3


@pytest.mark.parametrize("query", ["SELECT a FROM base", "SELECT a FROM (SELECT a FROM base) AS inner_rows"])
def test_a_table_that_a_view_may_not_read_is_the_cause_and_select_on_it_the_fix(
    place: Place, account: Account, tmp_path: Path, query: str
) -> None:
    place.run(f"CREATE TABLE {place.database}.base (a INT)")
    load = make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST)
    load = replace(load, columns=columns_of({"a": "int"}), key=(), write="view", table="shown", query=query)
    for table in (LEDGER, WRITERS, "shown", tried_view("shown")):
        rights = "SELECT, INSERT, DELETE, CREATE, CREATE VIEW, DROP"
        place.run(f"GRANT {rights} ON {place.database}.{table} TO {account.name}@'%'")
    warehouse = place.warehouse(user=account.name, password="x1")
    with pytest.raises(RunFailure, match="was not created") as failure:
        warehouse.publish(load)
    assert "SELECT on " in failure.value.fix and "look up the number" not in failure.value.fix
    place.run(f"GRANT SELECT ON {place.database}.base TO {account.name}@'%'")
    assert warehouse.publish(load).rows == 3


@pytest.mark.parametrize("missing", ["SELECT", "INSERT", "DELETE"])
@pytest.mark.parametrize("objects", [("*",), ("profile", "_etlrun_loads", "_etlrun_writers")])
def test_a_right_that_lacks_on_one_table_is_named(
    place: Place, account: Account, tmp_path: Path, missing: str, objects: tuple[str, ...]
) -> None:
    place.warehouse().publish(make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST))
    account.grant(*objects)
    place.run(f"REVOKE {missing} ON {place.database}.{objects[0]} FROM {account.name}@'%'")
    load = make_load(tmp_path, many("2022-04", 3, 1), run_id="20220502T000000Z-a")
    with pytest.raises(RunFailure, match=f"the account lacks rights: {missing} on `profile`") as failure:
        place.warehouse(user=account.name, password="x1").mismatches(load)
    assert ("_etlrun_loads" in failure.value.message) == (objects == ("*",))


@pytest.mark.parametrize("missing", ["", "INSERT"])
def test_rights_through_a_role_count(place: Place, account: Account, tmp_path: Path, missing: str) -> None:
    place.warehouse().publish(make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST))
    inner, outer, user = f"i_{place.database}", f"o_{place.database}", f"{account.name}@'%'"
    given = LEAST.replace("INSERT, ", "") if missing else LEAST
    place.run(
        f"CREATE ROLE {inner}",
        f"CREATE ROLE {outer}",
        f"GRANT {given} ON {place.database}.* TO {inner}",
        f"GRANT {inner} TO {outer}",
        f"GRANT {outer} TO {user}",
        f"SET DEFAULT ROLE {outer} {'TO' if is_mysql() else 'FOR'} {user}",
    )
    load = make_load(tmp_path, many("2022-04", 3, 1), run_id="20220502T000000Z-a")
    warehouse = place.warehouse(user=account.name, password="x1")
    if missing:
        with pytest.raises(RunFailure, match="the account lacks rights: INSERT on `profile`"):
            warehouse.mismatches(load)
    else:
        assert list(warehouse.mismatches(load)) == []
    place.run(f"DROP ROLE {inner}", f"DROP ROLE {outer}")


def test_without_process_the_blocker_stays_unnamed_and_the_message_says_why(
    place: Place, account: Account, tmp_path: Path
) -> None:
    place.warehouse().publish(make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST))
    account.grant("*")
    with locking(place, "UPDATE profile SET seconds = 9"), pytest.raises(RunFailure) as failure:
        place.warehouse(user=account.name, password="x1").publish(
            make_load(tmp_path, many("2022-04", 4, 2), run_id="20220502T000000Z-a")
        )
    assert "the account cannot see which one, because it lacks PROCESS" in failure.value.message
    assert place.rows() == many("2022-04", 3, 1)


def test_they_are_enough_for_every_command(place: Place, account: Account, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    spec = project.pipeline(SPEC)
    url = f"mysql://{{}}@127.0.0.1:{place.port}/{place.database}"
    project.write("sales.csv", "month,shop,units\n2022-04,A,1\n")
    assert project.run(spec, WAREHOUSE_URL=url.format("root")).code == 0
    account.grant("*")
    least = url.format(f"{account.name}:x1")
    project.write("sales.csv", "month,shop,units\n2022-04,A,2\n2022-04,B,3\n")
    for words in (("plan", spec), (spec,), ("doctor",)):
        done = project.run(*words, WAREHOUSE_URL=least)
        assert done.code == 0, done.err + done.out
    runs = project.run("runs", WAREHOUSE_URL=least)
    local, ledger = runs.out.split("\nledger of warehouse\n")
    assert local.count("done") == 2 and "totals (2)" in local and "totals (1)" in local
    assert [line.split()[0] for line in ledger.splitlines()[2:]] == ["totals"]
    assert "whole table" in ledger
    assert place.rows("totals") == [("2022-04", "A", 2), ("2022-04", "B", 3)]
