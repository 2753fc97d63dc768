"""What a publish would do to rows of other tables, or to rows that the account does not see, is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure
from mysql.loads import make_load

from .guarded import Guarded

DECLARED = {"id": "int", "seconds": "int"}
OLD, NEW = [(1, 1), (2, 2)], [(1, 5), (3, 5)]


@pytest.fixture
def empty(guarded: Guarded) -> Iterator[Guarded]:
    yield guarded
    guarded.close()
    if guarded.run("SELECT 1 FROM pg_roles WHERE rolname = 'little'"):
        guarded.run("DROP OWNED BY little", "DROP ROLE little")


def load_of(folder: Path, write: str = "replace", second: int = 2) -> Load:
    where = {"where": "id < 9"} if write == "where" else {"write": write}
    return make_load(folder, NEW, DECLARED, key=("id",), run_id=f"2022050{second}T000000Z-a", **where)  # type: ignore[arg-type]


def publish_old(empty: Guarded, tmp_path: Path) -> None:
    empty.open().publish(make_load(tmp_path, OLD, DECLARED, key=("id",)))


def rows(empty: Guarded, table: str = "profile") -> list[tuple[object, ...]]:
    return sorted(empty.run(f"SELECT * FROM {table}"), key=repr)


@pytest.mark.parametrize("write", ["replace", "merge"])
@pytest.mark.parametrize(
    ("rule", "done", "left"),
    [
        ("ON DELETE CASCADE", "deletes the rows of `shop.orders` that refer to them", []),
        ("ON DELETE SET NULL ON UPDATE CASCADE", "sets `shop.orders` to NULL", [(None,)]),
        ("ON DELETE SET DEFAULT", "sets `shop.orders` to its default", [(2,)]),
    ],
)
def test_a_foreign_key_that_changes_another_table_is_refused(
    empty: Guarded, tmp_path: Path, write: str, rule: str, done: str, left: list[tuple[object]]
) -> None:
    publish_old(empty, tmp_path)
    key = f"CONSTRAINT of_shop REFERENCES public.profile (id) {rule} DEFERRABLE INITIALLY DEFERRED"
    empty.run(
        "DROP SCHEMA IF EXISTS shop CASCADE",
        "CREATE SCHEMA shop",
        f"CREATE TABLE shop.orders (id INT DEFAULT {3 if write != 'merge' else 2} {key})",
        "INSERT INTO shop.orders VALUES (1)",
    )
    for attempt in (empty.open().mismatches, empty.open().publish):
        with pytest.raises(RunFailure) as failure:
            attempt(load_of(tmp_path, write))
        assert failure.value.code == "foreign-key" and done in failure.value.message
        assert "the foreign key `of_shop` of `shop.orders`" in failure.value.message
    assert (rows(empty), rows(empty, "shop.orders")) == (OLD, [(1,)])
    empty.open().publish(replace(load_of(tmp_path, write), allow_cascade=True))
    kept = [(3,)] if left == [(2,)] and write != "merge" else left
    assert rows(empty, "shop.orders") == kept


def test_append_and_keys_that_only_forbid_are_no_cascade(empty: Guarded, tmp_path: Path) -> None:
    publish_old(empty, tmp_path)
    empty.run("CREATE TABLE orders (id INT REFERENCES profile (id))", "INSERT INTO orders VALUES (1)")
    assert list(empty.open().mismatches(load_of(tmp_path))) == []
    with pytest.raises(RunFailure, match="rows of another table refer to rows that would be replaced"):
        empty.open().publish(load_of(tmp_path))
    empty.run("DROP TABLE orders", "CREATE TABLE orders (id INT REFERENCES profile (id) ON DELETE CASCADE)")
    assert list(empty.open().mismatches(load_of(tmp_path, "append"))) == []


@pytest.mark.parametrize("write", ["where", "merge"])
def test_a_table_that_inherits_keeps_its_rows(empty: Guarded, tmp_path: Path, write: str) -> None:
    publish_old(empty, tmp_path)
    empty.run('CREATE TABLE "Heir" () INHERITS (profile)', 'INSERT INTO "Heir" VALUES (3, 3)')
    found = list(empty.open().mismatches(load_of(tmp_path, write)))
    assert [why for why, _ in found] == ['`"Heir"` inherits from it: its rows would be replaced, too']
    with pytest.raises(RunFailure, match="inherits from it"):
        empty.open().publish(load_of(tmp_path, write))
    empty.run(*(statement for _, statement in found))
    assert empty.open().publish(load_of(tmp_path, write)).rows == 2
    assert rows(empty, '"Heir"') == [(3, 3)]


def test_rows_that_a_policy_hides_are_not_left_beside_the_new_ones(empty: Guarded, tmp_path: Path) -> None:
    publish_old(empty, tmp_path)
    empty.run(
        "CREATE ROLE little LOGIN",
        "GRANT SELECT, INSERT, DELETE ON profile, _etlrun_loads, _etlrun_writers TO little",
        "ALTER TABLE profile ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON profile USING (id <> 2)",
    )
    with pytest.raises(RunFailure, match="row-level security may hide rows of `profile`") as failure:
        empty.open(account="little").mismatches(load_of(tmp_path))
    assert (failure.value.code, rows(empty)) == ("no-right", OLD)
    empty.run(failure.value.fix.removeprefix("let an administrator run: "))
    assert list(empty.open(account="little").mismatches(load_of(tmp_path))) == []
    empty.open(account="little").publish(load_of(tmp_path))
    assert rows(empty) == NEW


def test_a_trigger_that_waits_for_the_commit_is_found_out_before_it(empty: Guarded, tmp_path: Path) -> None:
    publish_old(empty, tmp_path)
    empty.run(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM profile WHERE id = 3; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON profile DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lose()",
    )
    with pytest.raises(RunFailure, match="the server received 1 row of 2"):
        empty.open().publish(load_of(tmp_path))
    assert rows(empty) == OLD


NOTING = """CREATE FUNCTION noting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
INSERT INTO notes VALUES (coalesce(NEW.id, OLD.id)); RETURN coalesce(NEW, OLD); END $$"""
TRIGGER = "CREATE TRIGGER also {} FOR EACH ROW EXECUTE FUNCTION noting()"


@pytest.mark.parametrize("write", ["replace", "merge", "append"])
@pytest.mark.parametrize(
    "change",
    [
        TRIGGER.format("AFTER INSERT ON profile"),
        TRIGGER.format("BEFORE INSERT OR DELETE ON profile"),
        "CREATE CONSTRAINT TRIGGER also AFTER INSERT ON profile DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION noting()",
        "CREATE RULE also AS ON DELETE TO profile DO ALSO INSERT INTO notes VALUES (OLD.id)",
        "CREATE RULE also AS ON DELETE TO profile DO ALSO UPDATE notes SET id = 9",
    ],
)
def test_a_trigger_or_rule_that_changes_another_table_is_refused(
    empty: Guarded, tmp_path: Path, write: str, change: str
) -> None:
    publish_old(empty, tmp_path)
    empty.run("CREATE TABLE notes (id INT)", "INSERT INTO notes VALUES (0)", NOTING, change)
    load = load_of(tmp_path, write)
    if write == "append":
        empty.run("DELETE FROM profile", "DELETE FROM notes", "INSERT INTO notes VALUES (0)")
    if write == "append" and "ON DELETE" in change:
        assert empty.open().publish(load).rows == 2
        return
    before = rows(empty)
    with pytest.raises(RunFailure, match=r"would change rows of `public\.notes`, too") as failure:
        empty.open().publish(load)
    assert (failure.value.code, rows(empty), rows(empty, "notes")) == ("other-tables", before, [(0,)])
    empty.open().publish(replace(load, allow_cascade=True))
    assert rows(empty, "notes") != [(0,)]


def test_a_trigger_that_changes_only_new_values_is_found_by_the_proof(empty: Guarded, tmp_path: Path) -> None:
    publish_old(empty, tmp_path)
    empty.run(
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seconds = 7; RETURN NEW; END $$",
        "CREATE TRIGGER also BEFORE INSERT ON profile FOR EACH ROW EXECUTE FUNCTION stamp()",
    )
    with pytest.raises(RunFailure, match="other values than the run computed"):
        empty.open().publish(load_of(tmp_path))
    assert rows(empty) == OLD


@pytest.mark.parametrize(
    "column", ["seconds INT GENERATED ALWAYS AS (7) STORED", "seconds INT GENERATED ALWAYS AS IDENTITY"]
)
def test_a_column_that_the_server_computes_can_be_written_after_the_statement(
    empty: Guarded, tmp_path: Path, column: str
) -> None:
    empty.run(f"CREATE TABLE profile (id INT PRIMARY KEY, {column})")
    found = list(empty.open().mismatches(load_of(tmp_path)))
    assert [why for why, _ in found] == ["`seconds` is a generated column, and the pipeline publishes values for it"]
    empty.run(*(statement for _, statement in found))
    empty.open().publish(load_of(tmp_path))
    assert rows(empty) == NEW


def test_rights_that_lack_are_named_before_the_run_and_granted_as_printed(empty: Guarded, tmp_path: Path) -> None:
    empty.run("CREATE ROLE little LOGIN")
    with pytest.raises(RunFailure, match='the account lacks rights: CREATE on SCHEMA "public"') as failure:
        empty.open(account="little").mismatches(load_of(tmp_path))
    empty.run(*failure.value.fix.removeprefix("let an administrator run: ").split("; "))
    assert list(empty.open(account="little").mismatches(load_of(tmp_path))) == []
    publish_old(empty, tmp_path)
    empty.run("GRANT SELECT, INSERT ON profile TO little")
    with pytest.raises(
        RunFailure, match='lacks rights: DELETE on TABLE "profile"; SELECT, INSERT, DELETE on'
    ) as failure:
        empty.open(account="little").mismatches(load_of(tmp_path))
    empty.run(*failure.value.fix.removeprefix("let an administrator run: ").split("; "))
    assert empty.open(account="little").publish(load_of(tmp_path)).rows == 2


def test_a_unique_index_is_named_and_so_is_a_missing_partition(empty: Guarded, tmp_path: Path) -> None:
    publish_old(empty, tmp_path)
    empty.run("CREATE UNIQUE INDEX one_each ON profile (abs(seconds))")
    with pytest.raises(RunFailure, match="unique index `one_each` of the table") as failure:
        empty.open().publish(load_of(tmp_path))
    empty.run(failure.value.fix.rpartition("run: ")[2])
    assert empty.open().publish(load_of(tmp_path)).rows == 2
    empty.run(
        "DROP TABLE profile",
        "CREATE TABLE profile (id INT PRIMARY KEY, seconds INT) PARTITION BY RANGE (id)",
        "CREATE TABLE profile_1 PARTITION OF profile FOR VALUES FROM (0) TO (2)",
    )
    with pytest.raises(RunFailure, match="the table has no partition for a row"):
        empty.open().publish(load_of(tmp_path, second=3))
