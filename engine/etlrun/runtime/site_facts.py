"""Gathers the content of a project's documentation from its files and run records, without opening a connection or running anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from etlrun.compiler.check import Checked
from etlrun.compiler.project_graph import ProjectGraph
from etlrun.dashboards.check import check_against
from etlrun.dashboards.column_uses import column_uses
from etlrun.dashboards.spec import FOLDER, dashboards_below, read_document_of
from etlrun.diagnostics import SpecError
from etlrun.lineage.downstream import find_downstream
from etlrun.lineage.of_project import project_lineage
from etlrun.lineage.personal_origins import find_personal
from etlrun.runtime.run_place import run_place
from etlrun.runtime.run_records import StoredRun, stored_runs
from etlrun.runtime.test_results import file_in, read_results, tests_digest
from etlrun.site.facts import LastResult, ShownCase, ShownDashboard, ShownRun, SiteFacts
from etlrun.spec.cases import CaseFile, case_files_below, read_cases
from etlrun.spec.project import Project, load_mapping
from etlrun.spec.prompts import Prompt, load_prompt, prompt_names


def gather_facts(project: Project, graph: ProjectGraph) -> SiteFacts:
    """The facts of a project. Raises SpecError for mistakes in its mappings and prompts."""
    lineage = project_lineage(graph)
    mappings = {}
    for name in project.mapping_names():
        mapping = load_mapping(project, name)
        if mapping is not None:
            mappings[name] = dict(mapping.entries)
    return SiteFacts(
        project.root.name or "project",
        graph,
        lineage,
        _runs(project),
        _dashboards(project, graph),
        _tests(project, graph),
        mappings,
        find_downstream(graph, lineage),
        find_personal(lineage),
        _prompts(project),
    )


def _prompts(project: Project) -> dict[str, Prompt]:
    """The prompts of a project. Raises SpecError for their mistakes."""
    found = {
        name: load_prompt(project.root, name, project.shown(project.path(f"prompts/{name}.md")))
        for name in prompt_names(project.root)
    }
    return {name: prompt for name, prompt in found.items() if prompt is not None}


def _runs(project: Project) -> dict[str, tuple[ShownRun, ...]]:
    """The runs of each pipeline that were meant to publish, latest first."""
    found: dict[str, tuple[ShownRun, ...]] = {}
    for run in stored_runs(run_place(project)):
        if isinstance(run, StoredRun) and run.record.status != "dry-run":
            record = run.record
            shown = ShownRun(record.run_id, record.status, record.started_at, record.seconds, tuple(record.checks))
            found[record.pipeline] = (*found.get(record.pipeline, ()), shown)
    return found


def _dashboards(project: Project, graph: ProjectGraph) -> dict[str, tuple[ShownDashboard, ...]]:
    """The dashboards of each pipeline, without those with mistakes, which `etlrun check` reports."""
    found: dict[str, tuple[ShownDashboard, ...]] = {}
    folder = project.path(FOLDER)
    for path in dashboards_below(folder) if folder.is_dir() else ():
        with contextlib.suppress(SpecError):
            document = read_document_of(path, project)
            checked = graph.pipelines.get(str(document.value["pipeline"]))
            if checked is not None:
                dashboard = check_against(path, document, checked)
                shown = ShownDashboard(dashboard.spec.title, dashboard.spec.sink, column_uses(dashboard))
                found[checked.pipeline.name] = (*found.get(checked.pipeline.name, ()), shown)
    return found


def _tests(project: Project, graph: ProjectGraph) -> dict[str, tuple[ShownCase, ...]]:
    """The tests of each pipeline, without those with mistakes, which `etlrun check` reports."""
    found: dict[str, tuple[ShownCase, ...]] = {}
    results = read_results(project)
    files = {checked.pipeline.document.file: name for name, checked in graph.pipelines.items()}
    for path in case_files_below(project.path("pipelines")):
        with contextlib.suppress(SpecError):
            tests = read_cases(path, project)
            name = _tested(project, tests, files)
            if name in graph.pipelines:
                shown = _shown_cases(project, tests, graph.pipelines[name], results)
                found[name] = (*found.get(name, ()), *shown)
    return found


def _tested(project: Project, tests: CaseFile, files: Mapping[str, str]) -> str:
    """The name of the pipeline that a file of tests belongs to."""
    for folder in (tests.path.parent, project.path("pipelines")):
        for suffix in (".yaml", ".yml"):
            file = project.shown(folder / f"{tests.pipeline}{suffix}")
            if file in files:
                return files[file]
    return ""


def _shown_cases(
    project: Project, tests: CaseFile, checked: Checked, results: Mapping[str, Mapping[str, Any]]
) -> Iterator[ShownCase]:
    file = file_in(project, tests.path)
    known = results.get(file, {})
    today = tests_digest(tests.document, checked) if known else ""
    for case in tests.tests:
        last = known.get(case.name)
        ended = LastResult(last["passed"], last["at"], last["engine"], last["digest"] == today) if last else None
        yield ShownCase(file, case, ended)
