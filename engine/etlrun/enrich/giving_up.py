"""Decides when to stop asking: only failures, an exhausted quota, or answers cut off because of thinking."""

from __future__ import annotations

from collections.abc import Callable

from etlrun.contracts.model import ModelError, ModelReply
from etlrun.enrich.limiter import Limiter, RequestSlot
from etlrun.enrich.questions import Sheet
from etlrun.enrich.replies import ReplyVerdict
from etlrun.enrich.report import Stop, StopReason
from etlrun.enrich.terms import Terms

FIRST_TRIES = 20  # failed requests in a row before the first answer, after which the service is considered down
CUT_OFF = 3  # answers in a row cut off before a label, before the first one, after which the token limit is considered too small
MOST_PAUSES = 20  # pauses in a row without an answer, after which the quota is considered exhausted
BARREN = 30  # requests in a row without an answer, after which continuing is considered useless


class GiveUp:
    """Counts failures in a row, and calls `stop` if continuing is useless."""

    def __init__(self, terms: Terms, limiter: Limiter, stop: Callable[[Stop], None]) -> None:
        self.terms = terms
        self.limiter = limiter
        self.stop = stop
        self.barren = 0
        self.cut_off = 0

    def answered(self) -> None:
        """A request had an answer: reset the counts of failures."""
        self.barren = 0
        self.limiter.answered()

    def react(self, slot: RequestSlot, error: ModelError) -> None:
        """Stop, slow down or continue, depending on the failure."""
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

    def count_unusable(self, verdict: ReplyVerdict, prompt: str) -> None:
        """Stop after too many replies in a row without a valid answer."""
        fix = f"try another model, or correct prompts/{prompt}.md; `etlrun llm doctor {prompt}` shows what the model answers"
        why = f"the model's answers cannot be used: {verdict.reason or verdict.fault}"
        self.count_barren("unusable", why, fix)

    def count_cut_off(self, sheet: Sheet, reply: ModelReply) -> None:
        """Stop if thinking uses up the tokens of the answers. Until the first answer, requests are sent one by one."""
        self.cut_off += 1
        if self.cut_off < CUT_OFF:
            return
        cut_off = f"the first {CUT_OFF} answers of {self.terms.source} were cut off before their first label"
        self.stop(Stop("setup", f"{cut_off}: {used_room(sheet, reply, self.terms.thoughts)}", self.terms.more_room))


def used_room(sheet: Sheet, reply: ModelReply, thoughts: int) -> str:
    """The reason why an answer was cut off before it contained a label; `thoughts` is the number of tokens reserved for thinking."""
    reserved = f"`thoughts` is {thoughts:,}"
    if reply.usage and reply.usage.thoughts:
        return f"{reply.usage.thoughts:,} of {reply.usage.output:,} tokens went into thinking ({reserved})"
    return f"{sheet.request.max_output_tokens:,} tokens are not enough for thinking and the answer ({reserved})"
