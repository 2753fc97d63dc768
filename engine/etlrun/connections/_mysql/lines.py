"""Lines to the server for what keeps tables of its own there: the label store."""

from __future__ import annotations

from etlrun.connections._mysql.errors import explain, server_error
from etlrun.connections._mysql.session import SessionSettings, open_line
from etlrun.connections._mysql.wire import MysqlConnection
from etlrun.contracts.connection import ServerAccess
from etlrun.warehouse.address import Address


def lines_to(address: Address, settings: SessionSettings) -> ServerAccess:
    """Lines to `address`, opened as those of a warehouse are, on which nothing is committed until it is said."""

    def open_() -> MysqlConnection:
        line = open_line(address, settings)
        line.autocommit(False)
        return line

    return ServerAccess(address.place, open_, lambda error: explain(server_error(error), address))
