"""An Iceberg catalog in a folder, and what other readers find in its tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from etlrun.lake.iceberg_catalog import CatalogSettings, CatalogTable, IcebergCatalog

READER = Path(sys.prefix) / "iceberg_reader/bin/python"
READ = """
import glob, json, os, sys
import duckdb, duckdb_extension_avro, duckdb_extension_iceberg
connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
for module, name in ((duckdb_extension_avro, "avro"), (duckdb_extension_iceberg, "iceberg")):
    (path,) = glob.glob(os.path.dirname(module.__file__) + f"/extensions/*/{name}.duckdb_extension")
    connection.execute(f"LOAD '{path}'")
print(json.dumps([[list(map(str, row)) for row in connection.execute(f"FROM iceberg_scan('{at}') {sys.argv[1]}").fetchall()] for at in sys.argv[2:]]))
"""


def catalog(folder: Path) -> IcebergCatalog:
    return IcebergCatalog("lake", CatalogSettings("default", f"sqlite:///{folder}/catalog.db", "tables", folder))


def at(folder: Path, name: str = "gold.t") -> CatalogTable:
    return CatalogTable(catalog(folder), name)


def rows_of(place: CatalogTable) -> list[tuple[Any, ...]]:
    """The rows of a table as the library of Iceberg reads them."""
    table = place.load()
    assert table is not None
    found = table.scan().to_arrow().to_pylist()
    return sorted((tuple(row.values()) for row in found), key=repr)


def folders(folder: Path) -> list[str]:
    """The folders of runs below the tables of a catalog."""
    return sorted(path.name for path in folder.glob("tables/*/*/data/etlrun-*"))


def duckdb_rows(condition: str, *places: CatalogTable) -> list[list[list[str]]]:
    """The rows of tables, as texts, as DuckDB's own reader of Iceberg tables finds them."""
    assert READER.exists(), "make .venv/iceberg_reader.stamp installs the reader"
    tables = [place.load() for place in places]
    files = [unquote(table.metadata_location.removeprefix("file://")) for table in tables if table is not None]
    done = subprocess.run([READER, "-c", READ, condition, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[list[str]]] = json.loads(done.stdout)
    return found
