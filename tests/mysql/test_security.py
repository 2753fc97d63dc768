"""What a false server, a listener on the way and a careless message must not get."""

from __future__ import annotations

import inspect
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql.connections
import pytest

from etlrun.connections._mysql.errors import masked
from etlrun.connections._mysql.session import _tls
from etlrun.connections.mysql import Mysql
from etlrun.failures import RunFailure
from etlrun.secrets import Secret
from etlrun.warehouse.access import Parallel, SessionSettings
from etlrun.warehouse.address import Address, read_address

from .authority import Authority
from .loads import Place, columns_of, make_load, many
from .rogue import FILE, Rogue
from .server import Server, is_mysql

CANARY = "c4n4ry-pässwörd"


def rows_of(place: Place, **settings: Any) -> list[tuple[Any, ...]]:
    """A query through the connection that `settings` make."""
    warehouse = place.warehouse(**settings)
    try:
        with warehouse._asking() as session:
            return session.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    finally:
        warehouse.close()


def test_a_server_that_answers_with_a_request_for_a_file_gets_nothing(tmp_path: Path) -> None:
    with Rogue("file") as rogue:
        place = Place(Server(tmp_path), "w", rogue.port)
        with pytest.raises(RunFailure, match="asked for a file of this machine"):
            place.warehouse().columns("t")
        with pytest.raises(RunFailure, match="asked for a file of this machine"):
            place.warehouse().publish(make_load(tmp_path, many("2022-04", 2)))
    assert Path(FILE.decode()).read_bytes().strip() not in rogue.got
    assert place.slept == []


@pytest.mark.parametrize("trick", ["clear", "dialog"])
@pytest.mark.parametrize("tls", ["auto", "insecure"])
def test_a_server_that_asks_for_the_password_in_clear_gets_nothing(tmp_path: Path, trick: Any, tls: str) -> None:
    with Rogue(trick) as rogue:
        place = Place(Server(tmp_path), "w", rogue.port)
        with pytest.raises(RunFailure, match="asks for the password in plain text"):
            place.warehouse(password=CANARY, tls=tls).columns("t")
    assert rogue.got != b"" and CANARY.encode() not in rogue.got


@pytest.mark.parametrize("tls", ["verify_identity", "verify_ca"])
def test_a_server_without_tls_does_not_even_learn_the_user(tmp_path: Path, tls: str) -> None:
    with Rogue("clear") as rogue, pytest.raises(RunFailure, match="certificate of the server could not be verified"):
        Place(Server(tmp_path), "w", rogue.port).warehouse(user="somebody", password=CANARY, tls=tls).columns("t")
    assert rogue.got == b""


def test_only_a_server_that_proves_its_name_is_talked_to(
    spare: Callable[..., Server], authority: Authority, tmp_path: Path
) -> None:
    server = spare(authority.settings("127.0.0.1"))
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    ((_, cipher),) = rows_of(place, tls="verify_identity", ca=str(authority.path))
    assert cipher
    stranger = Authority(tmp_path / "stranger")
    for other in ("", str(stranger.path)):
        with pytest.raises(RunFailure, match="certificate of the server could not be verified") as failure:
            rows_of(place, tls="verify_identity", ca=other, password=CANARY)
        assert "set `ca` to the file of the CA certificate" in failure.value.fix
    for loader in ("insert", "load_data"):
        load = make_load(tmp_path, many("2022-04", 3_000), run_id=f"20220501T000000Z-{loader}")
        assert place.warehouse(loader=loader, tls="verify_identity", ca=str(authority.path)).publish(load).rows == 3_000
    assert len(place.rows()) == 3_000
    place.run("ANALYZE TABLE profile")
    readers = place.warehouse(tls="verify_identity", ca=str(authority.path), parallel=Parallel(2, least=1))
    copied = readers.copy("profile", columns_of({"contract": "string"}), tmp_path)
    assert (len(copied.files) > 1, copied.rows) == (True, 3_000)


def test_a_certificate_for_another_name_passes_only_where_the_profile_says_so(
    spare: Callable[..., Server], authority: Authority
) -> None:
    server = spare(authority.settings("192.0.2.1"))
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    with pytest.raises(
        RunFailure,
        match=r"certificate of the server could not be verified \(2026: IP address mismatch, certificate is not valid for '127.0.0.1'\)",
    ):
        rows_of(place, tls="verify_identity", ca=str(authority.path))
    assert rows_of(place, tls="verify_ca", ca=str(authority.path))[0][1]
    assert rows_of(place, tls="insecure")[0][1]
    assert [len(place.warehouse(tls=tls).notices) for tls in ("auto", "verify_identity", "verify_ca", "insecure")] == [
        0,
        0,
        1,
        1,
    ]


