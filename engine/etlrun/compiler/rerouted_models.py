"""Warnings for models of a pipeline that the service replaces by another model, now or from a known day on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etlrun.diagnostics import Diagnostic
from etlrun.spec.environment import from_environment
from etlrun.spec.pipeline import Pipeline
from etlrun.spec.project import Profile, Project

if TYPE_CHECKING:
    from etlrun.contracts.model import LanguageModel


def rerouted_models(pipeline: Pipeline, project: Project, profile: Profile) -> Iterator[Diagnostic]:
    """A warning for each, at its place in the project file."""
    asked = {name for chain in pipeline.chains.values() for use in chain for name, _ in use.value.models()}
    if not asked:
        return
    from etlrun.contracts.model import LanguageModel  # most pipelines ask no model
    from etlrun.models._rerouted_names import rerouted_name

    for use in (use for name in sorted(asked) for use in profile.models.get(name, ())):
        rerouted = rerouted_name(_name(use.value), use.value.accept) if isinstance(use.value, LanguageModel) else None
        if rerouted and project.document:
            yield project.document.diagnose_key(
                use.where, "rerouted-model", rerouted.message, rerouted.fix, severity="warning"
            )


def _name(model: LanguageModel) -> str:
    """The name of a model; `""` if it comes from an environment variable that is not set here."""
    from etlrun.contracts.model import ModelError

    try:
        return model.model_name(from_environment)
    except ModelError:
        return ""
