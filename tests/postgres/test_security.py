"""Who gets a password and rows: only a server that proves its name, unless the profile says otherwise or it is on this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from etlrun.connections._postgres.server import PostgresServer
from etlrun.connections._postgres.session import _protection
from etlrun.connections.postgres import Postgres
from etlrun.enrich.labels import open_store
from etlrun.failures import RunFailure
from etlrun.secrets import Secret
from etlrun.warehouse.access import SessionSettings
from etlrun.warehouse.address import Address
from etlrun.warehouse.server import ServerError
from mysql.authority import Authority
from mysql.loads import make_load, many

from .guarded import Guarded

CANARY = "c4n4ry-pässwörd"
IN_CLEAR = b"R\x00\x00\x00\x08\x00\x00\x00\x03"  # the server asks for the password as it is


class Listener:
    """Inside, a server on `port` that has no TLS, and answers a client that logs in with `answer`; `got` is what clients sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.got = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Listener:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with client:
                    client.settimeout(5)
                    for answer in (b"N", self.answer, b""):  # no TLS; the answer to the login; what comes then
                        self.got += (sent := client.recv(4096))
                        if not sent:
                            break
                        client.sendall(answer)


def test_off_this_machine_a_server_must_prove_its_name_and_an_authority_is_known() -> None:
    far = Address("db.example.com", 5432, "", "w", "etl", Secret(""))
    protection = _protection(far, SessionSettings())
    assert protection["sslmode"] == "verify-full"
    assert Path(protection["sslrootcert"]).exists() or protection["sslrootcert"] == "system"
    near = Address("localhost", 5432, "", "w", "etl", Secret(""))
    assert _protection(near, SessionSettings())["sslmode"] == "prefer"


def test_only_a_server_that_proves_its_name_is_talked_to(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.certify("127.0.0.1")
    ca = str(guarded.authority.path)
    assert guarded.is_encrypted(tls="verify_identity", ca=ca)
    stranger = Authority(tmp_path / "stranger")
    for other in ("", str(stranger.path)):
        with pytest.raises(RunFailure, match="certificate of the server could not be verified") as failure:
            guarded.is_encrypted(tls="verify_identity", ca=other)
        assert "set `ca` to the file of the CA certificate" in failure.value.fix
    with pytest.raises(RunFailure, match="the certificate .* cannot be read"):
        guarded.open(tls="verify_identity", ca="/missing.pem").columns("t")
    monkeypatch.setenv("SSL_CERT_FILE", ca)  # an authority of the system
    warehouse = guarded.open(tls="verify_identity")
    assert warehouse.publish(make_load(tmp_path, many("2022-04", 3))).rows == 3
    store = open_store(
        Postgres(f"postgresql://root@127.0.0.1:{guarded.server.port}/w", tls="verify_identity").lines(
            "l", tmp_path, str
        )
    )
    store.close()


def test_a_certificate_for_another_name_passes_only_where_the_profile_says_so(guarded: Guarded) -> None:
    guarded.certify("192.0.2.1")
    ca = str(guarded.authority.path)
    with pytest.raises(
        RunFailure, match=r"certificate of the server could not be verified \(TLS: .*does not match host name"
    ):
        guarded.is_encrypted(tls="verify_identity", ca=ca)
    assert guarded.is_encrypted(tls="verify_ca", ca=ca)
    assert guarded.is_encrypted(tls="insecure")
    notices = [
        len(guarded.open(tls=tls, ca=ca).notices) for tls in ("auto", "verify_identity", "verify_ca", "insecure")
    ]
    assert notices == [0, 0, 1, 1]


@pytest.mark.parametrize("tls", ["verify_identity", "verify_ca"])
def test_a_server_without_tls_does_not_even_learn_the_user(guarded: Guarded, tls: str) -> None:
    with (
        Listener(IN_CLEAR) as listener,
        pytest.raises(RunFailure, match="certificate of the server could not be verified"),
    ):
        guarded.open(
            port=listener.port, account="somebody", password=CANARY, tls=tls, ca=str(guarded.authority.path)
        ).columns("t")
    assert b"somebody" not in listener.got and CANARY.encode() not in listener.got


@pytest.mark.parametrize("tls", ["auto", "insecure"])
def test_a_server_that_asks_for_the_password_in_clear_gets_nothing(guarded: Guarded, tls: str) -> None:
    with (
        Listener(IN_CLEAR) as listener,
        pytest.raises(RunFailure, match="asks for the password in plain text") as failure,
    ):
        guarded.open(port=listener.port, account="somebody", password=CANARY, tls=tls).columns("t")
    assert b"somebody" in listener.got and CANARY.encode() not in listener.got
    assert CANARY not in failure.value.message + failure.value.fix


def test_a_line_with_tls_that_breaks_is_tried_again(guarded: Guarded) -> None:
    guarded.certify("127.0.0.1")
    address = Address("127.0.0.1", guarded.server.port, "", "w", "root", Secret(""))
    server = PostgresServer(address, SessionSettings("verify_identity", str(guarded.authority.path)))
    session = server.open()
    session.cut()
    with pytest.raises(ServerError, match="08006") as failure:
        session.rows("SELECT 1")
    session.close()
    assert failure.value.is_transient
