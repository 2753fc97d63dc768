"""Mutated specs: whatever is written, `check` gives mistakes or a plan, never a traceback, and comes back."""

from __future__ import annotations

import re
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from types import FrameType

from etlrun.compiler.plan import make_plan
from etlrun.compiler.producers import check_file
from etlrun.diagnostics import SpecError, format_text
from etlrun.language.dialects import duckdb_sql, spark_sql

from .engines import Engines
from .grammar import PATTERNS, WHOLES
from .rows import TEXTS
from .trials import Trial

AT_ONCE = 40
TESTS = Path(__file__).parent.parent
LIMIT = 20  # seconds that a check may take
WORDS = [
    "from",
    "select",
    "rename",
    "derive",
    "filter",
    "cast",
    "drop",
    "lookup",
    "join",
    "aggregate",
    "pivot",
    "top",
    "argmax",
    "labels",
    "bucket",
    "compare",
    "dedupe",
    "window",
    "unpivot",
    "explode",
    "sql",
    "by",
    "per",
    "order",
    "columns",
    "name",
    "value",
    "as",
    "on",
    "with",
    "how",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "-",
    ":",
    ",",
    "{a:",
    "b}",
    "[a,",
    "b]",
    "$day",
    "${HOME}",
    "1",
    "0",
    "-1",
    "1.5",
    "1e9",
    "2024-01-01",
    ".inf",
    ".nan",
    "~",
    "''",
    "!!str",
    "&a",
    "*a",
    "<<:",
    "|",
    ">",
    "?",
    "#",
    "%",
    "@",
    "`",
    "{label}",
    "{labl}",
    "*",
    "a.b",
    "select",
    "limit",
    "union",
    "over",
]
EXPRESSIONS = (
    "null", "sum(k)", "max(null)", "array(null)", "coalesce(null, null)", "(select 1)", "k +", "'a", "a.b.c", "count(*) over ()", "1 / 0",
    "row_number() over (order by k)", "case when k then 1 end", "cast(k as array<int>)", "$day", "`a b`", "k::int", "-" * 70 + "1", "1e400",
    " and ".join(["true"] * 300), "concat(" + ", ".join(["'a'"] * 300) + ")", "((((((((((((((((((((k))))))))))))))))))))", "interval 3 days",
)  # fmt: skip


def try_some(seed: int, engines: Engines) -> Trial:
    """Check mutated pipelines of this project, of the tests' broken specs and of the documentation's examples."""
    random = Random(seed)
    findings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="etlrun-fuzz-") as name:
        folder = Path(name) / "project"
        shutil.copytree(TESTS / "errors" / "project", folder)
        for _ in range(AT_ONCE):
            text = random.choice(_originals())
            for _ in range(random.choice([1, 1, 1, 2, 3, 6])):
                text = random.choice(MUTATIONS)(random, text)
            findings.extend(_complaints(folder, text))
    return Trial(AT_ONCE, tuple(findings))


def _complaints(folder: Path, text: str) -> Iterator[str]:
    path = folder / "pipelines" / "mutated.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        with _in_time():
            plan = make_plan(check_file(path))
            for relation in plan.relations:
                if relation.tree is not None:
                    spark_sql(relation.tree)
                    duckdb_sql(relation.tree)
    except SpecError as error:
        format_text(error.diagnostics)
    except Exception:  # noqa: BLE001 - any other exception is what is looked for
        yield f"{traceback.format_exc(limit=-6)}\n{text}"


