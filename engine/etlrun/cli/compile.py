"""`etlrun compile`: prints the SQL of every relation."""

from __future__ import annotations

from pathlib import Path

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, complete_relation


@click.command("compile")
@click.argument("pipeline", metavar="PIPELINE", type=PipelineFile())
@click.argument("relation", metavar="[RELATION]", default="", shell_complete=complete_relation)
@click.option(
    "--dialect",
    default="spark",
    type=click.Choice(["spark", "duckdb"]),
    show_default=True,
    help="The dialect of the SQL.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a param or variable; may be repeated."
)
def command(pipeline: Path, relation: str, dialect: str, settings: tuple[str, ...]) -> None:
    """Print the SQL that the engine gets, for one RELATION or for all."""
    from etlrun.compiler.plan import DIALECTS, awaited, make_plan
    from etlrun.language.columns import LABEL

    plan = make_plan(checked_pipeline(pipeline, "", "", settings, runs=False))
    found = [item for item in plan.relations if not relation or item.name.split(".")[0] == relation]
    if not found:
        known = ", ".join(item.name for item in plan.relations)
        raise click.BadParameter(f"there is no relation `{relation}`: the relations are {known}", param_hint="RELATION")
    for item in found:
        tree = item.tree
        chain = plan.checked.pipeline.chains.get(item.name.partition(".")[0], ())
        sources = (awaited(chain[piece.step]) for piece in item.pieces)
        for source in (source for source in sources if source is not None):
            click.echo(f"-- {item.name}: a run first reads each label of {source.from_}, which {LABEL} stands for here")
        if item.source is not None:
            click.echo(f"-- {item.name}: read by the source `{item.source.kind}`\n")
        elif item.apply is not None:
            click.echo(f"-- {item.name}: made by {item.apply.function} from {', '.join(item.reads)}\n")
        elif item.ask is not None:
            given, names = ", ".join(item.reads), item.ask.models
            models = ", then ".join((" and ".join(names[:2]), *names[2:]) if item.ask.agree else names)
            click.echo(
                f"-- {item.name}: the answers of {models} to prompts/{item.ask.prompt}.md for each distinct `{', '.join(item.ask.parts)}` of {given}\n"
            )
        elif tree is not None:
            click.echo(f"-- {item.name}\n{DIALECTS[dialect](tree, pretty=True)};\n")
