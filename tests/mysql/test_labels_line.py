"""The label store reaches its server as a warehouse does, by a connection of the profile, with all that guards it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asked import FILE, asking_project, enrich
from etlrun.connections.mysql import Mysql
from etlrun.enrich._sql_store import SqlStore
from etlrun.enrich.labels import open_labels
from etlrun.enrich.store import Store
from etlrun.failures import RunFailure
from etlrun.spec.project import Profile, Project, Use
from label_stores import QUESTION, known, record, result

from .authority import Authority
from .loads import Place
from .rogue import FILE as WANTED
from .rogue import Rogue
from .server import Server
from .test_session import LOOSE, VARIABLES

CANARY = "c4n4ry-pässwörd"


def opened(root: Path, port: int, database: str = "w", account: str = "etl", **keys: Any) -> Store:
    """The store of a profile whose `labels` names its connection `shared`, with these keys besides `url`."""
    shared = Mysql(f"mysql+pymysql://{account}@127.0.0.1:{port}/{database}", **keys)
    profile = Profile("prod", Use("duckdb", None, ()), {"shared": Use("mysql", shared, ())}, labels="shared")
    return open_labels(Project(root), profile)


def cipher(store: Store) -> str:
    assert isinstance(store, SqlStore)
    with store.engine.connect() as connection:
        found = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").one()
    store.close()
    return str(found[1])


def test_a_server_that_answers_with_a_request_for_a_file_gets_nothing(tmp_path: Path) -> None:
    with (
        Rogue("file") as rogue,
        pytest.raises(RunFailure, match=r"the label store in .* fails: the server asked for a file of this machine"),
    ):
        opened(tmp_path, rogue.port)
    assert rogue.got != b"" and Path(WANTED.decode()).read_bytes().strip() not in rogue.got


@pytest.mark.parametrize("trick", ["clear", "dialog"])
@pytest.mark.parametrize("tls", ["auto", "insecure"])
def test_a_server_that_asks_for_the_password_in_clear_gets_nothing(tmp_path: Path, trick: Any, tls: Any) -> None:
    with Rogue(trick) as rogue, pytest.raises(RunFailure, match="asks for the password in plain text") as failure:
        opened(tmp_path, rogue.port, password=CANARY, tls=tls)
    assert rogue.got != b"" and CANARY.encode() not in rogue.got
    assert CANARY not in failure.value.message + failure.value.fix


@pytest.mark.parametrize("tls", ["verify_identity", "verify_ca"])
def test_a_server_without_tls_does_not_even_learn_the_user(tmp_path: Path, tls: Any) -> None:
    with Rogue("clear") as rogue, pytest.raises(RunFailure, match="certificate of the server could not be verified"):
        opened(tmp_path, rogue.port, password=CANARY, tls=tls)
    assert rogue.got == b""


def test_only_a_server_that_proves_its_name_gets_the_answers(
    spare: Callable[..., Server], authority: Authority, tmp_path: Path
) -> None:
    server = spare(authority.settings("127.0.0.1"))
    server.run("CREATE DATABASE w")
    ca = str(authority.path.relative_to(tmp_path))
    assert cipher(opened(tmp_path, server.port, account="root", tls="verify_identity", ca=ca))
    stranger = Authority(tmp_path / "stranger")
    for other in ("", str(stranger.path)):
        with pytest.raises(RunFailure, match="certificate of the server could not be verified") as failure:
            opened(tmp_path, server.port, account="root", tls="verify_identity", ca=other)
        assert "set `ca` to the file of the CA certificate" in failure.value.fix
    with pytest.raises(RunFailure, match="the certificate .* cannot be read"):
        opened(tmp_path, server.port, account="root", tls="verify_identity", ca="missing.pem")


def test_a_certificate_for_another_name_passes_only_where_the_profile_says_so(
    spare: Callable[..., Server], authority: Authority, tmp_path: Path
) -> None:
    server = spare(authority.settings("192.0.2.1"))
    server.run("CREATE DATABASE w")
    with pytest.raises(RunFailure, match="IP address mismatch"):
        opened(tmp_path, server.port, account="root", tls="verify_identity", ca=str(authority.path))
    assert cipher(opened(tmp_path, server.port, account="root", tls="verify_ca", ca=str(authority.path)))


def test_a_session_is_set_as_one_of_a_warehouse(spare: Callable[..., Server], tmp_path: Path) -> None:
    server = spare(LOOSE)
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    wanted = f"SHOW SESSION VARIABLES WHERE Variable_name IN ({', '.join(repr(name) for name in VARIABLES if name != 'autocommit')})"
    store, warehouse = opened(tmp_path, server.port, account="root", lock_timeout=7), place.warehouse(lock_timeout=7)
    assert isinstance(store, SqlStore)
    with store.engine.connect() as connection, warehouse._asking() as session:
        assert [tuple(row) for row in connection.exec_driver_sql(wanted)] == session.rows(wanted)
    store.close()
    warehouse.close()


def test_what_is_not_committed_is_not_there(place: Place, tmp_path: Path) -> None:
    store = opened(tmp_path, place.port, place.database, "root")
    assert isinstance(store, SqlStore)
    with pytest.raises(ZeroDivisionError), store.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO etlrun_leases VALUES ('q', 'k', 'o')")
        raise ZeroDivisionError
    store.close()
    assert place.rows("etlrun_leases") == []


@pytest.mark.parametrize("written", ["url", "password"])
def test_a_profile_names_the_connection_and_its_password_by_reference(
    place: Place, tmp_path: Path, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = f"l_{place.database}"
    place.run(f"CREATE USER {user}@'%' IDENTIFIED BY '{CANARY}'", f"GRANT ALL ON {place.database}.* TO {user}@'%'")
    monkeypatch.setenv("LABELS_PASSWORD", CANARY)
    account = f"{user}:${{LABELS_PASSWORD}}" if written == "url" else user
    store = opened(
        tmp_path,
        place.port,
        place.database,
        account,
        **({"password": "${LABELS_PASSWORD}"} if written == "password" else {}),
    )
    record(store, result("a"))
    assert known(store, "a") == {"a": ("ok", "Action")}
    assert place.run("SELECT question, `key` FROM etlrun_answers") == [(QUESTION.id, "a")]
    store.close()


@pytest.mark.parametrize(
    ("account", "port", "detail"),
    [
        ("nobody:s3cr3t-pw", 0, "fails: the server rejects the user or the password (1045)"),
        ("root:s3cr3t-pw", 1, "fails: the server cannot be reached (2003: Connection refused)"),
    ],
)
def test_a_store_that_cannot_be_opened_says_so_without_its_secret(
    place: Place, tmp_path: Path, account: str, port: int, detail: str
) -> None:
    with pytest.raises(RunFailure) as failure:
        opened(tmp_path, port or place.port, place.database, account)
    assert (
        failure.value.message
        == f"the label store in 127.0.0.1:{port or place.port}, database `{place.database}`, {detail}"
    )
    assert (failure.value.code, failure.value.fix != "") == ("label-store", True)
    assert "s3cr3t-pw" not in failure.value.message + failure.value.fix


def test_a_run_keeps_its_answers_in_the_connection_that_labels_names(place: Place, tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    connections = '{warehouse: {duckdb: warehouse.duckdb}, team: {mysql: "${TEAM_URL}"}}\n    labels: team'
    text = (tmp_path / "etlrun.yaml").read_text().replace("{warehouse: {duckdb: warehouse.duckdb}}", connections)
    project.write("etlrun.yaml", text)
    enrich(project, "titles")
    url = f"mysql://root@127.0.0.1:{place.port}/{place.database}"
    assert project.run(FILE, TEAM_URL=url).code == 0
    assert ("vtv3", "ok") in place.run("SELECT `key`, status FROM etlrun_answers")
    assert "2 answers for $0" in project.run("llm", "stats", TEAM_URL=url).err
    assert not (tmp_path / ".etlrun/labels.sqlite").exists()
