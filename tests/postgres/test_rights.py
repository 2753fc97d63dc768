"""The grants that the documentation names are enough, for every way of writing; each of them is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import etlrun.connections.postgres as documented
from etlrun.failures import RunFailure
from mysql.loads import columns_of, make_load, many

from .guarded import Guarded

FIRST = "20220501T000000Z-a"
ACCOUNT, MAKE, USE = re.findall(r"^[A-Z][^;]*;", (documented.__doc__ or "").split("```sql")[1].split("```")[0], re.M)


@pytest.fixture
def guarded_by_rights(guarded: Guarded) -> Iterator[Guarded]:
    """An empty database, and the account that the documentation makes."""
    guarded.run(ACCOUNT)
    yield guarded
    guarded.close()
    guarded.run("DROP OWNED BY etl", "DROP ROLE etl")


def test_the_first_run_makes_what_is_missing(guarded_by_rights: Guarded, tmp_path: Path) -> None:
    guarded_by_rights.run(MAKE)
    warehouse = guarded_by_rights.open(account="etl")
    assert warehouse.publish(make_load(tmp_path, many("2022-04", 3))).rows == 3
    assert {found.level for found in warehouse.examine() if found.about == "rights"} == {"ok"}


def test_who_may_create_nothing_can_publish_after_the_printed_statement(
    guarded_by_rights: Guarded, tmp_path: Path
) -> None:
    warehouse = guarded_by_rights.open(account="etl")
    with pytest.raises(
        RunFailure, match="the missing table cannot be created: the account lacks rights: CREATE on SCHEMA"
    ) as failure:
        warehouse.publish(make_load(tmp_path, many("2022-04", 3)))
    assert failure.value.code == "no-right"
    guarded_by_rights.run(failure.value.fix.removeprefix("let an administrator run: "))
    assert warehouse.publish(make_load(tmp_path, many("2022-04", 3))).rows == 3


@pytest.mark.parametrize("how", ["pointer", "view"])
def test_who_may_not_create_a_view_can_publish_after_the_printed_statement(
    guarded_by_rights: Guarded, tmp_path: Path, how: str
) -> None:
    load = make_load(tmp_path, many("2022-04", 3))
    if how == "pointer":
        load = replace(load, publish="pointer")
    else:
        view = {"key": (), "table": "shown", "query": "SELECT 1 AS a"}
        load = replace(load, columns=columns_of({"a": "int"}), write="view", **view)
    guarded_by_rights.open().publish(load)  # makes the tables
    guarded_by_rights.run(
        f"DROP VIEW {load.table}",
        "DELETE FROM _etlrun_loads",
        "GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA public TO etl",
    )
    warehouse = guarded_by_rights.open(account="etl")
    with pytest.raises(RunFailure, match="the account lacks rights: .*CREATE on SCHEMA") as failure:
        warehouse.publish(load)
    guarded_by_rights.run(failure.value.fix.removeprefix("let an administrator run: "))
    assert warehouse.publish(load).rows == 3


def test_they_are_enough_to_write_in_every_way(guarded_by_rights: Guarded, tmp_path: Path) -> None:
    guarded_by_rights.open().publish(make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST))
    guarded_by_rights.run(USE)
    warehouse = guarded_by_rights.open(account="etl")
    loads = [
        make_load(tmp_path, many("2022-04", 4, 2), run_id="20220502T000000Z-a"),
        make_load(tmp_path, many("2022-05", 2, 3), where="month = '2022-05'", run_id="20220503T000000Z-a"),
        make_load(tmp_path, many("2022-06", 1, 4), write="append", run_id="20220504T000000Z-a"),
        make_load(tmp_path, many("2022-05", 1, 5), write="merge", run_id="20220505T000000Z-a"),
    ]
    assert [warehouse.publish(load).rows for load in loads] == [4, 2, 1, 1]
    query = "SELECT month, seconds, COUNT(*) FROM profile GROUP BY month, seconds ORDER BY month, seconds"
    assert guarded_by_rights.run(query) == [("2022-04", 2, 4), ("2022-05", 3, 1), ("2022-05", 5, 1), ("2022-06", 4, 1)]
    assert [warehouse.publish(load).was_there for load in loads[2:]] == [True, True]


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "DELETE"])
@pytest.mark.parametrize("table", ["profile", "_etlrun_loads", "_etlrun_writers"])
def test_each_of_them_is_needed_and_granted_as_printed(
    guarded_by_rights: Guarded, tmp_path: Path, right: str, table: str
) -> None:
    guarded_by_rights.open().publish(make_load(tmp_path, many("2022-04", 3, 1), run_id=FIRST))
    guarded_by_rights.run(USE, f"REVOKE {right} ON {table} FROM etl")
    warehouse = guarded_by_rights.open(account="etl")
    load = make_load(tmp_path, many("2022-04", 4, 2), run_id="20220502T000000Z-a")
    with pytest.raises(RunFailure, match=f'the account lacks rights: {right} on TABLE "{table}"') as failure:
        warehouse.publish(load)
    query = "SELECT DISTINCT seconds, COUNT(*) OVER () FROM profile"
    assert guarded_by_rights.run(query) == [(1, 3)]
    guarded_by_rights.run(failure.value.fix.removeprefix("let an administrator run: "))
    assert warehouse.publish(load).rows == 4 and guarded_by_rights.run(query) == [(2, 4)]
