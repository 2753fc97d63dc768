"""Checks a server's version and settings and the account's rights for `etlrun doctor`: missing rights are errors, unneeded ones are notices."""

from __future__ import annotations

import re
from collections.abc import Iterator

from etlrun.connections._mysql.rights import EVERYTHING, ROWS, held_rights, listed_rights
from etlrun.connections._mysql.session import MysqlSession
from etlrun.contracts.health import HealthFinding, Level, judge_clock
from etlrun.warehouse.ledger import WITHOUT_CREATE

FOR_THE_FIRST_RUN = ("CREATE",)
TOO_MUCH = ("ALL PRIVILEGES", "SUPER", "FILE", "DROP", "GRANT OPTION", "SHUTDOWN", "PROCESS")
OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 4)}
SMALLEST_PACKET = 16 * 1024 * 1024


def examine(session: MysqlSession) -> Iterator[HealthFinding]:
    """Check the server without changing anything."""
    yield judge_version(str(session.one("SELECT VERSION()")[0]))
    yield from _variables(session)
    yield from _rights(session)
    (there,) = session.one("SELECT UNIX_TIMESTAMP()")
    yield judge_clock(float(there))


def judge_version(version: str) -> HealthFinding:
    """Check that a server's version is supported: `10.11.6-MariaDB`, `8.4.2`."""
    product = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    oldest = OLDEST[product]
    if found < oldest:
        return HealthFinding(
            "trouble", "version", f"{product} {version}", f"{product} {'.'.join(map(str, oldest))} or later is needed"
        )
    return HealthFinding("ok", "version", f"{product} {version}")


def _variables(session: MysqlSession) -> Iterator[HealthFinding]:
    names = ("local_infile", "max_allowed_packet", "read_only", "innodb_flush_log_at_trx_commit")
    local_infile, packet, read_only, flush = session.one(f"SELECT {', '.join(f'@@GLOBAL.{each}' for each in names)}")
    if int(read_only):
        yield HealthFinding("trouble", "read_only", "the server is read-only", "connect to the primary server")
    if not int(local_infile):
        yield HealthFinding(
            "warning", "local_infile", "OFF: rows are sent with INSERT, which is slower", "SET GLOBAL local_infile = ON"
        )
    else:
        yield HealthFinding("ok", "local_infile", "ON: rows are sent with LOAD DATA")
    if int(flush) != 1:
        yield HealthFinding(
            "warning",
            "durability",
            "if the server crashes, it may lose what was committed in the last second, even a whole publish",
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
        )
    level: Level = "ok" if int(packet) >= SMALLEST_PACKET else "warning"
    yield HealthFinding(
        level, "max_allowed_packet", f"{int(packet):,} bytes", "" if level == "ok" else "64M suits long texts"
    )


def _rights(session: MysqlSession) -> Iterator[HealthFinding]:
    (database,) = session.one("SELECT DATABASE()")
    grants = [str(row[0]) for row in session.rows("SHOW GRANTS")]
    held = held_rights(grants, str(database))
    everything = EVERYTHING in held
    missing = [] if everything else [right for right in ROWS if right not in held]
    if missing:
        yield HealthFinding(
            "trouble",
            "rights",
            f"the account lacks {', '.join(missing)}",
            "GRANT SELECT, INSERT, DELETE ON database.* TO the account",
        )
    elif not everything and not any(right in held for right in FOR_THE_FIRST_RUN):
        yield HealthFinding("warning", "rights", WITHOUT_CREATE)
    everywhere = {right for grant in grants for right in listed_rights(grant)}
    excess = [right for right in TOO_MUCH if right in everywhere]
    if excess:
        yield HealthFinding(
            "warning",
            "rights",
            f"the account has more rights than it needs: {', '.join(excess)}",
            "SELECT, INSERT and DELETE are enough, CREATE for the first run, CREATE VIEW and DROP for `view` sinks",
        )
    if not everything and not missing and "CREATE VIEW" not in held:
        yield HealthFinding(
            "ok",
            "views",
            "the account lacks CREATE VIEW, which `view` sinks need, and sinks with `publish: pointer` for their first run",
        )
    if not missing and not excess:
        yield HealthFinding("ok", "rights", "the account has the rights that it needs, and no more")
