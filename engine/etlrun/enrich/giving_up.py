"""When asking is given up: nothing but failures, a quota that is used up, answers that thinking leaves no room for."""

from __future__ import annotations

from collections.abc import Callable

from etlrun.contracts.model import ModelError, ModelReply
from etlrun.enrich.limiter import Limiter, RequestSlot
from etlrun.enrich.questions import Sheet
from etlrun.enrich.report import Stop, StopReason
from etlrun.enrich.terms import Terms

FIRST_TRIES = (
    20  # requests in a row without any answer, before the first one, after which the service is taken to be down
)
CUT_OFF = (
    3  # answers cut off before they hold a label, before there is any, after which the room is taken to be too small
)
MOST_PAUSES = 20  # pauses in a row, without one answer, after which a quota is taken to be used up
BARREN = 30  # requests in a row, without one answer, after which going on is taken to be useless


class GiveUp:
    """Counts what went wrong in a row, and says `stop` where going on is taken to be useless."""

    def __init__(self, terms: Terms, limiter: Limiter, stop: Callable[[Stop], None]) -> None:
        self.terms = terms
        self.limiter = limiter
        self.stop = stop
        self.barren = 0
        self.cut_off = 0

    def answered(self) -> None:
        """A request gave an answer: what went wrong before counts no more."""
        self.barren = 0
        self.limiter.answered()

    def react(self, slot: RequestSlot, error: ModelError) -> None:
        """Stop, slow down or go on, as a failure wants it."""
        if error.cause == "rate":
            self.limiter.pause(slot, error.wait)
            if self.limiter.pauses > MOST_PAUSES:
                self.stop(
                    Stop(
                        "quota",
                        f"the quota is used up: {error.message}",
                        "run again later",
                    )
                )
        elif error.cause == "day":
            fix = error.fix or "run again tomorrow"
            self.stop(Stop("quota", f"the quota of the day is used up: {error.message}", fix))
        elif error.cause in ("access", "model", "setup"):
            self.stop(Stop(error.cause, error.message, error.fix))
        else:
            self.count_barren("unusable" if error.cause == "refused" else "service", error.message, error.fix)

    def count_barren(self, reason: StopReason, message: str, fix: str = "") -> None:
        self.barren += 1
        most = max(BARREN, 3 * self.terms.limits.concurrency) if self.limiter.is_introduced else FIRST_TRIES
        if self.barren >= most:
            what = "run again when the service answers" if reason == "service" else "check the settings of the model"
            self.stop(Stop(reason, message, fix or f"{what}; the answers so far are stored"))

    def count_cut_off(self, sheet: Sheet, reply: ModelReply) -> None:
        """Stop where thinking eats the room of the answers: until there is one, requests go one by one."""
        self.cut_off += 1
        if self.cut_off < CUT_OFF:
            return
        cut_off = f"the first {CUT_OFF} answers of {self.terms.source} were cut off before their first label"
        self.stop(Stop("setup", f"{cut_off}: {used_room(sheet, reply)}", self.terms.more_room))


def used_room(sheet: Sheet, reply: ModelReply) -> str:
    """Why an answer was cut off before it held a label."""
    if reply.usage and reply.usage.thoughts:
        return f"{reply.usage.thoughts:,} of {reply.usage.output:,} tokens went into thinking"
    return f"{sheet.request.max_output_tokens:,} tokens are not enough for thinking and the answer"
