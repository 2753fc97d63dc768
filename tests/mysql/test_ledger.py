"""What a run published stays known, whatever other runs publish into the same table afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from etlrun.failures import RunFailure
from projects import Project

from .loads import Place, make_load, many
from .test_publishing import FIRST, SECOND, THIRD


def test_an_append_before_a_merge_is_not_added_again(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TABLE profile (month VARCHAR(9) COLLATE utf8mb4_bin, contract VARCHAR(9) COLLATE utf8mb4_bin, seconds BIGINT) ENGINE=InnoDB"
    )
    warehouse = place.warehouse()
    added = make_load(tmp_path, many("2022-04", 3), key=(), write="append", run_id=FIRST)
    warehouse.publish(added)
    place.run("ALTER TABLE profile ADD COLUMN n INT AUTO_INCREMENT UNIQUE, ADD PRIMARY KEY (month, contract, n)")
    merged = make_load(
        tmp_path,
        [("2022-05", "A", 1, 100)],
        {"month": "string", "contract": "string", "seconds": "bigint", "n": "int"},
        key=("month", "contract", "n"),
        write="merge",
        run_id=SECOND,
    )
    warehouse.publish(merged)
    assert warehouse.publish(added).was_there is True
    assert warehouse.publish(merged).was_there is True
    assert place.run("SELECT COUNT(*) FROM profile") == [(4,)]
    assert place.ledger() == [("", FIRST, 3), ("", SECOND, 1)]


def test_an_append_that_a_later_run_replaced_is_not_added_to_it(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    added = make_load(tmp_path, many("2022-04", 3), write="append", run_id=FIRST)
    warehouse.publish(added)
    warehouse.publish(make_load(tmp_path, many("2022-05", 2), run_id=SECOND))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(added)
    assert failure.value.code == "newer-run" and SECOND in failure.value.message
    warehouse.publish(make_load(tmp_path, many("2022-06", 1), write="append", run_id=THIRD))
    assert place.rows() == [*many("2022-05", 2), *many("2022-06", 1)]


def test_a_file_of_duckdb_keeps_what_was_appended_as_well(tmp_path: Path) -> None:
    project = Project(tmp_path)

    def publish(name: str, write: str, rows: str) -> None:
        project.write(f"{name}.csv", "shop,units\n" + rows)
        spec = project.pipeline(
            f"sources:\n  sales: {{csv: {{path: {name}.csv, columns: {{shop: string not null, units: int}}}}}}\n"
            f"sinks:\n  sales:\n    table: {{from: sales, connection: warehouse, table: sales, key: [shop], write: {write}}}\n",
            name,
        )
        assert project.run(spec, "-q").code == 0

    publish("added", "append", "A,1\n")
    publish("merged", "merge", "B,1\n")
    publish("merged", "merge", "B,2\n")
    ledger = project.run("runs", "--json").json["ledger"]["warehouse"]
    assert sorted(entry["write"] for entry in ledger) == ["append", "merge"]
