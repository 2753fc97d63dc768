"""Lines to the server for what keeps tables of its own there: the label store."""

from __future__ import annotations

from etlrun.connections._mysql.errors import explain, server_error
from etlrun.connections._mysql.session import Settings, open_line
from etlrun.connections._mysql.wire import Line
from etlrun.spec.database import Lines
from etlrun.warehouse.address import Address


def lines_to(address: Address, settings: Settings) -> Lines:
    """Lines to `address`, opened as those of a warehouse are, on which nothing is committed until it is said."""

    def open_() -> Line:
        line = open_line(address, settings)
        line.autocommit(False)
        return line

    return Lines(address.place, open_, lambda error: explain(server_error(error), address))
