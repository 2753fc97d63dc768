"""Names in a file that look like a declared name: they differ in letter case, or in the Unicode characters of the same letters.

Such a name is never read as the declared one, and never silently left out: a column without values would be the result.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable


def look_of(name: str) -> str:
    """The form that is equal for names that look alike: composed (NFC), in lower case."""
    return unicodedata.normalize("NFC", name.lower())


def lookalike(name: str, found: Iterable[str]) -> str | None:
    """The first of the names that looks like `name`, which is none of them; None if there is none."""
    look = look_of(name)
    return next((other for other in found if look_of(other) == look), None)


def spelled_otherwise(found: str, name: str) -> str:
    """How a name that was found differs from the declared one that it looks like."""
    if found.lower() == name.lower():
        return f"is spelled `{found}`, but `{name}` is declared"
    return (
        f"{json.dumps(found)} has other Unicode characters than the declared {json.dumps(name)}, "
        "although both look the same"
    )
