"""`etlrun lineage`: shows where each column comes from, and which columns depend on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.options import known_pipelines, named_pipeline
from etlrun.cli.words import table_text, tell
from etlrun.diagnostics import nearest

if TYPE_CHECKING:
    from etlrun.language.influence import Lineage, OriginColumn, RelationLineage
    from etlrun.lineage.asked import AskedColumns
    from etlrun.lineage.of_project import PipelineLineage, Reached
    from etlrun.lineage.personal_origins import Personal


@click.command("lineage")
@click.argument("asked", metavar="[PIPELINE[.RELATION[.COLUMN]]]", default="")
@click.option(
    "--format",
    "form",
    default="text",
    type=click.Choice(["text", "json", "mermaid", "openlineage"]),
    show_default=True,
    help="The output format.",
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
def command(asked: str, form: str, *, as_json: bool) -> None:
    """Show where columns come from.

    The argument selects a part of the project: a pipeline, one of its relations (a source, a chain or a sink), or one column.

    For each column, the command lists two groups of columns: those from which its values are computed, and those that only decide
    which rows or values are used (in a condition, a filter or a join). Lineage continues through tables that other pipelines of
    the project publish. For a source, the published columns that depend on it are also shown. Columns with the tag `pii`, and
    columns made from them, are marked.

    The command reads only the specification, no data. `openlineage` prints one OpenLineage event per line, for every selected
    pipeline.
    """
    from etlrun.lineage.asked import UnknownNameError, find_asked

    pipelines, chosen, rest = _chosen(asked)
    if form == "openlineage" and not as_json:
        _print_events(chosen)
        return
    try:
        found = [one for pipeline in chosen for one in find_asked(pipeline, rest)]
    except UnknownNameError as error:
        raise click.BadParameter(str(error), param_hint="[PIPELINE[.RELATION[.COLUMN]]]") from error
    if as_json or form == "json":
        _print_json(found, pipelines)
    elif form == "mermaid":
        from etlrun.language.influence import OriginColumn
        from etlrun.lineage.mermaid import mermaid
        from etlrun.lineage.personal_origins import find_personal

        columns = ((one, column, lineage) for one in found for column, lineage in one.relation.columns.items())
        shown = {OriginColumn(one.pipeline.name, one.name, name): item for one, name, item in columns}
        click.echo(mermaid(shown, find_personal(pipelines)), nl=False)
    else:
        tell("\n\n".join(_texts(found, pipelines)))


def _chosen(asked: str) -> tuple[dict[str, PipelineLineage], list[PipelineLineage], str]:
    """The lineage of the project, the chosen pipelines, and the chosen relation or column."""
    from etlrun.compiler.producers import ProjectPipelines
    from etlrun.compiler.project_graph import make_graph, read_graph
    from etlrun.lineage.of_project import project_lineage
    from etlrun.spec.project_file import find_project

    path, rest = _split(asked)
    project = ProjectPipelines(find_project(path or Path.cwd()), "", {})
    if path is None:
        if not project.files:
            raise click.UsageError("there is no pipeline in this project")
        pipelines = project_lineage(read_graph(project))
        return pipelines, list(pipelines.values()), ""
    checked = project.check(path)
    if path.resolve() in {file.resolve() for file in project.files}:
        graph = read_graph(project)
    else:
        graph, _ = make_graph([checked])
    pipelines = project_lineage(graph)
    return pipelines, [pipelines[checked.pipeline.name]], rest


def _split(asked: str) -> tuple[Path | None, str]:
    """The file of the pipeline that `asked` begins with, and the rest of `asked`. Raises BadParameter."""
    if not asked:
        return None, ""
    if Path(asked).is_file():
        return Path(asked), ""
    name, _, rest = asked.partition(".")
    if "/" in asked:
        head, dot, rest = asked.partition(".yaml")
        name, rest = head + dot, rest.removeprefix(".")
    path = named_pipeline(name) or Path(name)
    if not path.is_file():
        known = [Path(found).stem for found in known_pipelines()]
        fix = nearest(name, known) or f"the project has {', '.join(known) or 'none'}"
        raise click.BadParameter(f"there is no pipeline `{name}` ({fix})", param_hint="[PIPELINE[.RELATION[.COLUMN]]]")
    return path, rest


def _print_json(found: list[AskedColumns], pipelines: dict[str, PipelineLineage]) -> None:
    from etlrun.lineage.objects import reached_objects, relation_object
    from etlrun.lineage.personal_origins import find_personal

    personal = find_personal(pipelines)
    objects = [
        {
            "pipeline": one.pipeline.name,
            "name": one.name,
            **relation_object(one.relation, personal),
            "reaches": reached_objects(one.reached(pipelines)),
        }
        for one in found
    ]
    click.echo(json.dumps(objects, ensure_ascii=False))


def _print_events(chosen: list[PipelineLineage]) -> None:
    from etlrun.lineage.open_lineage import job_event
    from etlrun.runtime.watching import addresses, now

    for one in chosen:
        click.echo(json.dumps(job_event(one.checked, addresses(one.checked), now()), ensure_ascii=False))


def _texts(found: list[AskedColumns], pipelines: dict[str, PipelineLineage]) -> Iterator[str]:
    from etlrun.lineage.personal_origins import find_personal

    personal = find_personal(pipelines)
    for one in found:
        relation = one.pipeline.sinks.get(one.name, one.name)
        title = f"{one.pipeline.name}: {relation}{f' -> {one.name}' if one.name != relation else ''}"
        reached = one.reached(pipelines)
        table = _reached(reached, personal) if reached else _table(one.pipeline.name, one.relation, personal)
        yield f"{title}\n{table}"


def _table(pipeline: str, relation: RelationLineage, personal: Personal) -> str:
    rows = [
        _row(pipeline, f"{name} (pii)" if personal.parts_of(lineage) else name, lineage)
        for name, lineage in relation.columns.items()
    ]
    if relation.rows.origins or relation.rows.files:
        rows.append(("(which rows)", *_row(pipeline, "", relation.rows)[1:]))
    return table_text(("column", "made of", "decided by", "files"), rows)


def _row(pipeline: str, name: str, lineage: Lineage) -> tuple[str, ...]:
    direct = [
        _place(pipeline, origin) + ("" if kind == "identity" else f" ({kind})")
        for origin, kind in sorted(lineage.direct.items())
    ]
    indirect = [f"{_place(pipeline, origin)} ({', '.join(kinds)})" for origin, kinds in lineage.deciding().items()]
    return name, ", ".join(direct) or "-", ", ".join(indirect) or "-", ", ".join(sorted(lineage.files)) or "-"


def _place(pipeline: str, origin: OriginColumn) -> str:
    return str(origin) if origin.pipeline == pipeline else f"{origin.pipeline}.{origin}"


def _reached(reached: dict[OriginColumn, list[Reached]], personal: Personal) -> str:
    rows = [
        (
            f"{origin.column} (pii)" if origin in personal.columns else origin.column,
            sink,
            *(_names(columns, is_direct=kind) for kind in (True, False)),
        )
        for origin, found in reached.items()
        for sink, columns in _by_sink(found).items() or {"-": []}.items()
    ]
    return table_text(("column", "reaches", "is part of", "decides about"), rows)


def _by_sink(found: list[Reached]) -> dict[str, list[Reached]]:
    sinks: dict[str, list[Reached]] = {}
    for one in found:
        sinks.setdefault(f"{one.pipeline}.{one.sink}", []).append(one)
    return sinks


def _names(columns: list[Reached], *, is_direct: bool) -> str:
    return ", ".join(one.column for one in columns if one.is_direct == is_direct) or "-"
