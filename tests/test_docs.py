"""The generated pages say what the product does today, and the links of the written ones lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import click
import pytest

from etlrun.cli.command_line import group as etlrun
from etlrun.codes import CODES, RUN_CODES
from etlrun.enrich.report import StopReason
from etlrun.language.functions import FUNCTIONS
from etlrun.spec.cases import Case, CaseFile
from etlrun.spec.fields import described_fields, yaml_name
from etlrun.spec.registry import FAMILIES, kinds

PROJECT = Path(__file__).parent.parent


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", PROJECT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


CODE_POSITION = {"RunFailure": 1, "Trouble": 0}
PAGES: dict[Path, str] = load_generator().pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    assert path.is_file() and path.read_text(encoding="utf-8") == PAGES[path], f"{path.name} is stale: run `make docs`"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_has_a_section_with_all_its_keys(family: str) -> None:
    page = PAGES[PROJECT / "docs" / f"{family}.md"]
    for name, cls in kinds(family).items():  # type: ignore[arg-type]
        section = page.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]
        for item in described_fields(cls):
            assert f"| `{yaml_name(item)}` |" in section


def test_every_function_code_and_command_has_a_line() -> None:
    functions, errors, commands = (PAGES[PROJECT / "docs" / f"{name}.md"] for name in ("functions", "errors", "cli"))
    assert [name for name in FUNCTIONS if f"`{name}(" not in functions and f"`{name}`" not in functions] == []
    assert [code for code in CODES if f"| `{code}` |" not in errors] == []
    assert [name for name in etlrun.list_commands(click.Context(etlrun)) if f"## etlrun {name}\n" not in commands] == []


def test_the_registry_holds_every_code_of_a_failure_and_no_other() -> None:
    """A code is the text that a RunFailure, a Trouble or a StatementError is made with, or a text that leads to one."""
    texts = {
        node.value
        for path in sorted((PROJECT / "engine" / "etlrun").rglob("*.py"))
        if path.name != "codes.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    composed = {f"{reason}-reached" for reason in ("budget", "quota")} | {
        f"model-{reason}" for reason in get_args(StopReason)
    }
    assert set(RUN_CODES) - texts - composed - {"internal-error", "disk-full"} == set()
    made = {
        code
        for path in sorted((PROJECT / "engine" / "etlrun").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODE_POSITION
        for code in [node.args[CODE_POSITION[node.func.id]]]
        if isinstance(code, ast.Constant)
        for code in [code.value]
    }
    assert made - set(CODES) == set()


def test_every_key_of_a_test_has_a_line() -> None:
    page = PAGES[PROJECT / "docs" / "tests.md"]
    assert [
        yaml_name(item)
        for cls in (CaseFile, Case)
        for item in described_fields(cls)
        if f"| `{yaml_name(item)}` |" not in page
    ] == []


@pytest.mark.parametrize("name", ["engine/README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_a_file_or_a_class_that_a_page_for_developers_names_is_there(name: str) -> None:
    """Files that a reader is told to write are those that the page shows."""
    page = (PROJECT / name).read_text(encoding="utf-8")
    own = set(re.findall(r"all of\s+`(\w+/\w+\.py)`", page))
    words = set(re.findall(r"`([^`\s]+)`", re.sub(r"(?ms)^(`{3,4}).*?^\1", "", page)))
    files = {word for word in words if re.fullmatch(r"[\w.-]+/[\w./-]*|[\w-]+\.(py|md|toml|cfg|yaml)", word)} - own
    roots = (PROJECT, PROJECT / "engine" / "etlrun")
    assert sorted(word for word in files if not any((root / word).exists() for root in roots)) == []
    source = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "engine" / "etlrun").rglob("*.py"))
    classes = {word for word in words if re.fullmatch(r"[A-Z][a-z]+\w*", word)}
    assert sorted(word for word in classes if f"class {word}" not in source) == []


def test_a_link_leads_to_a_page_and_a_heading_that_are_there() -> None:
    folders = ("docs", "engine", "bench", "examples", "mappings", "prompts")
    pages = [*PROJECT.glob("*.md"), *(page for folder in folders for page in (PROJECT / folder).rglob("*.md"))]
    wrong = []
    for page in pages:
        for path, heading in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", page.read_text(encoding="utf-8")):
            linked = page.parent / path if path else page
            if not linked.exists() or (heading and heading not in headings(linked)):
                wrong.append((page.name, path, heading))
    assert wrong == []


def headings(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    text = re.sub(r"(?ms)^(`{3,4}).*?^\1", "", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in re.findall(r"(?m)^#+ (.*)", text)}
