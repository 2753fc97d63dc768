"""The connection to the server: PyMySQL's, made safe against requests from a malicious server.

A server may answer any statement with a request for a local file. This connection opens no file: it sends the data given to
`stream`, once, under a name that nobody can guess, and disconnects on any other request. It also disconnects if the producer of the
data fails in the middle: PyMySQL itself would then tell the server that the data is complete. A password in clear text is sent
only if the server has been verified. MySQL's default kind of account, caching_sha2_password, sends its password within
TLS, or encrypted with the key that the server sends: there `tls` decides whether the server must be verified.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pymysql import err
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import CLIENT, COMMAND, CR
from pymysql.protocol import LoadLocalPacketWrapper, MysqlPacket

PACKET = 1 << 20
MALFORMED = (struct.error, LookupError, ValueError, TypeError, AssertionError, UnboundLocalError)
IN_CLEAR = (b"mysql_clear_password", b"dialog")


class MysqlConnection(Connection):  # type: ignore[misc]
    """A connection that streams data to LOAD DATA LOCAL and never opens a file."""

    def __init__(self, *, is_verified: bool, **settings: Any) -> None:
        self._is_verified = is_verified
        self._offered: tuple[bytes, Iterable[memoryview]] | None = None
        self._result: _Result | None = None
        self._may_hold_rows = False
        self.failed_producer: BaseException | None = None
        flags = settings.pop("client_flag", 0) | CLIENT.LOCAL_FILES
        super().__init__(client_flag=flags, local_infile=False, **settings)

    def stream(self, statement: str, chunks: Iterable[memoryview]) -> tuple[int, int]:
        """Run a LOAD DATA LOCAL INFILE '{file}' with `chunks` as the file; returns the numbers of loaded rows and of warnings."""
        file = "etlrun-" + secrets.token_hex(16)
        self._offered = (file.encode(), chunks)
        try:
            with self.cursor() as cursor:
                cursor.execute(statement.replace("{file}", file, 1))
                return cursor.rowcount, cursor.warning_count
        finally:
            self._offered = None

    def start_rows(self, query: str) -> int:
        """Send a query; returns the number of its columns. Its rows are then read with `receive`, until `end_rows` is called."""
        self._execute_command(COMMAND.COM_QUERY, query)
        self._read_query_result(unbuffered=True)
        assert self._result is not None
        self._may_hold_rows = True
        return int(self._result.field_count)

    def receive(self, view: memoryview) -> int:
        """Fill `view` with the bytes that have arrived from the server; returns their number."""
        try:
            if self._may_hold_rows:  # read together with what describes the columns; `readinto1` would wait for more
                held = self._rfile.read1(len(view))
                count = len(held)
                view[:count] = held
                self._may_hold_rows = False
            else:
                count = self._rfile.raw.readinto(view)
        except OSError as error:
            self._force_close()
            raise err.OperationalError(
                CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({error})"
            ) from None
        if not count:
            self._force_close()
            raise err.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
        return int(count)

    def end_rows(self) -> None:
        """Make the line ready for the next statement."""
        assert self._result is not None
        self._result.unbuffered_active = False
        self._result.connection = None

    def wait_at_most(self, seconds: int) -> None:
        """Set how long to wait for the server from now on; until now the limit was the connect timeout."""
        self._read_timeout = seconds

    def abort(self) -> None:
        """Cut the connection; the server rolls back an open transaction."""
        self._force_close()

    def cut(self) -> None:
        """Cut the connection from another thread: a thread that waits for the server gets an error at once."""
        sock = self._sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _force_close(self) -> None:
        result = getattr(self, "_result", None)
        if result is not None:
            result.unbuffered_active = False  # otherwise it would be read to its end when it is garbage collected
        super()._force_close()

    def take_offer(self, asked: bytes) -> Iterable[memoryview]:
        """The data offered under the name `asked`; disconnects if it was not offered."""
        offered, self._offered = self._offered, None
        if offered is None or offered[0] != asked:
            self._force_close()
            raise err.OperationalError(
                CR.CR_LOAD_DATA_LOCAL_INFILE_REJECTED, "the server asked for a file that was not offered"
            )
        return offered[1]

    def _read_query_result(self, unbuffered: bool = False) -> int:
        self._result = None
        result = _Result(self)
        with self._well_formed():
            if unbuffered:
                result.init_unbuffered_query()
            else:
                result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        affected: int = result.affected_rows
        return affected

    def _get_server_information(self) -> None:
        with self._well_formed():
            super()._get_server_information()

    def _request_authentication(self) -> None:
        with self._well_formed():
            super()._request_authentication()

    def _read_packet(self, packet_type: Any = MysqlPacket) -> Any:
        with self._well_formed():
            return super()._read_packet(packet_type)

    @contextmanager
    def _well_formed(self) -> Iterator[None]:
        """In this block, an answer that PyMySQL cannot parse is a failure of the connection: it was cut, or the server is not MySQL."""
        try:
            yield
        except MALFORMED as error:
            if error is self.failed_producer or isinstance(error, OSError):  # a certificate's error is a ValueError too
                raise
            self._force_close()
            raise err.OperationalError(CR.CR_MALFORMED_PACKET, "malformed packet") from error

    def _process_auth(self, plugin_name: bytes, auth_packet: Any, handler: Any = None) -> Any:
        if plugin_name in IN_CLEAR and not self._is_verified:
            self._force_close()
            raise err.OperationalError(
                CR.CR_AUTH_PLUGIN_ERR, "the server asked for the password in clear over a line that is not verified"
            )
        return super()._process_auth(plugin_name, auth_packet, handler)


class _Result(MySQLResult):  # type: ignore[misc]
    def _read_load_local_packet(self, first_packet: Any) -> None:
        line: MysqlConnection = self.connection
        chunks = line.take_offer(LoadLocalPacketWrapper(first_packet).filename)
        try:
            for chunk in chunks:
                for start in range(0, len(chunk), PACKET):
                    line.write_packet(bytes(chunk[start : start + PACKET]))
            line.write_packet(b"")  # the end of the data, sent only after all of it
        except BaseException as error:
            line.failed_producer = error
            line.abort()
            raise
        answer = line._read_packet()
        if not answer.is_ok_packet():
            line.abort()
            raise err.OperationalError(CR.CR_COMMANDS_OUT_OF_SYNC, "the server did not confirm the data")
        self._read_ok_packet(answer)
