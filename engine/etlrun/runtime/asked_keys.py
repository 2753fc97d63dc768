"""Compute the keys of every `enrich` step of a pipeline in this process with DuckDB; no service is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from etlrun.compiler.check import Checked
from etlrun.contracts.step import Ask
from etlrun.engines.duckdb import Duckdb
from etlrun.enrich.bills import asking_relations
from etlrun.enrich.enrichment import read_keys
from etlrun.enrich.keys import Keys
from etlrun.runtime.run import RunOptions, run_pipeline
from etlrun.runtime.stage import Staged
from etlrun.spec.project import Use
from etlrun.working import Reporter

Seen = TypeVar("Seen")


def gather_keys(checked: Checked, reporter: Reporter) -> dict[str, Keys]:
    """The distinct keys of every enrich step, by the name of its relation of answers. Raises RunFailure."""
    return look_at_asked(checked, reporter, lambda ask, paths: read_keys(paths, ask))


def look_at_asked(checked: Checked, reporter: Reporter, read: Callable[[Ask, Sequence[str]], Seen]) -> dict[str, Seen]:
    """Apply `read` to the rows of every enrich step (Parquet files); results are by the name of its relation of answers.

    DuckDB computes the rows; no service is called. If the keys of a step depend on the answers of another step, only known answers are
    used. Raises RunFailure.
    """
    asking = asking_relations(checked)
    found: dict[str, Seen] = {}

    def look(staged: dict[str, Staged]) -> None:
        for relation in asking:
            assert relation.ask is not None
            found[relation.name] = read(relation.ask, [str(path) for path in staged[relation.reads[0]].paths])

    bare = replace(checked, pipeline=replace(checked.pipeline, checks={}, sinks={}))
    bare = replace(bare, profile=replace(bare.profile, engine=Use("duckdb", Duckdb(), ())))
    given = tuple(dict.fromkeys(relation.reads[0] for relation in asking))
    if given:
        run_pipeline(bare, reporter, RunOptions(publishes=False, relations=given, look=look))
    return found
