"""What `etlrun doctor` finds on a server: rights, and settings that stand in the way."""

from __future__ import annotations

import pytest

from etlrun.spec.database import Finding

from .loads import Place
from .server import is_mysql

ALL = "SELECT, INSERT, DELETE, CREATE"
RIGHTS = {
    "on the database": ([f"GRANT {ALL} ON {{here}}.* TO {{user}}"], "ok", "what is needed, and no more"),
    "by a pattern": ([f"GRANT {ALL} ON `{{here}}%`.* TO {{user}}"], "ok", "what is needed, and no more"),
    "on another database": ([f"GRANT {ALL} ON elsewhere.* TO {{user}}", "GRANT SELECT ON {here}.* TO {user}"], "trouble", "the account may not INSERT, DELETE"),
    "by another pattern": ([f"GRANT {ALL} ON `{{here}}\\_%`.* TO {{user}}", "GRANT SELECT ON {here}.* TO {user}"], "trouble", "the account may not INSERT, DELETE"),
    "without CREATE": (["GRANT SELECT, INSERT, DELETE ON {here}.* TO {user}"], "warning", "the account may not CREATE: tables and the ledger must be there before the first run"),
    "too many": ([f"GRANT {ALL}, DROP ON {{here}}.* TO {{user}}"], "warning", "the account may do more than it needs: DROP"),
    "everywhere": (["GRANT ALL ON *.* TO {user}"], "warning", "the account may do more than it needs"),
    "by a role": (["CREATE ROLE r_{here}", f"GRANT {ALL} ON {{here}}.* TO r_{{here}}", "GRANT r_{here} TO {user}", "SET DEFAULT ROLE r_{here} {to} {user}"],
                  "ok", "what is needed, and no more"),
}  # fmt: skip


def findings(place: Place, about: str, user: str = "root", password: str = "") -> list[Finding]:
    return [found for found in place.warehouse(user=user, password=password).examine() if found.about == about]


@pytest.mark.parametrize("case", RIGHTS)
def test_rights_count_where_they_hold(place: Place, case: str) -> None:
    statements, level, said = RIGHTS[case]
    user = f"u_{place.database}"
    named = {"here": place.database, "user": f"{user}@'%'", "to": "TO" if is_mysql() else "FOR"}
    place.run(f"CREATE USER {user}@'%' IDENTIFIED BY 'x1'", *(statement.format(**named) for statement in statements))
    found = findings(place, "rights", user, "x1")
    assert found[0].level == level and found[0].detail.startswith(said), found


def test_a_server_that_takes_no_writes_is_trouble(place: Place) -> None:
    assert findings(place, "read_only") == []
    place.run("SET GLOBAL read_only = 1")
    try:
        assert findings(place, "read_only") == [Finding("trouble", "read_only", "the server takes no writes", "connect to the primary server")]
    finally:
        place.run("SET GLOBAL read_only = 0")


def test_a_server_that_takes_no_files_is_slow_and_no_trouble(place: Place) -> None:
    assert [found.level for found in findings(place, "local_infile")] == ["ok"]
    place.run("SET GLOBAL local_infile = 0")
    try:
        assert [(found.level, found.fix) for found in findings(place, "local_infile")] == [("warning", "SET GLOBAL local_infile = ON")]
    finally:
        place.run("SET GLOBAL local_infile = 1")


def test_the_product_and_its_version_are_named(place: Place) -> None:
    ((version,),) = place.run("SELECT VERSION()")
    assert findings(place, "version") == [Finding("ok", "version", f"{'MySQL' if is_mysql() else 'MariaDB'} {version}")]
