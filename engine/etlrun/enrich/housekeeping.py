"""Removes data from the label store at the user's request: keys, unused questions, answers to be asked again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etlrun.contracts.model import ModelError
from etlrun.enrich.jobs import keys_at_work
from etlrun.enrich.questions import Question
from etlrun.enrich.store import Cost, Status, Store
from etlrun.enrich.tiers import tiers_of
from etlrun.enrich.traces import Trace, find_traces
from etlrun.failures import RunFailure
from etlrun.spec.environment import from_environment
from etlrun.spec.normal_form import normal_form
from etlrun.spec.project import Profile, Project
from etlrun.spec.prompts import Prompt, named_prompt, prompt_names


@dataclass(frozen=True)
class Forgotten:
    """Removed keys (normal forms), the number of their answers, how many were in open jobs, and files that still contain such a key."""

    keys: tuple[str, ...]
    answers: int
    in_jobs: int
    traces: tuple[Trace, ...]


def forget_keys(project: Project, store: Store, texts: Sequence[str], *, parts: bool) -> Forgotten:
    """Remove everything about keys from the store or, with `parts`, about keys that contain the texts: answers of all questions, and traces
    in the store's file. Raises RunFailure."""
    wanted = [normal_form(text) for text in texts]
    keys = tuple(dict.fromkeys(key for text in wanted for key in (store.holding(text) if parts else [text])))
    in_jobs = len(keys_at_work(store.jobs()).intersection(keys))
    answers = sum(store.forget(cost.question, keys) for cost in store.costs()) if keys else 0
    store.compact()
    traces = find_traces(project, list(prompts_of(project)), wanted, parts=parts)
    return Forgotten(keys, answers, in_jobs, tuple(traces))


def prompts_of(project: Project) -> Iterator[Prompt]:
    """The prompts of a project. Raises SpecError for mistakes in one."""
    for name in prompt_names(project.root):
        yield named_prompt(project.root, name)


def questions_of(project: Project, prompt: Prompt, profiles: Iterable[Profile]) -> tuple[Question, ...]:
    """The questions of a prompt to every model of some profiles. Raises RunFailure if a model is not set up, and SpecError for its files."""
    models = [use.value for profile in profiles for uses in profile.models.values() for use in uses]
    try:
        tiers = tiers_of(prompt, models, project.root, from_environment)
    except ModelError as error:
        message = f"it is not known which answers are in use: {error.message}"
        raise RunFailure("usage", "model-setup", message, error.fix) from None
    return tuple({question.id: question for tier in tiers for question in tier.questions}.values())


def unused(project: Project, store: Store) -> list[Cost]:
    """The questions of the store that no prompt and no model of the project's profiles uses. Raises RunFailure, and SpecError."""
    profiles = project.profiles.values()
    asked = [question for prompt in prompts_of(project) for question in questions_of(project, prompt, profiles)]
    return [cost for cost in store.costs() if not _is_one_of(cost.question, asked)]


def _is_one_of(question: str, asked: Sequence[Question]) -> bool:
    """Whether a step may ask this question, whatever its `max_characters` is."""
    return any(question == found.id for found in asked) or any(question in found.ids for found in asked)


def prune(store: Store, costs: Sequence[Cost]) -> int:
    """Remove questions with their answers and requests; returns the number of answers. Raises RunFailure."""
    answers = sum(store.forget_question(cost.question) for cost in costs)
    store.compact()
    return answers


def ask_again(project: Project, profile: Profile, store: Store, prompt: str, statuses: Sequence[Status]) -> int:
    """Let the next run ask the keys with such a status again; returns their number. Raises RunFailure, and SpecError."""
    found = named_prompt(project.root, prompt)
    asked = questions_of(project, found, [profile])
    return sum(
        store.forget_status(cost.question, statuses) for cost in store.costs() if _is_one_of(cost.question, asked)
    )
