"""What a publish to MySQL costs: 1.92 million rows of 10 columns from a run directory, against a bare LOAD DATA of a ready file.

Starts private servers below the system's temporary folder and writes their tables into bench/publish.md: the MariaDB that is installed,
or the program that ETLRUN_TEST_MYSQLD names (see tests/mysql/server.py); with 256 MB for pages, with the sizes that a server has as it is
installed, and with memory for the whole table.
The bare LOAD DATA reads a CSV file that is already sorted by key, checks nothing, and commits. Both go into an empty table, and then
again over the rows that are there, where a DELETE comes first. Where Debian's `libmariadb-java` is installed, Spark's own JDBC writer
(two tasks, rewriteBatchedStatements) puts the same Parquet files into an empty table; its start-up does not count.
`ROWS=100000 python bench/publish.py` takes other sizes.
"""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "tests"))

import duckdb  # noqa: E402 - the tests' server is found through the path above

from etlrun.contracts.connection import Load, Publish  # noqa: E402
from mysql.loads import Place, columns_of  # noqa: E402
from mysql.server import Server, redo_log  # noqa: E402

ROWS = int(os.environ.get("ROWS", "1920000"))
CONNECTOR = Path("/usr/share/java/mariadb-java-client.jar")
INTRODUCTION = """# Publishing

`python bench/publish.py` writes the tables for MariaDB, `ETLRUN_TEST_MYSQLD=/path/to/mysqld python bench/publish.py` for another server, and
`python bench/publish_postgres.py` for PostgreSQL. The time of a publish includes connecting, the inspection of every staged row, the sort by key, the load,
the checksum on the server, and COMMIT.

"""
SHOWN = {
    "bare": "{} of a file that is sorted by key, without checks",
    "copy": "publish",
    "jdbc": "Spark's JDBC writer, without checks or a transaction",
    "pointer": "publish with `publish: pointer`; the previous rows are kept, and older ones removed",
}
LOADERS = ("load_data", "insert")
TABLES = {"load_data": "profile", "insert": "profile", "pointer": "pointed"}  # what a publish fills
QUERIES = {
    "all rows: `SELECT Most_watched, SUM(Total_Giai_Tri) ... GROUP BY 1`": "SELECT Most_watched, SUM(Total_Giai_Tri) FROM {} GROUP BY 1",
    "2,000 contracts, one after the other, by key": "SELECT * FROM {} WHERE Contract = '{}'",
}
SIZES = {
    "with 256 MB for pages": ["--innodb-buffer-pool-size=256M"],
    "as it is installed": [
        "--innodb-buffer-pool-size=128M",
        redo_log(96),
        "--innodb-flush-log-at-trx-commit=1",
        "--innodb-doublewrite=1",
    ],
    "with memory for the table": ["--innodb-buffer-pool-size=1G", redo_log(512)],
}
ROUNDS = int(os.environ.get("ROUNDS", "3"))
DECLARED = {
    "Contract": "string",
    "Total_Giai_Tri": "bigint",
    "Total_Phim_Truyen": "bigint",
    "Total_The_Thao": "bigint",
    "Total_Thieu_Nhi": "bigint",
    "Total_Truyen_Hinh": "bigint",
    "Most_watched": "string",
    "Taste": "string",
    "Active": "bigint",
    "Level_Activeness": "string",
}
ROWS_QUERY = f"""
SELECT upper(substr(md5(n::VARCHAR), 1, 12)) AS Contract, hash(n) % 86400 AS a, hash(n + 1) % 86400 AS b, hash(n + 2) % 86400 AS c,
  hash(n + 3) % 86400 AS d, hash(n + 4) % 86400 AS e, ['Giải Trí', 'Phim Truyện', 'Thể Thao', 'Thiếu Nhi', 'Truyền Hình'][(1 + hash(n) % 5)::INT] AS m,
  ['Giải Trí-Thể Thao', 'Phim Truyện', 'Giải Trí-Phim Truyện-Thiếu Nhi'][(1 + hash(n) % 3)::INT] AS t, 1 + hash(n) % 30 AS f,
  ['High', 'Medium', 'Low'][(1 + hash(n) % 3)::INT] AS l FROM range({ROWS}) AS numbers(n)
"""


