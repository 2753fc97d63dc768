"""The settings of a profile for the cache of parts: rows read from text files, saved for later runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from etlrun.spec.ages import read_age
from etlrun.spec.fields import Described, Label, Size, key

PARTS = "saves the rows that runs read from text files below `runs:`, so that later runs read only new and changed files; default: off"


@dataclass(frozen=True)
class PartSettings(Described):
    """Save the rows that runs read from text files, so that each file is read only once."""

    keep: Label = key(
        "how long a part is kept after a run last used it: `40 days`, `40d`", default="40 days", example="40d"
    )
    room: Size = key(
        "the largest size of all parts together; the least recently used parts are removed first",
        default=Size(20_000_000_000),
        example="200GB",
    )

    @property
    def age(self) -> timedelta:
        return read_age(self.keep) or timedelta()
