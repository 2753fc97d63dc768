"""The page of a test: input rows, expected rows, and its last result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from etlrun.diagnostics import counted
from etlrun.site.addresses import pipeline_address
from etlrun.site.facts import LastResult, ShownCase, SiteFacts
from etlrun.site.html_tree import Child, element, link, section, table
from etlrun.site.shell import page
from etlrun.spec.values import value_text

DEPTH = 2  # depth below the index
MOST = 200  # rows of a relation


def case_page(facts: SiteFacts, pipeline: str, shown: ShownCase) -> str:
    """The page."""
    case = shown.case
    of: list[Child] = [link(f"{'../' * DEPTH}{pipeline_address(pipeline)}", pipeline), f" in {shown.file}"]
    settings = [(name, value_text(value)) for name, value in case.set_.items()]
    body: list[Child] = [
        element("p", case.description) if case.description else None,
        element("p", "A test of ", of, class_="dim"),
        element("p", last_result(shown.last)),
        section("Params", table(("param", "value"), settings)) if settings else None,
        [section(f"Given {relation}", _rows(rows)) for relation, rows in case.given.items()],
        [section(f"Answers of {prompt}", _answers(answers)) for prompt, answers in case.enrich.items()],
        [section(f"Expected {relation}", _rows(rows)) for relation, rows in case.expect.items()],
        section("Expected of checks", _checks(case.checks)) if case.checks else None,
    ]
    return page(case.name, facts.title, DEPTH, body)


def last_result(last: LastResult | None) -> Child:
    """The result of a test, in words."""
    if last is None:
        return "It has not run yet: etlrun test"
    word, status = ("passed", "done") if last.passed else ("failed", "failed")
    changed = "" if last.is_of_today else "; what it tests, or the test, has changed since"
    return [element("span", word, class_=status), f" on {last.at} UTC, on {last.engine}{changed}"]


def _rows(rows: tuple[Mapping[str, Any], ...]) -> Child:
    """The rows as a table; a column that a row does not have is empty."""
    if not any(rows):
        return element("p", counted(len(rows), "row") if rows else "no row")
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[value_text(row[name]) if name in row else "" for name in names] for row in rows[:MOST]]
    more = element("p", f"and {counted(len(rows) - MOST, 'row')} more") if len(rows) > MOST else None
    return [table(names, cells), more]


def _answers(answers: Mapping[str, Mapping[str, Any] | None]) -> Element:
    rows = [
        (key, ", ".join(f"{name}: {value_text(value)}" for name, value in (answer or {}).items()) or "nobody knows")
        for key, answer in answers.items()
    ]
    return table(("key", "answer"), rows)


def _checks(checks: Mapping[str, Mapping[str, str]]) -> Element:
    rows = [(relation, kind, finding) for relation, kinds in checks.items() for kind, finding in kinds.items()]
    return table(("relation", "check", "finding"), rows)