def stage(folder: Path) -> Load:
    """The run directory, in four Parquet files; and beside it `ready.csv`, sorted by key."""
    names = ", ".join(
        f'CAST({letter} AS {kind.replace("string", "varchar")}) AS "{name}"'
        for letter, (name, kind) in zip(("Contract", *"abcdemtfl"), DECLARED.items(), strict=True)
    )
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE made AS SELECT {names} FROM ({ROWS_QUERY})")
        for part in range(4):
            connection.execute(
                f"COPY (SELECT * FROM made WHERE hash(Contract) % 4 = {part}) TO '{folder}/part-{part}.parquet'"
            )
        connection.execute(f"COPY (SELECT * FROM made ORDER BY Contract) TO '{folder}/ready.csv' (HEADER false)")
    return load_of(folder)


def load_of(folder: Path) -> Load:
    files = tuple(sorted(folder.glob("*.parquet")))
    return Load(
        "profile", columns_of(DECLARED), ("Contract",), "replace", None, "", files, ROWS, "", "run-0", "bench", ""
    )


def bare(place: Place, folder: Path) -> None:
    """LOAD DATA of the ready file, by PyMySQL itself."""
    connection = place.server.connect(place.database, autocommit=False, local_infile=True)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM plain")
        cursor.execute(
            f"LOAD DATA LOCAL INFILE '{folder}/ready.csv' INTO TABLE plain CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','"
        )
        connection.commit()
    connection.close()


def publish(place: Place, folder: Path, number: int, loader: str) -> tuple[float, float]:
    """The product's publish, in a process of its own; gives its seconds, and the most memory that the process had, in MB."""
    program = [
        sys.executable,
        __file__,
        "publish",
        str(folder),
        str(place.port),
        place.database,
        f"{number:06}-run",
        loader,
    ]
    seconds, memory = subprocess.run(program, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(memory)


def publish_here(folder: str, port: str, database: str, run_id: str, loader: str) -> None:
    mode: Publish = "pointer" if loader == "pointer" else "transaction"
    load = replace(load_of(Path(folder)), table=TABLES[loader], run_id=run_id, publish=mode)
    place = Place(Server(Path(folder)), database, int(port))
    started = time.monotonic()
    place.warehouse(loader="auto" if loader == "pointer" else loader, timeout=3600).publish(load)
    seconds = time.monotonic() - started
    sys.stdout.write(f"{seconds} {most_memory()}\n")


def most_memory() -> float:
    """The most memory that this process had, in MB; ru_maxrss counts the parent's too."""
    found = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(found.split()[1]) / 1024


def jdbc(place: Place, folder: Path, made: str) -> float:
    """The seconds that Spark's JDBC writer takes, in a process of its own, for the table that `made` makes."""
    place.run("DROP TABLE plain", made)
    program = [sys.executable, __file__, "jdbc", str(folder), str(place.port), place.database]
    return float(subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout)


def jdbc_here(folder: str, port: str, database: str) -> None:
    url = f"jdbc:mysql://127.0.0.1:{port}/{database}?rewriteBatchedStatements=true&useSSL=false"
    sys.stdout.write(f"{jdbc_seconds(folder, url, CONNECTOR, 'org.mariadb.jdbc.Driver')}\n")


def jdbc_seconds(folder: str, url: str, connector: Path, driver: str) -> float:
    """The seconds that Spark's JDBC writer takes for the rows of a folder."""
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.extraClassPath", str(connector))
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    rows = session.read.parquet(*(str(path) for path in sorted(Path(folder).glob("*.parquet")))).repartition(2)
    rows.count()
    settings = {"user": "root", "password": "", "driver": driver, "batchsize": "10000"}
    started = time.monotonic()
    rows.write.jdbc(url, "plain", "append", settings)
    seconds = time.monotonic() - started
    session.stop()
    return seconds


def main() -> None:
    for size, settings in SIZES.items():
        measure(size, settings)


def measure(size: str, settings: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="etlrun-bench-"))
    server = Server(folder / "server", settings)
    try:
        load = stage(folder)
        server.make()
        server.start()
        server.run("CREATE DATABASE w")
        place = Place(server, "w", server.port)
        names = ", ".join(
            f"`{name}` {'BIGINT' if kind == 'bigint' else 'TEXT'}" for name, kind in list(DECLARED.items())[1:]
        )
        made = f"CREATE TABLE plain (Contract VARCHAR(255) PRIMARY KEY, {names}) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        seconds: dict[tuple[str, str], list[float]] = {}
        most = []
        runs = itertools.count(1)
        for number in range(ROUNDS):
            place.run("DROP TABLE IF EXISTS plain, profile", made)
            for into in ("an empty table", "a table with as many rows"):
                is_first = number == 0 and into == "an empty table"
                others = [
                    *(["insert"] if not number else []),
                    *(["jdbc"] if into == "an empty table" and CONNECTOR.exists() else []),
                ]
                for how in ("bare", "load_data", "pointer", *others):
                    if how == "insert" and is_first:
                        place.run("DROP TABLE profile")
                    started = time.monotonic()
                    if how in TABLES:
                        took, used = publish(place, folder, next(runs), how)
                        most.append(used)
                    elif how == "jdbc":
                        took = jdbc(place, folder, made)
                    else:
                        bare(place, folder)
                        took = time.monotonic() - started
                    seconds.setdefault((into, how), []).append(took)
                    sys.stdout.write(f"{into}, {how}: {seconds[into, how][-1]:.1f} s\n")
        assert [place.run(f"SELECT COUNT(*) FROM {table}") for table in ("profile", "pointed")] == [
            [(load.rows,)],
            [(load.rows,)],
        ]
        write(f"{product(place)}, {size}", seconds, max(most), read(place))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def read(place: Place) -> list[tuple[str, float]]:
    """What reading the view of a table that is published by pointer costs, against reading a table."""
    keys = [row[0] for row in place.run("SELECT Contract FROM profile LIMIT 2000")]
    ratios: dict[str, list[float]] = {what: [] for what in QUERIES}
    connection = place.server.connect(place.database)
    with connection.cursor() as cursor:
        for _ in range(ROUNDS + 2):
            for what, query in QUERIES.items():
                took = {}
                for table in ("profile", "pointed"):
                    started = time.monotonic()
                    for key in keys if "'{}'" in query else [""]:
                        cursor.execute(query.format(table, key))
                        cursor.fetchall()
                    took[table] = time.monotonic() - started
                ratios[what].append(took["pointed"] / took["profile"])
    connection.close()
    return [(what, statistics.median(found)) for what, found in ratios.items()]


