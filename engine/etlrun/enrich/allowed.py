"""The remaining rate limits of a service, as its last reply reported them: each limit is a bucket that refills evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass

from etlrun.contracts.model import Allowance

MOST_WAIT = 60.0  # seconds for one request: if the limit is longer, the service refuses the request and says so


@dataclass
class RemainingLimit:
    """The rest of a limit at the time `at`, which grows by `rate` each second. Before the first reply nothing is known, and everything is allowed."""

    limit: float = math.inf
    level: float = math.inf
    rate: float = 0.0
    at: float = 0.0
    sent: float = 0.0  # when the request was sent whose reply reported it

    def learn(self, allowance: Allowance, sent: float, under_way: float, now: float) -> None:
        """Store the values reported for a request sent at that time, unless a newer one exists. The service may not have counted `under_way` yet."""
        if sent < self.sent:
            return
        level = max(0.0, allowance.left - under_way)
        self.level = min(level, self.level) if sent == self.sent else level
        self.limit, self.at, self.sent = allowance.limit, now, sent
        self.rate = (allowance.limit - allowance.left) / allowance.seconds if allowance.seconds else math.inf

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` is available, or the whole limit if `amount` is larger."""
        missing = min(amount, self.limit) - self.level
        if missing <= 0 or self.rate == math.inf:
            return 0.0
        return max(0.0, missing / max(self.rate, amount / MOST_WAIT) - (now - self.at))

    def take(self, amount: float, now: float) -> None:
        """Use `amount`."""
        if self.limit < math.inf and self.rate < math.inf:
            self.level = max(0.0, min(self.limit, self.level + self.rate * (now - self.at)) - amount)
            self.at = now
