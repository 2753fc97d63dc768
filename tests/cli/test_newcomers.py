"""What people write who come from other tools, or do not know YAML's traps: each message names the trap and a fix that works."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import etlrun as package
from commanding import etlrun
from etlrun.language.type_names import TYPES
from etlrun.spec.registry import kinds
from etlrun.spec.traps import VALUES, WORDS

COLUMNS = "columns: {shop: string, amount: int}"
SOURCES = f"sources:\n  rows: {{csv: {{path: $data/rows.csv, {COLUMNS}}}}}\n"
SINK = "sinks:\n  out: {table: {from: %s, connection: warehouse, write: %s}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    connections = "connections: {warehouse: {duckdb: w.duckdb}}"
    (tmp_path / "etlrun.yaml").write_text(f"profiles: {{dev: {{engine: {{duckdb: {{}}}}, {connections}}}}}\n")
    for name in ("data", "mappings", "pipelines"):
        (tmp_path / name).mkdir()
    (tmp_path / "data/rows.csv").write_text("shop,day,amount\nHanoi,31/04/2022,1\nHue,30/04/2022,2\n")
    (tmp_path / "data/semi.csv").write_text("shop;amount\nHue;1\n")
    (tmp_path / "mappings/turned.yaml").write_text("a: North\nb: North\nc: South\n")
    return tmp_path


def chain(step: str) -> str:
    return f"pipeline: p\n{SOURCES}steps:\n  a:\n    - from: rows\n    - {step}\n"


def columns(types: str) -> str:
    return f"pipeline: p\nsources:\n  rows: {{csv: {{path: $data/rows.csv, columns: {{{types}}}}}}}\n"


def path(text: str) -> str:
    return f"pipeline: p\nsources:\n  rows: {{csv: {{path: {text}, {COLUMNS}}}}}\n"


TRAPS = {
    "a type of pandas": (columns("shop: int64"), "write `bigint`"),
    "another type of pandas": (columns("shop: float64"), "write `double`"),
    "a length": (columns("shop: varchar(20)"), "leave it out: only `decimal` takes numbers"),
    "a template": (chain("filter: \"shop = '{{ var('month') }}'\""), "is a template of another tool (Jinja)"),
    "a template of Ruby": (chain("filter: \"shop = '#{shop}'\""), "`#{shop}` is a template of another tool (Ruby)"),
    "a template of ERB": (chain("filter: \"shop = '<%= shop %>'\""), "is a template of another tool (ERB)"),
    "a template of a shell": (chain("derive: {x: \"'$(date)'\"}"), "the shell gives it to a run: `--set"),
    "a template of Python": (chain("derive: {x: \"'%(name)s'\"}"), "is a template of another tool (Python)"),
    "a macro of SQLMesh": (chain("filter: \"shop > @start_ds\""), "`@start_ds` is a template of another tool (SQLMesh)"),
    "a template of Azure": (chain("derive: {x: \"'@{item().name}'\"}"), "is a template of another tool (Azure Data Factory)"),
    "a home folder": (path('"~/rows.csv"'), "`data: ${HOME}` there"),
    "a variable of Windows": (path('"%USERPROFILE%/rows.csv"'), "`data: ${HOME}` there"),
    "a day of strftime": (path('"$data/%Y-%m-%d.csv"'), "write the day as `{date:yyyyMMdd}`"),
    "folders below": (path('"$data/**/*.csv"'), "write a `*` for each level"),
    "alternatives": (path('"$data/{a,b}.csv"'), "alternatives such as `{a,b}` are not supported"),
    "a share": (path("'$data\\rows.csv'"), "write `/` between folders"),
    "a blank behind a path": (path("'$data/rows.csv '"), "the path begins or ends with a space"),
    "not equal to null": (chain("filter: shop != null"), "write `shop is not null`"),
    "equal to null": (chain("filter: null = amount"), "write `amount is null`"),
    "less than null": (chain("filter: amount < null"), "write `amount is null`"),
    "not in a list with null": (chain("filter: shop not in ('a', null)"), "write `shop is not null and ...`"),
    "when null": (chain("derive: {x: case shop when null then 1 else 2 end}"), "write `case when shop is null then ...`"),
    "a semicolon": (chain("filter: amount = 1;"), "remove it; conditions are joined by `and`"),
    "a union": (chain("union: [rows]"), "`from: [a, b]`"),
    "an engine": (f"pipeline: p\nengine: duckdb\n{SOURCES}", "the engine is set in a profile of etlrun.yaml, or by --engine"),
    "overwrite": (f"pipeline: p\n{SOURCES}{SINK % ('rows', 'overwrite')}", "write `replace`"),
    "upsert": (f"pipeline: p\n{SOURCES}{SINK % ('rows', 'upsert')}", "write `merge`"),
    "a check without a value": (f"pipeline: p\n{SOURCES}checks:\n  rows: [unique]\n", "write `unique: {columns: ...}`"),
    "a quote first": (chain("filter: 'Hanoi' = shop"), "put all of it in quotes: \"'Hanoi' = shop\""),
    "a comma in braces": (chain("filter: {where: shop in ('x', 'y')}"), "put the whole expression in quotes"),
    "a star first": (chain("derive: {x: *amount}"), "or, if it is an expression that begins with `*`, put it in quotes"),
    "a backslash": (path(r'"C:\data\rows.csv"'), "use single quotes, or `/` in a path"),
    "an address": (path('"s3://bucket/rows.csv"'), "`storage: {s3://bucket: {s3: {}}}`"),
    "a page": (path('"https://example.com/rows.csv"'), "download the files into the folder `data`"),
    "a day without a form": (path('"$data/{date}.csv"'), "`{date:yyyy-MM-dd}`"),
    "the environment": (path('"${DATA_DIR}/rows.csv"'), "only etlrun.yaml can use the environment: write `data: ${DATA_DIR}` there"),
    "a mapping the wrong way round": (
        chain("lookup: {column: shop, map: turned, as: region, unmatched: drop}"),
        "write the label first, then its codes: `North: [a, b]`",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "step",
    [
        "filter: \"shop <=> null or shop in ('a', cast(null as string)) or shop = 'a;b'\"",
        "filter: \"shop rlike '^a#{2}$|@b[.]c' or shop = 'me@start.com' or shop like '%Y'\"",
        "derive: {x: \"nullif(shop, 'x') is null\", y: case when shop is null then null else 1 end}",
    ],
)
def test_what_looks_like_a_trap_and_is_none_passes(folder: Path, step: str) -> None:
    (folder / "pipelines/p.yaml").write_text(
        chain(step) + 'description: "of {{ team }}, ask me@example.com: $(date)"\n'
    )
    outcome = etlrun(folder, "check")
    assert outcome.code == 0, outcome.out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("data: ~/data", "write `${HOME}`"),
        ("roots: [~/data]", "write `${HOME}`"),
        ('vars: {day: "$(date)"}', "is a template of another tool (a shell)"),
        ('data: "{{ env }}"', "is a template of another tool (Jinja)"),
    ],
)
def test_a_trap_in_a_project_file_is_named(folder: Path, line: str, said: str) -> None:
    (folder / "pipelines/p.yaml").write_text(f"pipeline: p\n{SOURCES}")
    project = folder / "etlrun.yaml"
    project.write_text(f"{line}\n{project.read_text()}")
    outcome = etlrun(folder, "check")
    assert outcome.code == 2 and said in outcome.out + outcome.err


def test_vars_of_a_profile_belong_to_the_project(folder: Path) -> None:
    (folder / "pipelines/p.yaml").write_text(f"pipeline: p\n{SOURCES}")
    (folder / "etlrun.yaml").write_text("profiles: {dev: {engine: {duckdb: {}}, vars: {a: 1}}}\n")
    outcome = etlrun(folder, "check")
    assert "write variables of all pipelines under `vars` in etlrun.yaml" in outcome.out + outcome.err


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_named_with_its_fix(folder: Path, trap: str) -> None:
    text, said = TRAPS[trap]
    (folder / "pipelines/p.yaml").write_text(text)
    outcome = etlrun(folder, "check")
    assert outcome.code == 2 and said in outcome.out
    assert outcome.err.endswith(": 1 mistake\n")


def test_a_bare_type_is_the_type_of_a_param(folder: Path) -> None:
    (folder / "pipelines/p.yaml").write_text(f"pipeline: p\nparams: {{month: month}}\n{SOURCES}")
    assert "missing-param: the param `month` has no value" in etlrun(folder, "run", "p").err
    assert "`x` is not a month" in etlrun(folder, "run", "p", "--set", "month=x").err


@pytest.mark.parametrize(
    ("bare", "meant"),
    [("float64", "number"), ("bigint", "int"), ("bool", "boolean"), ('"decimal(10,2)"', "number"), ("text", "string")],
)
def test_a_type_that_params_lack_is_no_default(folder: Path, bare: str, meant: str) -> None:
    (folder / "pipelines/p.yaml").write_text(f"pipeline: p\nparams: {{x: {bare}}}\n{SOURCES}")
    outcome = etlrun(folder, "check")
    assert outcome.code == 2 and f"write `x: {meant}`" in outcome.out


@pytest.mark.parametrize(
    ("kind", "ours"), [("NUMBER(10, 2)", "decimal(10,2)"), ("number(5)", "decimal(5,0)"), ("int64[]", "array<bigint>")]
)
def test_a_type_of_another_tool_keeps_its_parts(folder: Path, kind: str, ours: str) -> None:
    (folder / "pipelines/p.yaml").write_text(columns(f'shop: string, amount: "{kind}"'))
    assert f"write `{ours}`" in etlrun(folder, "check").out


@pytest.mark.parametrize(
    ("kind", "texts", "read"),
    [
        ("date", ("2022/4/01", "2022/12/30"), "2022-04-01"),
        ("timestamp", ("4/1/2022 9:30", "12/30/2022 11:05"), "2022-04-01 09:30:00"),
        ("decimal(10,2)", ("1,5", "22,75"), "1.50"),
        ("decimal(10,2)", ("1.234,5", "2.000.000,00"), "1234.50"),
        ("double", ("1,234.5", "2,000.0"), "1234.5"),
        ("int", ("1,234", "2,000"), "1234"),
    ],
)
def test_the_step_that_a_message_shows_reads_the_texts(
    folder: Path, kind: str, texts: tuple[str, ...], read: str
) -> None:
    (folder / "data/rows.csv").write_text("\n".join(("day", *(f'"{text}"' for text in texts), "")))
    (folder / "pipelines/p.yaml").write_text(columns(f'day: "{kind}"') + SINK % ("rows", "replace"))
    found = re.search(r"`(derive: \{(\w+): .*\})`", etlrun(folder, "p").err)
    assert found is not None
    steps = f"steps:\n  out:\n    - from: rows\n    - {found[1]}\n"
    (folder / "pipelines/p.yaml").write_text(columns("day: string") + steps + SINK % ("out", "replace"))
    assert etlrun(folder, "p").code == 0
    assert read in etlrun(folder, "show", "p", "out").out


@pytest.mark.parametrize(("kind", "text"), [("double", "1,234"), ("int", "n/a"), ("date", "in April")])
def test_no_step_is_shown_that_would_give_nulls(folder: Path, kind: str, text: str) -> None:
    (folder / "data/rows.csv").write_text(f'day\n"{text}"\n')
    (folder / "pipelines/p.yaml").write_text(columns(f"day: {kind}") + SINK % ("rows", "replace"))
    said = etlrun(folder, "p").err
    assert "or correct the files" in said and "derive" not in said


def test_an_option_that_is_a_param_is_explained(folder: Path) -> None:
    (folder / "pipelines/p.yaml").write_text(f"pipeline: p\nparams: {{month: month}}\n{SOURCES}")
    assert "--set month=VALUE" in etlrun(folder, "run", "p", "--month", "2022-04").err


def test_a_column_that_fails_everywhere_is_the_cause(folder: Path) -> None:
    declared = columns("shop: string, day: date") + SINK % ("rows", "replace")
    (folder / "pipelines/p.yaml").write_text(declared)
    said = etlrun(folder, "p").err
    assert "no record can be read: no value of `day` can be read as date" in said and "max_bad_rows" not in said
    assert "`day: string`" in said and "`derive: {day_date: \"to_date(day, 'dd/MM/yyyy')\"}`" in said


def test_another_separator_is_seen(folder: Path) -> None:
    (folder / "pipelines/p.yaml").write_text(path("$data/semi.csv") + SINK % ("rows", "replace"))
    assert 'the file seems to use another separator: `separator: ";"`' in etlrun(folder, "p").err


def test_a_pipeline_without_sinks_says_that_it_published_nothing(folder: Path) -> None:
    (folder / "pipelines/p.yaml").write_text(f"pipeline: p\n{SOURCES}")
    assert "published nothing: the pipeline has no `sinks`" in etlrun(folder, "p").err


def test_paths_of_the_project_take_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = folder / "etlrun.yaml"
    (folder / "pipelines/p.yaml").write_text(f"pipeline: p\n{SOURCES}")
    project.write_text("data: ${SOMEWHERE}\n" + project.read_text())
    assert "wrong-value: the environment variable `SOMEWHERE` is not set" in etlrun(folder, "check").out
    monkeypatch.setenv("SOMEWHERE", "data")
    assert etlrun(folder, "p").code == 0


def test_variables_of_the_project_take_nothing_of_the_environment(folder: Path) -> None:
    project = folder / "etlrun.yaml"
    (folder / "pipelines/p.yaml").write_text(f"pipeline: p\n{SOURCES}")
    project.write_text("vars: {a: '${SOMEWHERE}'}\n" + project.read_text())
    assert "`vars` cannot use the environment" in etlrun(folder, "check").out


def test_every_kind_that_a_hint_names_exists() -> None:
    """Words in backticks before or after `step`, `check` or `sink` in the texts of the engine are kinds."""
    families = {"step": "steps", "check": "checks", "sink": "sinks"}
    found = []
    for file in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += re.findall(r"\b(?:an?|the) (step|check|sink) `([a-z_]+)`", node.value)
                found += [
                    (b, a) for a, b in re.findall(r"\b(?:use|an?|another) `([a-z_]+)` (step|check|sink)\b", node.value)
                ]
    assert found
    assert [name for family, name in found if name not in kinds(families[family])] == []  # type: ignore[index]


def test_the_words_of_other_tools_are_none_of_ours() -> None:
    ours = {name for family in ("steps", "checks", "sinks", "sources") for name in kinds(family)}  # type: ignore[arg-type]
    assert ours & set(WORDS) == set()
    assert {"bigint", "double", "string"} & set(TYPES) == set()
    assert {"replace", "append", "merge"} & set(VALUES) == set()


def test_a_verb_of_another_tool_leads_to_ours(folder: Path) -> None:
    verbs = {
        "fillna": "carry",
        "ffill": "carry",
        "rename_columns": "rename",
        "asof_join": "as_of",
        "sessionize": "sessions",
        "scd2": "history",
        "union": "from",
        "sort": "top",
        "limit": "top",
        "group_by": "aggregate",
        "concat": "from",
        "arrange": "top",
        "slice_max": "top",
        "pivot_longer": "unpivot",
        "bind_rows": "from",
        "interpolate": "carry",
        "upsert": "write: merge",
    }
    steps = "".join(f"    - {verb}: x\n" for verb in verbs)
    (folder / "pipelines" / "p.yaml").write_text(f"pipeline: p\n{SOURCES}steps:\n  out:\n    - from: rows\n{steps}")
    told = etlrun(folder, "check").out.split("\n\n")
    for (verb, ours), text in zip(verbs.items(), told, strict=False):
        assert f"there is no step `{verb}`" in text
        assert f"`{ours}" in text.split("= ")[1], text


def test_a_param_that_is_set_twice_is_refused(folder: Path) -> None:
    (folder / "pipelines" / "p.yaml").write_text(f"pipeline: p\nparams: {{least: int}}\n{SOURCES}")
    done = etlrun(folder, "run", "pipelines/p.yaml", "--set", "least=1", "--set", "least=2")
    assert done.code == 2
    assert "`least` is set twice" in done.err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data/{month}.csv", "`{month}` in the path has no value"),
        ('"data\\new.csv"', "write `/` between folders"),
        ('"data\\trips.csv"', "write `/` between folders"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused(folder: Path, path: str, said: str) -> None:
    written = path if path.startswith('"') else f'"{path}"'
    text = f"pipeline: p\nsources:\n  rows: {{csv: {{path: {written}, {COLUMNS}}}}}\n"
    (folder / "pipelines" / "p.yaml").write_text(text)
    outcome = etlrun(folder, "check")
    assert outcome.code == 2 and said in outcome.out, outcome
