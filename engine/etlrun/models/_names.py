"""Checks whether the model that answered is the model that was asked: services reroute a name to another model without an error."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNNAMED = "unnamed"  # in `accept`: a reply that does not name its model

# `-001`, `-0613`, `-20250929`, `-2024-08-06`, `-05-20`, `-09-2025`: one release of a model. `-5` and `-4-5` are other models.
_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_RELEASE = re.compile(rf"[-@](?:\d{{3,4}}|\d{{6}}|\d{{8}}|\d{{4}}-{_MONTH}-{_DAY}|{_MONTH}-{_DAY}|{_MONTH}-\d{{4}})")


def plain_name(name: str) -> str:
    """A model's name without the prefix of the Gemini API: `models/gemini-3.5-flash` -> `gemini-3.5-flash`."""
    return name.rpartition("models/")[2].strip()


def is_release_of(name: str, version: str) -> bool:
    """Whether `version` is `name` itself, or a dated or numbered release of it."""
    known, found = plain_name(name).casefold(), plain_name(version).casefold()
    return found.startswith(known) and (found == known or bool(_RELEASE.fullmatch(found[len(known) :])))


def name_of_answerer(asked: str, accepted: Sequence[str], version: str) -> str | None:
    """The name under which an answer of `version` is stored: the name that was asked, or an accepted one. None for any other model."""
    if not version:
        return asked if UNNAMED in accepted else None
    return next((name for name in (asked, *accepted) if is_release_of(name, version)), None)