@contextmanager
def _in_time() -> Iterator[None]:
    """Raise TimeoutError where the block takes longer than LIMIT."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@cache
def _originals() -> tuple[str, ...]:
    own = [*sorted((TESTS.parent / "pipelines").glob("*.yaml")), *sorted((TESTS / "errors").glob("*.yaml"))]
    texts = [path.read_text(encoding="utf-8") for path in own if not path.name.endswith(".test.yaml")]
    for page in sorted((TESTS.parent / "docs").glob("*.md")):
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            texts.append(block if "pipeline:" in block else f"pipeline: x\n{_sources(block)}{block}")
    return tuple(texts)


def _sources(block: str) -> str:
    """Sources for the names that an example reads."""
    if "sources:" in block:
        return ""
    names = sorted({*re.findall(r"from: (\w+)", block), *re.findall(r"with: (\w+)", block)})
    columns = sorted(set(re.findall(r"\b[a-z_]{2,}\b", block)))[:40]
    kinds = ("int", "string", "date", "array<string>", "double", "timestamptz", "map<string, int>", "struct<a int>")
    declared = ", ".join(f"{column}: '{kinds[len(column) % len(kinds)]}'" for column in columns)
    return "sources:\n" + "".join(
        f"  {name}: {{parquet: {{path: data/{name}, columns: {{{declared}}}}}}}\n" for name in names
    )


def _swap_word(random: Random, text: str) -> str:
    found = list(re.finditer(r"[\w.*$]+", text))
    if not found:
        return text
    place = random.choice(found)
    other = random.choice([*WORDS, random.choice(found).group(), *random.sample(WHOLES, 2)])
    return text[: place.start()] + other + text[place.end() :]


def _cut_line(random: Random, text: str) -> str:
    lines = text.split("\n")
    del lines[random.randrange(len(lines))]
    return "\n".join(lines)


def _double_line(random: Random, text: str) -> str:
    lines = text.split("\n")
    lines.insert(random.randrange(len(lines)), random.choice(lines))
    return "\n".join(lines)


def _indent(random: Random, text: str) -> str:
    lines = text.split("\n")
    at = random.randrange(len(lines))
    lines[at] = random.choice(["  ", " ", "\t", "- "]) + lines[at] if random.random() < 0.6 else lines[at].lstrip()
    return "\n".join(lines)


def _put_text(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice([*WORDS, *TEXTS, *PATTERNS, "\u2028", "\ufeff", "\x00", "\ud83d"]) + text[at:]


def _cut_text(random: Random, text: str) -> str:
    start = random.randrange(len(text) + 1)
    return text[:start] + text[start + random.randint(1, 8) :]


def _swap_value(random: Random, text: str) -> str:
    """Another value behind a colon."""
    found = list(re.finditer(r": ?[^\n,{}\[\]]+", text))
    if not found:
        return text
    place = random.choice(found)
    value = random.choice(
        ["", "[]", "{}", "null", "[a]", "{a: 1}", "[[a]]", '"' + random.choice(EXPRESSIONS) + '"', random.choice(WORDS)]
    )
    return f"{text[: place.start()]}: {value}{text[place.end() :]}"


def _add_step(random: Random, text: str) -> str:
    step = random.choice(
        ["{derive: {z: EXPR}}", "{filter: EXPR}", "{select: {z: EXPR}}", "{aggregate: {columns: {z: EXPR}}}", "{top: {order: [EXPR]}}",
         "{dedupe: {by: [k], order: [EXPR]}}", "{window: {columns: {z: EXPR}, order: [EXPR]}}", "{sql: EXPR}", "{dedupe: {}}", "{top: {order: ['']}}"]
    )  # fmt: skip
    value = '"' + random.choice([*EXPRESSIONS, "select * from input limit (select 1)", "select k from input"]) + '"'
    found = list(re.finditer(r"^( +)- from: .*$", text, re.MULTILINE))
    if not found:
        return text
    place = random.choice(found)
    return f"{text[: place.end()]}\n{place.group(1)}- {step.replace('EXPR', value)}{text[place.end() :]}"


MUTATIONS: tuple[Callable[[Random, str], str], ...] = (
    _swap_word, _swap_word, _swap_value, _swap_value, _add_step, _cut_line, _double_line, _indent, _put_text, _cut_text,
)  # fmt: skip
