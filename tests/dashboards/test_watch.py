"""`etlrun dashboard watch`: pages are built again and loaded again when a file or the table changes, and mistakes are shown, not fatal."""

from __future__ import annotations

import http.client
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import Browser, Page

from projects import Project

PIPELINE = """
sources:
  orders:
    csv: {path: orders.csv, columns: {shop: string, price: int}}
steps:
  sales:
    - from: orders
    - aggregate: {by: [shop], columns: {revenue: sum(price)}}
sinks:
  sales: {table: {from: sales, connection: warehouse, key: [shop], write: replace}}
"""
DASHBOARD = """
dashboard: sales
title: Sales
pipeline: p
sink: sales
measures: {revenue: {label: Revenue, sum: revenue}}
page: [[{kpi: revenue}], [{table: {columns: [shop, revenue], order: revenue desc}}]]
"""
INSIDE = "document.getElementById('page').contentDocument"
TITLE = f"{INSIDE}.querySelector('h1')?.textContent"
NUMBER = f"{INSIDE}.querySelector('.kpi b')?.textContent"
PROBLEM = "document.getElementById('problem').textContent"


@dataclass(frozen=True)
class Watching:
    """A project whose dashboard is watched, and the page in a browser."""

    project: Project
    process: subprocess.Popen[str]
    port: int
    page: Page

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, bytes, str | None]:
        """The status, the body and the policy of an answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as line:
            line.request("GET", path, headers={"Host": host})
            answer = line.getresponse()
            return answer.status, answer.read(), answer.headers["Content-Security-Policy"]


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Watching]:
    project = Project(tmp_path_factory.mktemp("watched"))
    project.write("orders.csv", "shop,price\nNorth,5\nSouth,7\n")
    project.write("dashboards/sales.yaml", DASHBOARD)
    assert project.run(project.pipeline(PIPELINE)).code == 0
    process = project.start("dashboard", "watch", "--port", "0")
    assert process.stdout
    address = process.stdout.readline().split()[0]
    page = browser.page()
    page("goto", address)
    yield Watching(project, process, int(address.rstrip("/").rpartition(":")[2]), page)
    page.close()
    process.kill()
    process.communicate()


def test_the_page_follows_files_and_table_and_mistakes_are_shown(watching: Watching) -> None:
    project, page = watching.project, watching.page
    page.wait(f"{NUMBER} === '12'")
    project.write("dashboards/sales.yaml", DASHBOARD.replace("title: Sales", "title: Takings"))
    page.wait(f"{TITLE} === 'Takings'")
    project.write("dashboards/sales.yaml", DASHBOARD.replace("sum: revenue", "sum: revenu"))
    page.wait(f"{PROBLEM}.includes('dashboards/sales.yaml:6:43: unknown-column')")
    assert page.ask(TITLE) == "Takings"
    project.write("dashboards/sales.yaml", DASHBOARD)
    page.wait(f"{TITLE} === 'Sales' && {PROBLEM} === '' && document.getElementById('problem').hidden")
    project.write("orders.csv", "shop,price\nNorth,5\nSouth,7\nWest,30\n")
    assert project.run("pipelines/p.yaml").code == 0
    page.wait(f"{NUMBER} === '42'")
    warehouse = project.folder / "warehouse.duckdb"
    warehouse.rename(project.folder / "away.duckdb")
    page.wait(f"{PROBLEM}.includes('connection-missing')")
    assert page.ask(NUMBER) == "42"
    (project.folder / "away.duckdb").rename(warehouse)
    page.wait(f"{PROBLEM} === ''")
    assert page("messages") == []


def test_the_page_that_is_served_is_the_built_file(watching: Watching) -> None:
    watching.page.wait(f"!!{NUMBER}")
    built = (watching.project.folder / "build/dashboards/sales.html").read_bytes()
    assert watching.get("/pages/sales") == (200, built, "frame-ancestors 'self'")
    assert watching.get("/pages/..%2Fsales")[0] == 404


def test_names_of_elsewhere_that_lead_to_this_machine_get_nothing(watching: Watching) -> None:
    assert watching.get("/state", host="evil.example")[0] == 400


def test_a_busy_port_is_named(watching: Watching) -> None:
    result = watching.project.run("dashboard", "watch", "--port", str(watching.port))
    assert result.code == 2
    assert f"port-busy: port {watching.port} of 127.0.0.1 cannot be used (Address already in use)" in result.err
    assert "--port 0" in result.err


def test_ctrl_c_ends_it(watching: Watching) -> None:
    watching.page.wait(f"!!{NUMBER}")
    watching.process.send_signal(signal.SIGINT)
    out, err = watching.process.communicate(timeout=20)
    assert watching.process.returncode == 130
    assert "sales: 2 rows in a page of" in out and "Traceback" not in err
    assert err.endswith("interrupted: nothing more was published\n")
    assert list(Path(watching.project.folder, "build/dashboards").iterdir()) == [
        watching.project.folder / "build/dashboards/sales.html"
    ]
    watching.page.wait(f"{PROBLEM}.startsWith('The server has ended')")