def product(place: Place) -> str:
    """The server as a heading names it: `MySQL 9.7.4`."""
    ((version,),) = place.run("SELECT VERSION()")
    return f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} {version.partition('-')[0]}"


def write(
    server: str,
    seconds: dict[tuple[str, str], list[float]],
    memory: float,
    reading: list[tuple[str, float]],
    statement: str = "LOAD DATA",
) -> None:
    """The table of bench/publish.md for a server; those of other servers stay."""
    lines = [
        f"## {server}",
        "",
        f"{ROWS:,} rows of {len(DECLARED)} columns into a server on the same machine, medians of {ROUNDS} rounds, in turn.",
        "",
        f"| into | what | seconds | ratio to {statement} |",
        "|---|---|---|---|",
    ]
    for (what, how), took in seconds.items():
        ratio = statistics.median(one / base for one, base in zip(took, seconds[what, "bare"], strict=False))
        shown = SHOWN.get(how, f"publish, loader `{how}`").format(statement)
        lines.append(f"| {what} | {shown} | {statistics.median(took):.1f} | {ratio:.2f} x |")
    if jdbc := seconds.get(("an empty table", "jdbc")):
        ours = "load_data" if ("an empty table", "load_data") in seconds else "copy"
        ratios = sorted(other / one for other, one in zip(jdbc, seconds["an empty table", ours], strict=True))
        lines += [
            "",
            f"The JDBC writer takes {statistics.median(ratios):.1f} times as long as the publish ({ratios[0]:.1f} to {ratios[-1]:.1f}).",
        ]
    lines += ["", f"Peak memory of a publishing process: {memory:.0f} MB.", ""]
    lines += reading and [
        "Reading from the view of a table with `publish: pointer`, compared with a table:",
        "",
        *(f"* {what}: {ratio:.2f} x" for what, ratio in reading),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    path = PROJECT / "bench" / "publish.md"
    tables = [f"## {table}" for table in path.read_text().split("## ")[1:]] if path.exists() else []
    kind, size = server.split(maxsplit=1)[0], server.partition(", ")[2]
    others = [
        table
        for table in tables
        if not (table.startswith(f"## {kind} ") and table.split("\n", 1)[0].endswith(f", {size}"))
    ]
    path.write_text(INTRODUCTION + "\n\n".join(table.strip() for table in sorted([*others, "\n".join(lines)])) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        publish_here(*sys.argv[2:])
    elif sys.argv[1:2] == ["jdbc"]:
        jdbc_here(*sys.argv[2:])
    else:
        main()
