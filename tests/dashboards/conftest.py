"""The dashboard of numbers.py, built once from every place that can hold its rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from browser import Browser
from built import Built
from numbers_of import DASHBOARD, PIPELINE, PROJECT, rows

from mysql.conftest import server, template  # noqa: F401 (fixtures)
from mysql.server import Server
from postgres.server import PostgresProcess
from projects import Project

SINKS = ("out", "out_server", "out_postgres", "out_file")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    started = Browser()
    yield started
    started.close()


@pytest.fixture(scope="session")
def postgres_process() -> Iterator[PostgresProcess]:
    process = PostgresProcess().start()
    process.run("CREATE DATABASE numbers")
    yield process
    process.stop()


@pytest.fixture(scope="session")
def built(
    tmp_path_factory: pytest.TempPathFactory,
    server: Server,  # noqa: F811
    postgres_process: PostgresProcess,
) -> Iterator[Built]:
    server.run("CREATE DATABASE numbers")
    project = Project(tmp_path_factory.mktemp("numbers"))
    project.write("etlrun.yaml", PROJECT)
    project.write(
        "mappings/apps.yaml", 'Films: [Films]\nSport: [Sport]\n"</script> \\"it\'s\\"": ["</script> \\"it\'s\\""]\n'
    )
    (project.folder / "data").mkdir()
    pq.write_table(rows(400), project.folder / "data" / "rows.parquet")
    for sink in SINKS:
        project.write(f"dashboards/{sink}.yaml", DASHBOARD.replace("NAME", sink).replace("SINK", sink))
    urls = {
        "SERVER_URL": f"mysql+pymysql://root@127.0.0.1:{server.port}/numbers",
        "POSTGRES_URL": f"postgresql+psycopg://root@127.0.0.1:{postgres_process.port}/numbers",
    }
    for command in ([project.pipeline(PIPELINE)], ["dashboard", "build"], ["dashboard", "build", "--to", "powerbi"]):
        result = project.run(*command, **urls)
        assert result.code == 0, result.err
    yield Built(project, server, postgres_process)
    server.run("DROP DATABASE numbers")
