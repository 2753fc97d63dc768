"""`python`: a function is found without being run, and its rows go on in the chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cases import Case
from etlrun.diagnostics import SpecError
from running import both, check
from tables import Example, read_example

ROWS = """
    a: {x: bigint}
    | x |
    | 1 |
    | 2 |
    ->
    | x | y |
    | 1 | 2 |
    | 2 | 4 |
"""
MODULE = """
import pyarrow.compute as pc

raise_on_import = None


def double(rows):
    return rows.append_column("y", pc.multiply(rows["x"], 2))


def double_batches(batches):
    for batch in batches:
        yield batch.append_column("y", pc.multiply(batch["x"], 2))


def none():
    return None


def two(a, b):
    return a


def optional(rows, factor=2):
    return rows


async def later(rows):
    return rows
"""


def example(function: str, mode: str = "table", module: str = MODULE) -> Example:
    steps = f"steps:\n  out:\n    - from: a\n    - filter: x > 0\n    - python: {{function: '{function}', columns: {{x: bigint, y: bigint}}, mode: {mode}}}\n    - filter: y > 0\n"
    return replace(read_example(steps, ROWS), modules={"work": module})


@pytest.mark.parametrize(
    ("function", "mode"),
    [
        ("work:double", "table"),
        ("work:double_batches", "batches"),
        ("work:double_batches", "batches, where: executors"),
    ],
)
def test_rows_go_through_the_function_and_on(function: str, mode: str, case: Case) -> None:
    wanted = example(function, mode)
    for bench in both(case.spark, case.duck, case.folder, wanted):
        assert bench.rows("out").rows == [(1, 2), (2, 4)]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("work:doubel", "`work` has no function `doubel`; did you mean `double`?"),
        (
            "wrok:double",
            "there is no module `wrok`; write it in the file wrok.py of the project, or install its package",
        ),
        (
            "work.deeper:double",
            "there is no module `work.deeper`; write it in the file work/deeper.py of the project, or install its package",
        ),
        ("work", "`work` is not a reference to a function; write it as `module:function`"),
        ("work:none", "`none` must take one argument: the rows; write it as `def none(rows):`"),
        ("work:two", "`two` must take one argument: the rows; write it as `def two(rows):`"),
        ("work:later", "`later` is an async function; write it as a plain `def`"),
    ],
)
def test_a_function_that_cannot_be_called_is_a_mistake_of_the_spec(function: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        check(tmp_path, example(function))
    (found,) = caught.value.diagnostics
    assert (found.code, f"{found.message}; {found.fix}") == ("python-function", message)


def test_executors_need_batches(tmp_path: Path) -> None:
    check(tmp_path, example("work:double_batches", "batches, where: executors"))
    with pytest.raises(SpecError) as caught:
        check(tmp_path, example("work:double_batches", "table, where: executors"))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (
        "missing-key",
        "`where: executors` needs `mode: batches`: each executor has only some of the rows",
    )


def test_checking_runs_no_code(tmp_path: Path) -> None:
    check(
        tmp_path,
        example("work:double", module="raise SystemExit('imported')\n\n\ndef double(rows):\n    return rows\n"),
    )


def test_a_file_that_is_not_python_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="`work.py` is not Python, line 2"):
        check(tmp_path, example("work:double", module="x = 1\ndef double(:\n"))


def test_an_optional_argument_is_no_obstacle_and_an_installed_function_is_found(tmp_path: Path) -> None:
    check(tmp_path, example("work:optional"))
    check(tmp_path, example("textwrap:dedent"))


def test_a_function_that_the_module_imports_is_taken_on_trust(tmp_path: Path) -> None:
    check(tmp_path, example("work:helper", module="from elsewhere import helper\n"))
