"""A publish creates the primary key of a new table after its rows; the table has the key whatever becomes of the publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from etlrun.failures import RunFailure
from mysql.loads import make_load, many

from .guarded import Guarded

KEY = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'profile'::regclass AND contype = 'p'"
APRIL = many("2022-04", 3)


def test_a_new_table_has_its_primary_key_after_the_first_publish(guarded: Guarded, tmp_path: Path) -> None:
    guarded.open().publish(make_load(tmp_path, APRIL))
    assert guarded.run(KEY) == [("profile_pkey", "PRIMARY KEY (month, contract)")]
    assert guarded.run("SELECT COUNT(*) FROM profile") == [(3,)]


def test_a_new_table_has_its_primary_key_after_a_publish_that_fails(guarded: Guarded, tmp_path: Path) -> None:
    with pytest.raises(RunFailure) as failure:
        guarded.open().publish(make_load(tmp_path, [*APRIL, APRIL[0]]))
    assert failure.value.code == "key-not-unique"
    assert guarded.run(KEY) == [("profile_pkey", "PRIMARY KEY (month, contract)")]
    assert guarded.run("SELECT COUNT(*) FROM profile") == [(0,)]


def test_an_existing_table_keeps_its_primary_key_while_rows_are_sent(guarded: Guarded, tmp_path: Path) -> None:
    index = "SELECT indexrelid FROM pg_index WHERE indrelid = 'profile'::regclass"
    guarded.open().publish(make_load(tmp_path, APRIL, run_id="20220501T000000Z-a"))
    before = guarded.run(index)
    guarded.open().publish(make_load(tmp_path, many("2022-05", 4), run_id="20220502T000000Z-a"))
    assert guarded.run(index) == before
