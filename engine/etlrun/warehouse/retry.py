"""How often and how long to retry; a test can replace the clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from etlrun.stopping import pause


@dataclass(frozen=True)
class RetryPolicy:
    """At most `tries` tries, with pauses that double from `first` to `most` seconds, each shortened by up to half at random."""

    tries: int = 5
    first: float = 1.0
    most: float = 10.0
    sleep: Callable[[float], None] = pause
    chance: Callable[[], float] = random.random

    def pauses(self) -> Iterator[float]:
        """The seconds to wait after each try but the last."""
        for number in range(self.tries - 1):
            yield min(self.most, self.first * 2**number) * (1 - self.chance() / 2)
