"""The table of rows: what it holds, how it is sorted, searched, paged and saved, with some rows and with all."""

from __future__ import annotations

import random
import zlib
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pytest
from browser import Browser
from built import Built, content

from etlrun.dashboards.deflating import PIECE, deflated
from etlrun.dashboards.html import MARKS
from etlrun.dashboards.html import TABLE as TABLE_CODE
from etlrun.dashboards.page_block import block

TABLE = "D.page.flat().find(card => card.kind === 'table')"
CELLS = "[...document.querySelectorAll('.rows tbody tr')].map(row => row.firstChild.textContent)"
QUERY = (
    'SELECT id, size, a, "In_Films", b::double, cast(day AS VARCHAR) FROM "out" ORDER BY a DESC NULLS LAST, id LIMIT 50'
)


def test_the_rows_are_those_of_sql(built: Built, browser: Browser) -> None:
    script = f"(() => {{ const card = {TABLE}; return [...card.sorted.filter(row => card.marks[row])].map(row => [0, 1, 2, 3, 6, 7].map(index => card.data[card.columns[index].at].of(row))); }})()"
    found = browser.ask(built.page(), script)
    with duckdb.connect(str(built.project.folder / "warehouse.duckdb"), read_only=True) as connection:
        expected = connection.execute(QUERY).fetchall()
    assert [tuple(row) for row in found] == expected


def saved(browser: Browser, page: Path) -> list[str]:
    text: str = browser.ask(page, f"save({TABLE})")
    assert text.startswith("\ufeff")
    return text[1:].split("\r\n")


def test_a_saved_cell_is_no_formula(built: Built, browser: Browser) -> None:
    lines = saved(browser, built.page())
    assert lines[0].startswith("id,size,a,Films,Sport,")
    assert any(line.startswith("'=cmd|") for line in lines)
    assert not any(line.startswith(("=", "+", "-", "@")) for line in lines)


def test_all_rows_can_be_paged_sorted_and_searched(built: Built, browser: Browser) -> None:
    project = built.project
    text = (project.folder / "dashboards" / "out.yaml").read_text()
    project.write(
        "dashboards/everything.yaml",
        text.replace("dashboard: out", "dashboard: everything")
        .replace("rows: 50", "rows: all")
        .replace("order: a desc", "order: both desc"),
    )
    result = project.run("dashboard", "build", "everything", SERVER_URL="x", POSTGRES_URL="x")
    assert result.code == 0, result.err
    assert (
        "everything.html contains every row of warehouse.out: everyone who gets the file can read all 400" in result.err
    )
    page = built.page("everything")
    script = (
        f"(() => {{ const card = {TABLE}, input = document.querySelector('.tools input'), found = [card.count, {CELLS}];"
        f"while (!card.next.disabled) {{ card.next.click(); found[1].push(...{CELLS}); }}"
        "document.querySelector('.rows th button').click();"
        f"found.push({CELLS}); input.value = 'naruto'; input.dispatchEvent(new Event('input')); found.push(card.count, {CELLS}); return found; }})()"
    )
    count, ordered, sorted_, hits, named = browser.ask(page, script)
    assert count == 400
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as connection:

        def ids(rest: str) -> list[Any]:
            return [value for (value,) in connection.execute(f'SELECT id FROM "out" {rest}').fetchall()]

        known = "CASE WHEN a IS NOT NULL OR b IS NOT NULL THEN coalesce(a, 0) + coalesce(b, 0)::double END"
        assert ordered == ids(f"ORDER BY {known} DESC NULLS LAST, id")
        assert sorted_ == ids("ORDER BY id")[:100]
        assert (hits, named) == (len(named), ids("WHERE lower(word) LIKE '%naruto%' ORDER BY id"))


@pytest.mark.parametrize(("code", "most"), [(MARKS, 350), ((*MARKS, TABLE_CODE), 520)])
def test_the_code_of_a_page_stays_small_and_readable(code: tuple[str, ...], most: int) -> None:
    """Own marks tempt to grow; a sixth kind of them is the time to take a library instead. A table that holds all rows costs the rest."""
    files = [resources.files("etlrun.dashboards") / "page" / name for name in (*code, "page.css")]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    assert max(map(len, lines)) <= 120
    assert len(lines) <= most
    assert sum(len(line.encode()) + 1 for line in lines) <= 40_000


def test_pieces_that_are_deflated_side_by_side_are_one_stream() -> None:
    texts = b"a text, " * PIECE
    runs, digits = bytes(range(256)) * (PIECE // 128) + b"end", random.Random(1).randbytes(PIECE)
    assert zlib.decompress(deflated([texts, runs, digits])) == texts + runs + digits
    assert zlib.decompress(deflated([])) == b""


@pytest.mark.parametrize("size", [*range(1, 16), 3_000])
def test_every_byte_comes_through_the_characters_of_a_page(size: int) -> None:
    given = bytes((7 * at + size) % 256 for at in range(size))
    characters = block("a", [given]).partition('id="a">')[2].removesuffix("</script>")
    assert content(characters) == given
    assert not set(characters) & {"\0", "\r", "<"}


def test_a_printed_header_is_text_that_a_browser_repeats_on_each_page(built: Built, browser: Browser) -> None:
    page = browser.page().open(built.page())
    labels = page.ask("[...document.querySelectorAll('.rows th')].map(head => head.textContent)")
    page("emulateMediaType", "print")
    shown = (
        "[...document.querySelectorAll('.rows th')].filter(head => !head.firstChild.checkVisibility())"
        ".map(head => JSON.parse(getComputedStyle(head, '::before').content))"
    )
    assert labels and page.ask(shown) == labels
    page.close()
