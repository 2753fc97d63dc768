"""Opens an enrichment: the prompt, the models of the profile, the overrides, and the label store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etlrun.contracts.model import LanguageModel, LocalModel, Model, ModelError
from etlrun.contracts.step import Ask
from etlrun.enrich.answers import Answers, answer_keys, known_answers
from etlrun.enrich.estimates import Bill, estimate
from etlrun.enrich.keys import Keys, distinct_keys
from etlrun.enrich.labels import open_labels
from etlrun.enrich.store import Store
from etlrun.enrich.terms import Budget, Progress
from etlrun.enrich.tiers import Tier, tiers_of, with_a_pair
from etlrun.failures import RunFailure
from etlrun.spec.answer_files import overrides_path, read_overrides
from etlrun.spec.environment import from_environment
from etlrun.spec.normal_form import MAX_CHARACTERS
from etlrun.spec.outputs import Value
from etlrun.spec.personal_kinds import Policy
from etlrun.spec.project import Profile, Project
from etlrun.spec.prompts import Prompt, named_prompt
from etlrun.stopping import cancelling, orderly

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Enrichment:
    """An opened prompt with its models, overrides and label store."""

    project: Project
    prompt: Prompt
    tiers: tuple[Tier, ...]
    overrides: Mapping[str, Mapping[str, Value]]
    store: Store
    characters: int = MAX_CHARACTERS  # characters of a key that a model sees
    personal: Policy = "refuse"  # whether keys with personal data are sent

    def bills(self, keys: Keys, counted: dict[str, set[str]] | None = None) -> list[Bill]:
        """The estimated cost, one bill per model, without calling a service. `counted` are the keys, by question, in the bills of other steps."""
        return estimate(keys.asked, self.tiers, self.store, self.overrides, self.project.root, counted=counted)

    @property
    def asks_services(self) -> bool:
        """Whether keys are sent to services."""
        return any(isinstance(tier.model, LanguageModel) for tier in self.tiers)

    def check_names(self) -> None:
        """Check with the services, for free, that models without a known price exist. Raises RunFailure if one does not."""
        for tier in self.tiers:
            if isinstance(tier.model, LanguageModel) and tier.tariff.price is None:
                try:
                    asyncio.run(_check(tier.model))
                except ModelError as error:
                    if error.cause in ("access", "model", "setup"):
                        raise RunFailure("usage", f"model-{error.cause}", error.message, error.fix) from None

    def ask(self, keys: Keys, budget: Budget, run: str, progress: Progress) -> Answers:
        """Ask the keys that were never asked. Raises RunFailure if the store fails."""
        root = self.project.root
        return answer_keys(
            keys,
            self.tiers,
            self.store,
            self.overrides,
            root,
            from_environment,
            budget=budget,
            run=run,
            progress=progress,
        )

    def look_up(self, keys: Keys, run: str, progress: Progress) -> Answers:
        """The free answers: stored ones, and those of models that look up keys."""
        free = replace(self, tiers=tuple(tier for tier in self.tiers if isinstance(tier.model, LocalModel)))
        reports = free.ask(keys, Budget(), run, progress).reports
        return Answers(keys, known_answers(keys.asked, self.tiers, self.store, self.overrides), reports)


@contextmanager
def open_enrichment(project: Project, profile: Profile, ask: Ask) -> Iterator[Enrichment]:
    """Open everything that `ask` needs, for the duration of the block. Raises RunFailure, and SpecError for mistakes in files."""
    with opened(project, profile, ask.prompt, models_of(profile, ask.models), ask.characters) as found:
        tiers = found.tiers
        if ask.agree:
            try:
                tiers = with_a_pair(tiers)
            except ModelError as error:
                raise RunFailure("usage", "model-setup", error.message, error.fix) from None
        yield replace(found, personal=ask.personal, tiers=tiers)


@contextmanager
def opened(
    project: Project, profile: Profile, prompt: str, models: Sequence[Model], characters: int = MAX_CHARACTERS
) -> Iterator[Enrichment]:
    """Open a prompt for some models, which see so many characters of a key. Raises RunFailure, and SpecError for mistakes in files."""
    found = named_prompt(project.root, prompt)
    overrides = read_overrides(
        project.root, prompt, os.path.relpath(overrides_path(project.root, prompt)), found.outputs, found.keys
    )
    try:
        tiers = tiers_of(found, models, project.root, from_environment, characters)
    except ModelError as error:
        raise RunFailure("usage", "model-setup", error.message, error.fix) from None
    with orderly(), closing(open_labels(project, profile)) as store:
        yield Enrichment(project, found, tiers, overrides, store, characters)


async def _check(model: LanguageModel) -> None:
    client = model.open(from_environment)
    try:
        await client.check()
    finally:
        await client.close()


def models_of(profile: Profile, names: tuple[str, ...]) -> tuple[Model, ...]:
    """The models with these names in the profile, in the order in which they are asked."""
    return tuple(use.value for name in names for use in profile.models[name])


def read_keys(paths: Sequence[str], ask: Ask) -> Keys:
    """The distinct keys of Parquet files, each with its number of rows. Rows without a text are left out."""
    import duckdb

    from etlrun.language.duckdb_words import name, parquet

    if not paths:
        return distinct_keys(())
    column = ask.key
    query = (
        f"SELECT {name(column)}, count(*) FROM {parquet(paths)} WHERE {name(column)} IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    with duckdb.connect() as connection, cancelling(connection.interrupt):
        connection.execute("SET threads = 2")
        return distinct_keys(_rows(connection.execute(query)), ask.characters, ask.personal)


def count_rows(paths: Sequence[str]) -> int:
    """The rows of Parquet files."""
    import pyarrow.parquet as pq

    return sum(pq.ParquetFile(path).metadata.num_rows for path in paths)


def _rows(cursor: object) -> Iterator[tuple[str, int]]:
    while batch := cursor.fetchmany(50_000):  # type: ignore[attr-defined]
        yield from batch
