"""The limits of a budget, and the messages when one is reached."""

from __future__ import annotations

from etlrun.diagnostics import counted
from etlrun.enrich.dollars import dollars
from etlrun.enrich.report import Stop
from etlrun.enrich.terms import Budget


def money_used_up(spent: float, budget: Budget, next_request: float) -> Stop:
    """The next request may cost more than is left."""
    fix = f"{budget.fix}; the next request may cost {dollars(next_request)}"
    return Stop("budget", f"{dollars(spent)} of {dollars(budget.usd or 0.0)} were spent", fix)


def too_much_spent(spent: float, budget: Budget) -> Stop:
    """Requests have cost more than their worst price."""
    allowed = dollars(budget.usd or 0.0)
    message = f"{dollars(spent)} were spent, more than the {allowed} allowed: the service counts more tokens than a request can have"
    return Stop("budget", message, budget.fix)


def all_requests_sent(sent: int) -> Stop:
    """As many requests are sent as may be."""
    message = f"{counted(sent, 'request')} {'was' if sent == 1 else 'were'} sent, which is the limit"
    return Stop("budget", message, "raise `budget: {requests: ...}`")


def too_many_keys(left: int, budget: Budget) -> Stop:
    """Some keys are more than may be asked."""
    message = f"{counted(left, 'key')} {'is' if left == 1 else 'are'} more than the {budget.keys:,} that may be asked"
    return Stop("budget", message, "raise `budget: {keys: ...}`")
