"""The remaining rate limits of a service, as its last reply reported them: each limit is a bucket that refills evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass

from etlrun.contracts.model import Allowance

MOST_WAIT = 60.0  # seconds for one request: a service that means more refuses it, and says so then


@dataclass
class RemainingLimit:
    """So much of a limit is there at the time `at`, and `rate` more each second. Nothing is known of a new one, and all is allowed."""

    limit: float = math.inf
    level: float = math.inf
    rate: float = 0.0
    at: float = 0.0
    sent: float = 0.0  # when the request was sent whose reply said so

    def learn(self, allowance: Allowance, sent: float, under_way: float, now: float) -> None:
        """Take what a service said of a request that was sent then, unless it said more since; `under_way` may not have been counted by it yet."""
        if sent < self.sent:
            return
        level = max(0.0, allowance.left - under_way)
        self.level = min(level, self.level) if sent == self.sent else level
        self.limit, self.at, self.sent = allowance.limit, now, sent
        self.rate = (allowance.limit - allowance.left) / allowance.seconds if allowance.seconds else math.inf

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` is there, or the whole limit where it is more."""
        missing = min(amount, self.limit) - self.level
        if missing <= 0 or self.rate == math.inf:
            return 0.0
        return max(0.0, missing / max(self.rate, amount / MOST_WAIT) - (now - self.at))

    def take(self, amount: float, now: float) -> None:
        """Use `amount`."""
        if self.limit < math.inf and self.rate < math.inf:
            self.level = max(0.0, min(self.limit, self.level + self.rate * (now - self.at)) - amount)
            self.at = now
