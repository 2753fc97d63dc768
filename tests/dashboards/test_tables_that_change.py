"""Pages of a table that is empty, that a later run did not replace, or that has other columns than the pipeline now."""

from __future__ import annotations

from pathlib import Path

from browser import Browser

from projects import Project

PIPELINE = """
sources:
  orders:
    csv: {path: orders.csv, columns: {shop: string, size: string, price: int}}
steps:
  sales:
    - from: orders
    - aggregate: {by: [shop, size], columns: {revenue: sum(price)}}
checks:
  sales: [row_count: {min: 0, max: 2}]
sinks:
  sales: {table: {from: sales, connection: warehouse, key: [shop], write: replace, min_rows: 0}}
"""
DASHBOARD = """
dashboard: sales
title: Sales
pipeline: p
sink: sales
measures:
  shops: {label: Shops, count: rows}
  revenue: {label: Revenue, sum: revenue}
  top: {label: Top, argmax: {over: size, by: revenue}}
filters: [size]
page:
  - [{kpi: shops}, {kpi: revenue}, {kpi: top}]
  - [{bar: {of: size, value: revenue}}, {donut: {of: size, value: shops}}, {bar: {of: shop, value: revenue}}]
  - [{quality: last run}]
  - [{table: {columns: [shop, revenue], order: revenue desc, rows: all, search: [shop], totals: true}}]
"""
NUMBERS = "[...document.querySelectorAll('.kpi b')].map(number => number.textContent)"
PAGE = Path("build/dashboards/sales.html")


def test_a_page_says_what_its_table_is(tmp_path: Path, browser: Browser) -> None:
    project = Project(tmp_path)
    pipeline = project.pipeline(PIPELINE)
    project.write("dashboards/sales.yaml", DASHBOARD)
    project.write("orders.csv", "shop,size,price\n")
    assert project.run(pipeline).code == 0
    assert project.run("dashboard", "build").code == 0
    page = browser.page().open(tmp_path / PAGE)
    assert page.ask(NUMBERS) == ["0", "–", "–"]
    assert "0 of 0 rows." in page.ask("document.querySelector('.tools').textContent")
    assert page("messages") == []
    page.close()

    project.write("orders.csv", "shop,size,price\nNorth,L,5\nSouth,S,7\nWest,S,1\n")
    assert project.run(pipeline).code != 0
    assert project.run("dashboard", "build").code == 0
    assert "is not shown: refused" in browser.ask(
        tmp_path / PAGE, "document.querySelector('.quality .bad').textContent"
    )

    project.pipeline(PIPELINE.replace("sum(price)", "sum(price), orders: count(*)"))
    result = project.run("dashboard", "build")
    assert result.code == 1
    assert "missing-column: the table `sales` has no column `orders`" in result.err
