"""Foreign keys of other tables: what a publish would do to them is refused, unless the sink allows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etlrun.connections._mysql.references import may_change_others
from etlrun.failures import RunFailure

from .loads import Place, make_load

DECLARED = {"id": "int", "seconds": "int"}
FIRST, SECOND = "20220501T000000Z-a", "20220502T000000Z-b"
OLD, NEW = [(1, 1), (2, 2)], [(1, 5), (3, 5)]
ORDERS = [(10, 1), (20, 2)]


def refer(place: Place, tmp_path: Path, rule: str) -> None:
    """A published table, and another whose foreign key refers to it."""
    place.warehouse().publish(make_load(tmp_path, OLD, DECLARED, key=("id",), run_id=FIRST))
    place.run(
        f"CREATE TABLE orders (id INT PRIMARY KEY, shop INT, CONSTRAINT of_shop FOREIGN KEY (shop) REFERENCES profile (id) {rule}) ENGINE=InnoDB",
        "INSERT INTO orders VALUES (10, 1), (20, 2)",
    )


@pytest.mark.parametrize("write", ["replace", "merge", "where"])
@pytest.mark.parametrize(
    ("rule", "done"),
    [
        ("ON DELETE CASCADE", "deletes the rows of `orders` that refer to them"),
        ("ON DELETE SET NULL ON UPDATE CASCADE", "sets `orders` to NULL where it refers to them"),
    ],
)
def test_a_foreign_key_that_changes_other_tables_is_refused_by_its_name(
    place: Place, tmp_path: Path, write: str, rule: str, done: str
) -> None:
    refer(place, tmp_path, rule)
    where = {"where": "id < 9"} if write == "where" else {"write": write}
    load = make_load(tmp_path, NEW, DECLARED, key=("id",), run_id=SECOND, **where)  # type: ignore[arg-type]
    for attempt in (place.warehouse().mismatches, place.warehouse().publish):
        with pytest.raises(RunFailure) as failure:
            attempt(load)
        assert failure.value.code == "foreign-key"
        assert "the foreign key `of_shop` of `orders`" in failure.value.message and done in failure.value.message
    assert (place.rows(), place.rows("orders")) == (OLD, ORDERS)
    place.warehouse().publish(replace(load, allow_cascade=True))
    assert place.rows() == ([(1, 5), (2, 2), (3, 5)] if write == "merge" else NEW)
    gone = ORDERS[:1] if write == "merge" else ORDERS
    kept = [] if "CASCADE" in rule.split("ON UPDATE", maxsplit=1)[0] else [(order, None) for order, _ in gone]
    assert place.rows("orders") == kept + [order for order in ORDERS if order not in gone]


def test_append_follows_no_foreign_key(place: Place, tmp_path: Path) -> None:
    refer(place, tmp_path, "ON DELETE CASCADE")
    place.warehouse().publish(make_load(tmp_path, [(3, 3)], DECLARED, key=("id",), run_id=SECOND, write="append"))
    assert (place.rows(), place.rows("orders")) == ([*OLD, (3, 3)], ORDERS)


def test_rows_that_are_referred_to_stay_where_the_key_says_so(place: Place, tmp_path: Path) -> None:
    refer(place, tmp_path, "ON UPDATE CASCADE")
    load = make_load(tmp_path, NEW, DECLARED, key=("id",), run_id=SECOND)
    assert place.warehouse().mismatches(load) == []
    with pytest.raises(RunFailure, match="rows of another table refer to rows that would be replaced"):
        place.warehouse().publish(load)
    assert (place.rows(), place.rows("orders")) == (OLD, ORDERS)


def test_a_table_of_another_database_is_named_with_it(place: Place, tmp_path: Path) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, DECLARED, key=("id",), run_id=FIRST))
    other = f"{place.database}_other"
    place.run(
        f"CREATE DATABASE {other}",
        f"CREATE TABLE {other}.orders (shop INT, CONSTRAINT of_shop FOREIGN KEY (shop) REFERENCES {place.database}.profile (id) ON DELETE CASCADE)",
    )
    try:
        with pytest.raises(RunFailure, match=f"the foreign key `of_shop` of `{other}.orders`"):
            place.warehouse().publish(make_load(tmp_path, NEW, DECLARED, key=("id",), run_id=SECOND))
    finally:
        place.run(f"DROP DATABASE {other}")


def test_a_table_that_refers_to_itself_may_be_replaced_as_a_whole_only(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TABLE profile (id INT PRIMARY KEY, seconds INT, CONSTRAINT own FOREIGN KEY (seconds) REFERENCES profile (id) ON DELETE CASCADE)"
    )
    place.warehouse().publish(make_load(tmp_path, OLD, DECLARED, key=("id",), run_id=FIRST))
    with pytest.raises(RunFailure, match="the foreign key `own` of `profile`"):
        place.warehouse().publish(make_load(tmp_path, [(1, 1)], DECLARED, key=("id",), where="id = 1", run_id=SECOND))
    assert place.rows() == OLD


def test_a_row_that_refers_to_none_is_refused(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TABLE shops (id INT PRIMARY KEY)",
        "CREATE TABLE profile (id INT PRIMARY KEY, seconds INT, FOREIGN KEY (seconds) REFERENCES shops (id))",
    )
    with pytest.raises(RunFailure, match="refers to a row of another table that does not exist"):
        place.warehouse().publish(make_load(tmp_path, OLD, DECLARED, key=("id",)))
    assert place.rows() == []


@pytest.mark.parametrize(("right", "is_seen"), [("", False), ("REFERENCES", True)])
def test_a_key_of_another_database_is_found_where_the_account_has_a_right_on_its_table(
    place: Place, tmp_path: Path, right: str, is_seen: bool
) -> None:
    refer(place, tmp_path, "ON UPDATE CASCADE")
    other, user = f"{place.database}_other", f"{place.database}u"
    place.run(
        "DROP TABLE orders",
        f"CREATE DATABASE {other}",
        f"CREATE TABLE {other}.orders (id INT PRIMARY KEY, shop INT, CONSTRAINT far FOREIGN KEY (shop) "
        f"REFERENCES {place.database}.profile (id) ON DELETE CASCADE) ENGINE=InnoDB",
        f"CREATE USER {user}@'%' IDENTIFIED BY 'x1'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON {place.database}.* TO {user}@'%'",
        *([f"GRANT {right} ON *.* TO {user}@'%'"] if right else []),
    )
    load = make_load(tmp_path, NEW, DECLARED, key=("id",), run_id=SECOND)
    warehouse = place.warehouse(user=user, password="x1")
    try:
        if is_seen:
            with pytest.raises(RunFailure, match=rf"foreign key `far` of `{other}\.orders`"):
                warehouse.publish(load)
        else:
            warehouse.publish(load)  # the server shows the key to nobody without a right on its table
            assert place.rows() == NEW
    finally:
        place.run(f"DROP USER {user}@'%'", f"DROP DATABASE {other}")


CHANGING = {
    "AFTER INSERT": "INSERT INTO notes VALUES (NEW.id)",
    "BEFORE DELETE": "BEGIN IF OLD.id > 0 THEN UPDATE notes SET id = OLD.id; END IF; END",
    "BEFORE INSERT": "SET NEW.seconds = noted(NEW.seconds)",
}


@pytest.mark.parametrize("event", CHANGING)
def test_a_trigger_that_may_change_other_tables_is_refused_by_its_name(
    place: Place, tmp_path: Path, event: str
) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, DECLARED, key=("id",), run_id=FIRST))
    place.run(
        "CREATE TABLE notes (id INT) ENGINE=InnoDB",
        "INSERT INTO notes VALUES (0)",
        "CREATE FUNCTION noted(x INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO notes VALUES (x); RETURN x; END",
        f"CREATE TRIGGER also {event} ON profile FOR EACH ROW {CHANGING[event]}",
    )
    load = make_load(tmp_path, NEW, DECLARED, key=("id",), run_id=SECOND)
    for attempt in (place.warehouse().mismatches, place.warehouse().publish):
        with pytest.raises(RunFailure) as failure:
            attempt(load)
        assert failure.value.code == "other-tables" and f"trigger `also` ({event})" in failure.value.message
    assert (place.rows(), place.rows("notes")) == (OLD, [(0,)])
    place.warehouse().publish(replace(load, allow_cascade=True))
    assert (place.rows(), len(place.rows("notes")) > 1 or place.rows("notes") != [(0,)]) == (NEW, True)


def test_a_trigger_that_only_judges_or_sets_new_values_is_none_of_those(place: Place, tmp_path: Path) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, DECLARED, key=("id",), run_id=FIRST))
    place.run(
        "CREATE TRIGGER judge BEFORE INSERT ON profile FOR EACH ROW BEGIN "
        "IF NEW.seconds < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'below zero'; END IF; SET NEW.seconds = NEW.seconds + 0; END",
        "CREATE TRIGGER cleaned BEFORE INSERT ON profile FOR EACH ROW SET NEW.seconds = REPLACE(NEW.seconds, 'delete', '')",
        "CREATE TRIGGER later AFTER UPDATE ON profile FOR EACH ROW DELETE FROM nothing_of_it",
    )
    place.warehouse().publish(make_load(tmp_path, NEW, DECLARED, key=("id",), run_id=SECOND))
    assert place.rows() == NEW


HARMLESS = [
    "SET NEW.name = REPLACE(NEW.name, 'delete', ''), NEW.title = insert (NEW.title, 1, 1, 'x')",
    "BEGIN -- update the day\n SET NEW.updated_at = NOW(); # insert\n END",
    "SET NEW.`delete` = NEW.update + /* call */ 1",
    "BEGIN SELECT day INTO @day FROM days LIMIT 1 FOR UPDATE; SET NEW.at = 'it\\'s; delete from t'; END",
    'SET NEW.name = concat("it\'s", NEW.noted, "; delete")',
]
HARMFUL = [
    "REPLACE INTO notes VALUES (1)",
    "replace `notes`(id) values (1)",
    "BEGIN SET @a = 'x'; /*!50000 DELETE FROM notes */; END",
    "INSERT notes VALUES (REPLACE('a', 'b', 'c'))",
    "SET NEW.a = `noted` (1)",
    """SET NEW.a = concat("it's", noted(1), 'x')""",
    "CALL change_all()",
]


@pytest.mark.parametrize("body", HARMLESS)
def test_words_in_texts_names_comments_and_functions_are_no_statements(body: str) -> None:
    assert not may_change_others(body, frozenset({"noted"}))


@pytest.mark.parametrize("body", HARMFUL)
def test_statements_and_calls_are_found_beside_them(body: str) -> None:
    assert may_change_others(body, frozenset({"noted"}))


@pytest.mark.parametrize("mode", ["NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
def test_a_backslash_hides_nothing_where_it_escapes_nothing(mode: str) -> None:
    quote = '"' if mode == "ANSI_QUOTES" else "'"
    assert may_change_others(
        f"BEGIN SET NEW.a = {quote}x\\{quote}; DELETE FROM t; SET NEW.b = {quote}{quote}; END", frozenset(), mode
    )
