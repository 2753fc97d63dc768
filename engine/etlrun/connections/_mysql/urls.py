"""The URLs of MySQL and MariaDB."""

from __future__ import annotations

from etlrun.warehouse.address import Address, UrlForm, read_address

FORM = UrlForm(
    "MySQL",
    ("mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"),
    3306,
    ("charset", "unix_socket"),
    "unix_socket",
    "mysql+pymysql://user@host:3306/database",
)


def read_mysql_url(connection: str, url: str, password: str) -> Address:
    """The address that `url` names; `password` stands in for one that the URL leaves out. Raises RunFailure."""
    return read_address(connection, url, password, FORM)
