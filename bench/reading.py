"""What reading a table of MySQL costs: a million rows of 10 columns into Parquet, over one connection and over several.

Starts a private MariaDB below the system's temporary folder (see tests/mysql/server.py) and writes the tables into bench/reading.md. Each
read is a process of its own. The base is what one writes by hand: PyMySQL's SSCursor, a tuple for each row, columns of Arrow from
those. The second table is for a server that is further away: each connection goes through a line of 10 MB a second.
`ROWS=100000 ROUNDS=1 python bench/reading.py` takes other sizes.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "tests"))

import pyarrow as pa  # noqa: E402 - the tests' server is found through the path above
import pyarrow.parquet as pq  # noqa: E402
from pymysql.cursors import SSCursor  # noqa: E402

from etlrun.language.arrow import arrow_schema  # noqa: E402
from etlrun.warehouse.access import Parallel  # noqa: E402
from mysql.loads import Place, columns_of  # noqa: E402
from mysql.server import Server  # noqa: E402

ROWS = int(os.environ.get("ROWS", "1000000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
LINE = 10_000_000  # bytes a second
PAGE = 50_000
HOW = {"tuples": "PyMySQL, a tuple for each row", "1": "`readers: 1`", "2": "`readers: 2`", "4": "`readers: 4`"}
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
FILL = f"""
INSERT INTO profile SELECT upper(substr(md5(seq), 1, 12)), seq * 7919 % 86400, seq * 31 % 86400, seq * 13 % 86400, seq * 17 % 86400, seq % 86400,
  elt(1 + seq % 5, 'Giải Trí', 'Phim Truyện', 'Thể Thao', 'Thiếu Nhi', 'Truyền Hình'),
  elt(1 + seq % 3, 'Giải Trí-Thể Thao', 'Phim Truyện', 'Giải Trí-Phim Truyện-Thiếu Nhi'), 1 + seq % 30, elt(1 + seq % 3, 'High', 'Medium', 'Low')
FROM seq_1_to_{ROWS} ORDER BY 1
"""


class SlowLine:
    """A way to 127.0.0.1:`port` on which each connection brings so many bytes a second."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.upstream))
            threading.Thread(target=self._carry, args=(client, server, 0), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, LINE), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket, speed: int) -> None:
        free = time.monotonic()
        try:
            while data := source.recv(1 << 18):
                target.sendall(data)
                if speed:
                    free = max(free, time.monotonic() - 0.05) + len(data) / speed
                    time.sleep(max(0.0, free - time.monotonic()))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()


def read(port: int, folder: Path, how: str) -> tuple[float, float, float]:
    """One read in a process of its own; gives its seconds, those of its processor time, and the most memory that it had, in MB."""
    program = [sys.executable, __file__, "read", str(port), str(folder), how]
    seconds, processor, memory = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(seconds), float(processor), float(memory)


def read_here(port: str, folder: str, how: str) -> None:
    place = Place(Server(Path(folder)), "w", int(port))
    place.server.port = int(port)
    started, before = time.monotonic(), time.process_time()
    if how == "tuples":
        rows = read_tuples(place, Path(folder))
    else:
        rows = (
            place.warehouse(parallel=Parallel(int(how)), timeout=600)
            .copy("profile", columns_of(DECLARED), Path(folder))
            .rows
        )
    seconds, processor = time.monotonic() - started, time.process_time() - before
    assert rows == ROWS
    most = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(f"{seconds} {processor} {int(most.split()[1]) / 1024}\n")


def read_tuples(place: Place, folder: Path) -> int:
    """By hand: the texts of PyMySQL, a page of tuples at a time."""
    schema = arrow_schema(columns_of(DECLARED))
    rows = 0
    connection = place.server.connect("w", cursorclass=SSCursor)
    connection.decoders, connection.use_unicode = {}, False
    with connection.cursor() as cursor, pq.ParquetWriter(folder / "rows.parquet", schema) as writer:
        cursor.execute("SELECT * FROM profile")
        while page := cursor.fetchmany(PAGE):
            columns = zip(zip(*page, strict=True), schema, strict=True)
            arrays = [pa.array(values, pa.binary()).cast(pa.string()).cast(field.type) for values, field in columns]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            rows += len(page)
    return rows


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="etlrun-bench-"))
    server = Server(folder / "server", ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"])
    try:
        server.make()
        server.start()
        columns = ", ".join(
            f"`{name}` {'BIGINT' if kind == 'bigint' else 'TEXT'}" for name, kind in list(DECLARED.items())[1:]
        )
        server.run("CREATE DATABASE w")
        server.run(
            f"CREATE TABLE profile (Contract VARCHAR(255) PRIMARY KEY, {columns}) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            FILL,
            "ANALYZE TABLE profile",
            database="w",
        )
        lines = {"on the same machine": server.port, "over lines of 10 MB a second": SlowLine(server.port).port}
        took: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        for _ in range(ROUNDS):
            for line, port in lines.items():
                for how in HOW:
                    took.setdefault((line, how), []).append(read(port, folder, how))
                    sys.stdout.write(f"{line}, {how}: {took[line, how][-1][0]:.1f} s\n")
        write(took)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def write(took: dict[tuple[str, str], list[tuple[float, float, float]]]) -> None:
    """The table of bench/reading.md."""
    lines = [
        f"{ROWS:,} rows of {len(DECLARED)} columns from MariaDB into Parquet, medians of {ROUNDS} rounds, in turn: `python bench/reading.py`.",
        "Processor time is that of the reading process, without the server, which uses the same two cores.",
        "",
        "| server | how | seconds | ratio | processor s | ratio | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for (line, how), rounds in took.items():
        base = took[line, "tuples"]
        ratios = [
            statistics.median(one[index] / other[index] for one, other in zip(rounds, base, strict=True))
            for index in (0, 1)
        ]
        seconds, processor, memory = (statistics.median(one[index] for one in rounds) for index in (0, 1, 2))
        lines.append(
            f"| {line} | {HOW[how]} | {seconds:.1f} | {ratios[0]:.2f} x | {processor:.1f} | {ratios[1]:.2f} x | {memory:.0f} |"
        )
    (PROJECT / "bench" / "reading.md").write_text("\n".join(lines) + "\n")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        read_here(*sys.argv[2:])
    else:
        main()
