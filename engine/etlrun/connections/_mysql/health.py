"""What a server is, and what the account may do: less than it needs stands in the way, more than it needs is worth knowing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from etlrun.connections._mysql.session import MysqlSession
from etlrun.spec.database import Finding, Level

NEEDED = ("SELECT", "INSERT", "DELETE")
FOR_THE_FIRST_RUN = ("CREATE",)
TOO_MUCH = ("ALL PRIVILEGES", "SUPER", "FILE", "DROP", "GRANT OPTION", "SHUTDOWN", "PROCESS")
OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 4)}
SMALLEST_PACKET = 16 * 1024 * 1024
CLOCK_SECONDS = 5


def examine(session: MysqlSession) -> Iterator[Finding]:
    """Ask the server; nothing is changed."""
    yield judge_version(str(session.one("SELECT VERSION()")[0]))
    yield from _variables(session)
    yield from _rights(session)
    (there,) = session.one("SELECT UNIX_TIMESTAMP()")
    apart = abs(time.time() - float(there))
    yield Finding(
        "ok" if apart <= CLOCK_SECONDS else "warning", "clock", f"{apart:.0f} seconds apart from this machine"
    )


def judge_version(version: str) -> Finding:
    """Whether a server of this version will do: `10.11.6-MariaDB`, `8.4.2`."""
    product = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    oldest = OLDEST[product]
    if found < oldest:
        return Finding(
            "trouble", "version", f"{product} {version}", f"{product} {'.'.join(map(str, oldest))} or later is needed"
        )
    return Finding("ok", "version", f"{product} {version}")


def _variables(session: MysqlSession) -> Iterator[Finding]:
    names = ("local_infile", "max_allowed_packet", "read_only", "innodb_flush_log_at_trx_commit")
    local_infile, packet, read_only, flush = session.one(f"SELECT {', '.join(f'@@GLOBAL.{each}' for each in names)}")
    if int(read_only):
        yield Finding("trouble", "read_only", "the server takes no writes", "connect to the primary server")
    if not int(local_infile):
        yield Finding(
            "warning", "local_infile", "OFF: rows travel by INSERT, which takes longer", "SET GLOBAL local_infile = ON"
        )
    else:
        yield Finding("ok", "local_infile", "ON: rows travel by LOAD DATA")
    if int(flush) != 1:
        yield Finding(
            "warning",
            "durability",
            "a server that crashes may lose what it said was committed in the last second, whole publishes among it",
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
        )
    level: Level = "ok" if int(packet) >= SMALLEST_PACKET else "warning"
    yield Finding(
        level, "max_allowed_packet", f"{int(packet):,} bytes", "" if level == "ok" else "64M suits long texts"
    )


def _rights(session: MysqlSession) -> Iterator[Finding]:
    (database,) = session.one("SELECT DATABASE()")
    grants = [str(row[0]) for row in session.rows("SHOW GRANTS")]
    held = {right for grant in grants if _covers(grant, str(database)) for right in _listed(grant)}
    everything = "ALL PRIVILEGES" in held
    missing = [] if everything else [right for right in NEEDED if right not in held]
    if missing:
        yield Finding(
            "trouble",
            "rights",
            f"the account may not {', '.join(missing)}",
            "GRANT SELECT, INSERT, DELETE ON database.* TO the account",
        )
    elif not everything and not any(right in held for right in FOR_THE_FIRST_RUN):
        yield Finding(
            "warning", "rights", "the account may not CREATE: tables and the ledger must be there before the first run"
        )
    everywhere = {right for grant in grants for right in _listed(grant)}
    excess = [right for right in TOO_MUCH if right in everywhere]
    if excess:
        yield Finding(
            "warning",
            "rights",
            f"the account may do more than it needs: {', '.join(excess)}",
            "SELECT, INSERT, DELETE (and CREATE once) suffice",
        )
    if not missing and not excess:
        yield Finding("ok", "rights", "what is needed, and no more")


def _covers(grant: str, database: str) -> bool:
    """Whether a line of SHOW GRANTS is about tables of the database. Its name is a pattern there, as LIKE has it."""
    found = re.search(r" ON (?:TABLE )?(?:(\*)|`((?:[^`]|``)*)`)\.", grant)
    if found is None or found.group(1):
        return found is not None
    parts = re.findall(r"\\?.", found.group(2).replace("``", "`"))
    pattern = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(pattern, database, re.IGNORECASE) is not None


def _listed(grant: str) -> list[str]:
    """The rights of one line of SHOW GRANTS."""
    found = re.match(r"GRANT (.*?) ON ", grant)
    rights = [re.sub(r"\s*\(.*\)", "", right.strip()) for right in found.group(1).split(",")] if found else []
    return [*rights, *(["GRANT OPTION"] if "WITH GRANT OPTION" in grant else [])]
