"""What a project's documentation shows, gathered from its files and the records of its runs; no connection is opened and nothing is run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from etlrun.compiler.project_graph import ProjectGraph
from etlrun.dashboards.spec import FOLDER, dashboards_below
from etlrun.diagnostics import SpecError
from etlrun.lineage.of_project import project_lineage
from etlrun.lineage.personal_origins import find_personal
from etlrun.runtime.run_records import StoredRun, stored_runs
from etlrun.site.facts import ShownRun, SiteFacts, all_reached
from etlrun.spec.cases import case_files_below
from etlrun.spec.located import read_document
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
        _dashboards(project),
        _tests(project),
        mappings,
        all_reached(lineage),
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
    """The runs that were to publish, of each pipeline, latest first."""
    found: dict[str, tuple[ShownRun, ...]] = {}
    for run in stored_runs(project.path(project.settings.runs)):
        if isinstance(run, StoredRun) and run.record.status != "dry-run":
            record = run.record
            shown = ShownRun(record.run_id, record.status, record.started_at, record.seconds, tuple(record.checks))
            found[record.pipeline] = (*found.get(record.pipeline, ()), shown)
    return found


def _dashboards(project: Project) -> dict[str, tuple[str, ...]]:
    """The names of the dashboards of each pipeline."""
    found: dict[str, tuple[str, ...]] = {}
    folder = project.path(FOLDER)
    for value in _mappings_in(project, dashboards_below(folder) if folder.is_dir() else ()):
        pipeline = str(value.get("pipeline", ""))
        found[pipeline] = (*found.get(pipeline, ()), str(value.get("title") or value.get("dashboard", "")))
    return found


def _tests(project: Project) -> dict[str, tuple[str, ...]]:
    """The names of the tests of each pipeline."""
    found: dict[str, tuple[str, ...]] = {}
    for value in _mappings_in(project, case_files_below(project.path("pipelines"))):
        pipeline, tests = str(value.get("pipeline", "")), value.get("tests")
        names = (
            [str(test.get("name", "")) for test in tests if isinstance(test, dict)] if isinstance(tests, list) else []
        )
        found[pipeline] = (*found.get(pipeline, ()), *names)
    return found


def _mappings_in(project: Project, paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """The values of YAML files that can be read; `etlrun check` tells of the others."""
    for path in paths:
        with contextlib.suppress(SpecError):
            value = read_document(path, project.shown(path)).value
            if isinstance(value, dict):
                yield value
