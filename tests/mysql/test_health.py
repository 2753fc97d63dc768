"""What `etlrun doctor` finds on a server: rights, and settings that stand in the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etlrun.connections._mysql.health import judge_version
from etlrun.contracts.health import HealthFinding

from .loads import Place
from .server import Server, is_mysql

ALL = "SELECT, INSERT, DELETE, CREATE"
RIGHTS = {
    "on the database": (
        [f"GRANT {ALL} ON {{here}}.* TO {{user}}"],
        "ok",
        "the account has the rights that it needs, and no more",
    ),
    "by a pattern": (
        [f"GRANT {ALL} ON `{{here}}%`.* TO {{user}}"],
        "ok",
        "the account has the rights that it needs, and no more",
    ),
    "on another database": (
        [f"GRANT {ALL} ON elsewhere.* TO {{user}}", "GRANT SELECT ON {here}.* TO {user}"],
        "trouble",
        "the account lacks INSERT, DELETE",
    ),
    "by another pattern": (
        [f"GRANT {ALL} ON `{{here}}\\_%`.* TO {{user}}", "GRANT SELECT ON {here}.* TO {user}"],
        "trouble",
        "the account lacks INSERT, DELETE",
    ),
    "without CREATE": (
        ["GRANT SELECT, INSERT, DELETE ON {here}.* TO {user}"],
        "warning",
        "the account lacks CREATE: the tables, and `_etlrun_loads` and `_etlrun_writers`, must exist before the first run",
    ),
    "too many": (
        [f"GRANT {ALL}, DROP ON {{here}}.* TO {{user}}"],
        "warning",
        "the account has more rights than it needs: DROP",
    ),
    "everywhere": (["GRANT ALL ON *.* TO {user}"], "warning", "the account has more rights than it needs"),
    "by a role": (
        [
            "CREATE ROLE r_{here}",
            f"GRANT {ALL} ON {{here}}.* TO r_{{here}}",
            "GRANT r_{here} TO {user}",
            "SET DEFAULT ROLE r_{here} {to} {user}",
        ],
        "ok",
        "the account has the rights that it needs, and no more",
    ),
}


def findings(place: Place, about: str, user: str = "root", password: str = "") -> list[HealthFinding]:
    return [found for found in place.warehouse(user=user, password=password).examine() if found.about == about]


@pytest.mark.parametrize("case", RIGHTS)
def test_rights_count_where_they_hold(place: Place, case: str) -> None:
    statements, level, detail = RIGHTS[case]
    user = f"u_{place.database}"
    named = {"here": place.database, "user": f"{user}@'%'", "to": "TO" if is_mysql() else "FOR"}
    place.run(f"CREATE USER {user}@'%' IDENTIFIED BY 'x1'", *(statement.format(**named) for statement in statements))
    found = findings(place, "rights", user, "x1")
    assert found[0].level == level and found[0].detail.startswith(detail), found


def test_a_server_that_takes_no_writes_is_trouble(place: Place) -> None:
    assert findings(place, "read_only") == []
    place.run("SET GLOBAL read_only = 1")
    try:
        assert findings(place, "read_only") == [
            HealthFinding("trouble", "read_only", "the server is read-only", "connect to the primary server")
        ]
    finally:
        place.run("SET GLOBAL read_only = 0")


def test_a_server_that_may_lose_commits_is_told_of(place: Place) -> None:
    before = place.run("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")[0][0]
    try:
        for value, levels in ((0, ["warning"]), (2, ["warning"]), (1, [])):
            place.run(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value}")
            assert [found.level for found in findings(place, "durability")] == levels
    finally:
        place.run(f"SET GLOBAL innodb_flush_log_at_trx_commit = {before}")


def test_a_server_that_takes_no_files_is_slow_and_no_trouble(place: Place) -> None:
    assert [found.level for found in findings(place, "local_infile")] == ["ok"]
    place.run("SET GLOBAL local_infile = 0")
    try:
        assert [(found.level, found.fix) for found in findings(place, "local_infile")] == [
            ("warning", "SET GLOBAL local_infile = ON")
        ]
    finally:
        place.run("SET GLOBAL local_infile = 1")


def test_the_product_and_its_version_are_named(place: Place) -> None:
    ((version,),) = place.run("SELECT VERSION()")
    assert findings(place, "version") == [
        HealthFinding("ok", "version", f"{'MySQL' if is_mysql() else 'MariaDB'} {version}")
    ]


@pytest.mark.parametrize(
    ("version", "level", "fix"),
    [
        ("10.5.28-MariaDB-log", "trouble", "MariaDB 10.6 or later is needed"),
        ("10.6.0-MariaDB", "ok", ""),
        ("11.4.2-MariaDB-ubu2404", "ok", ""),
        ("8.0.41", "trouble", "MySQL 8.4 or later is needed"),
        ("5.7.44-log", "trouble", "MySQL 8.4 or later is needed"),
        ("8.4.0", "ok", ""),
        ("9.1.0", "ok", ""),
    ],
)
def test_a_server_that_is_too_old_is_trouble(version: str, level: str, fix: str) -> None:
    found = judge_version(version)
    assert (found.level, found.about, found.fix) == (level, "version", fix)
    assert found.detail.endswith(f" {version}")


def place_on(server: Server) -> Place:
    server.run(
        "CREATE DATABASE d", "CREATE USER u@'%' IDENTIFIED BY 'x1'", "GRANT SELECT, INSERT, DELETE ON d.* TO u@'%'"
    )
    return Place(server, "d", server.port)


def test_packets_that_are_too_small_are_worth_knowing(place: Place, spare: Callable[..., Server]) -> None:
    assert findings(place, "max_allowed_packet") == [HealthFinding("ok", "max_allowed_packet", "67,108,864 bytes")]
    small = place_on(spare(["--max-allowed-packet=1M"]))
    assert findings(small, "max_allowed_packet") == [
        HealthFinding("warning", "max_allowed_packet", "1,048,576 bytes", "64M suits long texts")
    ]


def test_a_clock_that_goes_wrong_is_worth_knowing(place: Place, spare: Callable[..., Server]) -> None:
    (found,) = findings(place, "clock")
    assert found.level == "ok"
    wrong = place_on(spare(["--init-connect=SET timestamp = 1000000000"]))  # for accounts that are no administrators
    (found,) = findings(wrong, "clock", "u", "x1")
    assert found.level == "warning"
    assert int(found.detail.split()[0]) > 10**8 and found.detail.endswith(
        " seconds difference to the clock of this machine"
    )