def test_a_server_that_wants_tls_says_so_and_gets_it(
    spare: Callable[..., Server], authority: Authority, tmp_path: Path
) -> None:
    server = spare(authority.settings("127.0.0.1"))
    server.run(
        "CREATE DATABASE w",
        "CREATE USER etl IDENTIFIED BY 'x1'",
        "GRANT ALL ON w.* TO etl",
        "SET GLOBAL require_secure_transport = ON",
    )
    place = Place(server, "w", server.port)
    detail = r"the server requires TLS \(3159\)" if is_mysql() else r"rejects the user or the password \(1045\)"
    with pytest.raises(RunFailure, match=detail) as failure:
        place.warehouse(user="etl", password="x1").columns("t")
    assert "`tls: verify_ca`" in failure.value.fix
    for number, tls in enumerate(("verify_ca", "insecure")):
        load = make_load(tmp_path, many("2022-04", 3), run_id=f"2022050{number + 1}T000000Z-a")
        assert place.warehouse(user="etl", password="x1", tls=tls, ca=str(authority.path)).publish(load).rows == 3


def test_the_certificates_that_a_server_makes_itself_pass_whatever_the_python(
    spare: Callable[..., Server], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 and later begin with a strict context. MariaDB 10 makes no certificates; the authority's are as plain as MySQL's."""
    server = spare([] if is_mysql() else authority.settings("127.0.0.1"))
    server.run("CREATE DATABASE w")
    made = ssl.create_default_context

    def strict(**settings: Any) -> ssl.SSLContext:
        context = made(**settings)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    ca = server.data / "ca.pem" if is_mysql() else authority.path
    assert rows_of(Place(server, "w", server.port), tls="verify_ca", ca=str(ca))[0][1]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("db", False),
        ("localhost.example.com", False),
    ],
)
def test_the_line_to_another_machine_is_verified_by_default(host: str, is_local: bool) -> None:
    address = Address(host, 3306, "", "w", "etl", Secret(""))
    context = _tls(address, SessionSettings())
    assert (context is None) is is_local
    assert context is None or (context.check_hostname and context.verify_mode.name == "CERT_REQUIRED")


def test_a_password_is_in_no_message_and_no_traceback(place: Place, tmp_path: Path) -> None:
    place.run(f"CREATE USER u_{place.database}@'%' IDENTIFIED BY 'other'")
    url = f"mysql+pymysql://u_{place.database}:{CANARY}@127.0.0.1:{place.port}/{place.database}"
    cases: list[tuple[str, Callable[[Any], Any]]] = [
        (url, lambda warehouse: warehouse.columns("t")),
        (url, lambda warehouse: warehouse.publish(make_load(tmp_path, many("2022-04", 2)))),
        (url.replace("mysql+pymysql", "postgresql"), lambda warehouse: None),
        (url.replace(str(place.port), "port"), lambda warehouse: None),
        (url + "?ssl=1", lambda warehouse: None),
        (f"{CANARY}", lambda warehouse: None),
    ]
    for written, act in cases:
        warehouse = None
        with pytest.raises(RunFailure) as failure:
            warehouse = Mysql("${URL}").open(
                "warehouse", tmp_path, lambda text, written=written: text.replace("${URL}", written), writing=True
            )
            act(warehouse)
        summary = [
            failure.value.message,
            failure.value.fix,
            repr(failure.value),
            repr(warehouse),
            *traceback.format_exception(failure.value),
        ]
        assert CANARY not in "\n".join(summary)
    assert failure.value.exit_code == 2


@pytest.mark.parametrize("password", ["pässwörd", "mật khẩu", "пароль", "😀"])
def test_a_password_may_have_every_letter(place: Place, password: str) -> None:
    place.run(
        f"CREATE USER u_{place.database}@'%' IDENTIFIED BY '{password}'",
        f"GRANT SELECT ON {place.database}.* TO u_{place.database}@'%'",
    )
    assert place.warehouse(user=f"u_{place.database}", password=password).columns("t") is None


FAILURES = {
    "wrong password": ({"user": "u", "password": "no"}, "the server rejects the user or the password (1045)"),
    "no such database": ({"database": "nowhere"}, "there is no such database (1049)"),
    "no rights": ({"user": "u", "password": "yes"}, "the account may not use this database (1044)"),
    "nobody listens": ({"port": 1}, "the server cannot be reached (2003: Connection refused)"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_connection_that_fails_says_where_and_what_to_do(place: Place, case: str) -> None:
    given, detail = FAILURES[case]
    user = f"u_{place.database}"
    place.run(f"CREATE USER {user}@'%' IDENTIFIED BY 'yes'")
    port, database = int(str(given.get("port", place.port))), str(given.get("database", place.database))
    other = Place(place.server, database, port)
    account = {"user": user, "password": str(given["password"])} if "user" in given else {}
    with pytest.raises(RunFailure) as failure:
        other.warehouse(**account).columns("t")
    assert failure.value.message == f"connection `warehouse` (127.0.0.1:{port}, database `{database}`): {detail}"
    assert failure.value.fix and failure.value.exit_code == 1


def test_an_account_without_rights_may_use_the_database_after_the_printed_statement(
    place: Place, tmp_path: Path
) -> None:
    user = f"u_{place.database}"
    place.run(f"CREATE USER {user}@'%' IDENTIFIED BY 'yes'")
    warehouse = place.warehouse(user=user, password="yes")
    load = make_load(tmp_path, many("2022-04", 3))
    with pytest.raises(RunFailure, match="1044") as failure:
        warehouse.publish(load)
    place.run(failure.value.fix.removeprefix("let an administrator run: ").split(";")[0])
    assert warehouse.publish(load).rows == 3
    place.run(f"DROP USER {user}@'%'")


def test_a_host_without_an_address_is_named() -> None:
    opened = Mysql("mysql://etl@nowhere.invalid/w").open("warehouse", Path(), lambda text: text, writing=False)
    with pytest.raises(
        RunFailure,
        match=r"nowhere\.invalid:3306, database `w`\): the server cannot be reached \(2003: its host name cannot be resolved",
    ):
        opened.columns("t")


def address_of(name: str, url: str, password: str) -> Address:
    return read_address(name, url, password, Mysql.form)


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("mysql+pymysql://etl:pw@db/w?local_infile=1", "unknown option `local_infile`"),
        ("sqlite:///w.db", "`sqlite` is not MySQL"),
        ("mysql://etl@db", "has no database"),
        ("mysql://db/w", "has no user"),
        ("warehouse", "is not a URL"),
        ("mysql://etl@db/w?charset=latin1", "a character set that cannot hold every text"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(url: str, detail: str) -> None:
    with pytest.raises(RunFailure) as failure:
        address_of("warehouse", url, "")
    assert detail in failure.value.message and failure.value.exit_code == 2


@pytest.mark.parametrize("url", ["w0rd@planted@h:1/db", "w0rd@planted/x@h/db", "w0rd@x/se?planted=1@h/db"])
def test_an_at_sign_that_a_password_holds_as_it_is_shows_none_of_it(url: str) -> None:
    with pytest.raises(RunFailure, match="more than one `@`") as failure:
        address_of("warehouse", f"mysql://u:{url}", "")
    assert "planted" not in failure.value.message + failure.value.fix


def test_a_url_gives_every_part_of_the_address() -> None:
    found = address_of(
        "warehouse", "mariadb+pymysql://etl:p%40ss@db.example.com:3307/customer360?charset=utf8mb4", "unused"
    )
    assert (found.host, found.port, found.database, found.user, found.password.reveal()) == (
        "db.example.com",
        3307,
        "customer360",
        "etl",
        "p@ss",
    )
    assert found.place == "db.example.com:3307, database `customer360`"
    separate = address_of("warehouse", "mysql://etl@[::1]/w", "secret")
    assert (separate.place, separate.password.reveal(), separate.is_local) == (
        "[::1]:3306, database `w`",
        "secret",
        True,
    )
    assert address_of("warehouse", "mysql://etl@/w?unix_socket=/run/db.sock", "").socket == "/run/db.sock"


def test_a_socket_is_a_way_to_the_server(place: Place, tmp_path: Path) -> None:
    url = f"mysql://root@localhost/{place.database}?unix_socket={place.server.folder / 's'}"
    warehouse = Mysql(url).open("warehouse", tmp_path, lambda text: text, writing=True)
    assert warehouse.publish(make_load(tmp_path, many("2022-04", 3))).rows == 3
    warehouse.close()
    assert len(place.rows()) == 3


def test_messages_of_the_server_lose_the_values_that_they_quote() -> None:
    assert masked("Duplicate entry 'O'Brien-1' for key 'PRIMARY'") == "Duplicate entry '***' for key 'PRIMARY'"
    assert (
        masked("Incorrect integer value: 'a'b' for column `w`.`t`.`n` at row 1")
        == "Incorrect integer value: '***' for column `w`.`t`.`n` at row 1"
    )
    assert masked("Data too long for column 'name' at row 579912000") == "Data too long for column 'name' at row ***"


def test_pymysql_has_the_methods_that_the_line_replaces() -> None:
    wanted = {
        pymysql.connections.Connection._read_query_result: ["self", "unbuffered"],
        pymysql.connections.Connection._process_auth: ["self", "plugin_name", "auth_packet", "handler"],
        pymysql.connections.Connection._force_close: ["self"],
        pymysql.connections.MySQLResult._read_load_local_packet: ["self", "first_packet"],
        pymysql.connections.MySQLResult._read_ok_packet: ["self", "packet"],
    }
    assert {method: list(inspect.signature(method).parameters) for method in wanted} == wanted
