"""What a profile says of the cache of parts: what was read of a file of text, kept for the runs to come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from etlrun.spec.ages import read_age
from etlrun.spec.fields import Described, Label, Size, key

PARTS = "saves the rows that runs read from text files below `runs:`, so that later runs read only new and changed files; default: off"


@dataclass(frozen=True)
class PartSettings(Described):
    """Keep what runs read of text files, so that a file is read once and a new day costs a day."""

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
