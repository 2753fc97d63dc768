"""Checks the replies of models: which answers are accepted, and what is wrong with the others.

Nothing is matched by position. A reply must name its batch; an item must name its index; an answer must be allowed by
its output. A reply is refused as a whole if it answers a canary wrongly, or has no single valid answer for any canary. A reply
that was cut off before the first canary is refused too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from etlrun.contracts.model import ModelReply
from etlrun.enrich.questions import Question, Sheet
from etlrun.spec.normal_form import readable
from etlrun.spec.outputs import NotAllowed, Output, Value

Fault = Literal["", "blocked", "truncated", "unreadable", "other-batch", "canary", "incomplete"]
Answer = dict[str, Value]
UNVERIFIED = "cut off before a canary"
BROKEN = (ValueError, RecursionError)  # errors of the decoder; the second for `[[[[...`


@dataclass(frozen=True)
class ReplyVerdict:
    """The result of checking a reply: accepted answers by index of the key, what was wrong, and counts of the details."""

    answers: Mapping[int, Answer]
    fault: Fault
    details: Counter[str]
    reason: str = ""


def judge(question: Question, sheet: Sheet, reply: ModelReply) -> ReplyVerdict:
    """Check a reply against the sheet of its request."""
    details: Counter[str] = Counter()
    if reply.ending == "blocked":
        return ReplyVerdict({}, "blocked", Counter(["blocked"]), reply.reason)
    found = _document(reply.text)
    if found is None:
        return ReplyVerdict(
            {}, "truncated" if reply.ending == "truncated" else "unreadable", Counter(["unreadable"]), reply.reason
        )
    batch, items, is_whole = found
    if batch != sheet.batch:
        return ReplyVerdict({}, "other-batch", Counter(["other-batch"]), "answers another batch")
    answers, spoilt = _answers(question, len(sheet.items), items, details)
    for place, known in sheet.canaries.items():
        if place in answers and not question.prompt.agrees(answers[place], known):
            return ReplyVerdict({}, "canary", Counter(["canary"]), _missed(question, known, answers[place]))
    if sheet.canaries and not sheet.canaries.keys() & answers.keys():
        is_all_there = is_whole or reply.ending == "complete" or bool(spoilt & sheet.canaries.keys())
        if is_all_there or min(sheet.canaries) < max(answers, default=-1):
            return ReplyVerdict({}, "canary", Counter(["canary"]), "no canary was answered")
        details.update([UNVERIFIED] if answers else [])
        return ReplyVerdict({}, "truncated", details, "the answer was cut off before it came to a canary")
    taken = {place: answers[item] for item, place in enumerate(sheet.items) if place is not None and item in answers}
    if len(taken) == len(sheet.items) - len(sheet.canaries):
        return ReplyVerdict(taken, "", details)
    if reply.ending == "truncated" or not is_whole:
        return ReplyVerdict(taken, "truncated", details, "the answer was cut off")
    return ReplyVerdict(taken, "incomplete", details, ", ".join(sorted(details)) or "missing")


def _document(text: str) -> tuple[str, Iterator[Any], bool] | None:
    """The batch name and the readable items of a reply, and whether it is complete."""
    text = text.strip()
    if text.startswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    try:
        whole = _DECODER.decode(text)
    except BROKEN:
        return _salvage(text)
    if (
        not isinstance(whole, dict)
        or not isinstance(whole.get("batch"), str)
        or not isinstance(whole.get("labels"), list)
    ):
        return None
    return whole["batch"], iter(whole["labels"]), True


def _salvage(text: str) -> tuple[str, Iterator[Any], bool] | None:
    """The complete items of an answer that was cut off."""
    head = re.match(r'\s*\{\s*"batch"\s*:\s*"([^"\\]*)"\s*,\s*"labels"\s*:\s*\[', text)
    if not head:
        return None
    return head.group(1), _complete_items(text, head.end()), False


def _complete_items(text: str, at: int) -> Iterator[Any]:
    while True:
        at = _skip(text, at)
        try:
            item, at = _DECODER.raw_decode(text, at)
        except BROKEN:
            return
        yield item


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _missed(question: Question, known: Mapping[str, Value], answer: Answer) -> str:
    """What a model answers about a canary, in place of the known answer; a job's sheets do not keep the canary's key."""
    key = next((f"`{readable(canary.key)}`" for canary in question.prompt.canaries if canary.answer is known), "")
    right, given = ("/".join(str(found[name]) for name in known) for found in (known, answer))
    return f"the canary {key} is {right}, but the model answers {given}".replace("  ", " ")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    found = dict(pairs)
    return found if len(found) == len(pairs) else None


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _answers(
    question: Question, size: int, items: Iterator[Any], details: Counter[str]
) -> tuple[dict[int, Answer], set[int]]:
    """The valid answers by item, and the invalid items: with two different answers, or with something that is not an answer."""
    found: dict[int, Answer] = {}
    in_conflict: set[int] = set()
    for item in items:
        index = item.get("i") if isinstance(item, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < size:
            details["unknown item"] += 1
            continue
        try:
            answer = _read(question.fields, item)
        except NotAllowed as error:
            details[str(error)] += 1
            in_conflict.add(index)  # a second, valid answer for the same item would be a guess
            continue
        if index in found:
            details["item twice"] += 1
            if found[index] != answer:
                in_conflict.add(index)
        found[index] = answer
    return {index: answer for index, answer in found.items() if index not in in_conflict}, in_conflict


def _read(fields: Mapping[str, Output], item: Mapping[str, Any]) -> Answer:
    answer: Answer = {}
    for field, output in fields.items():
        if field not in item:
            raise NotAllowed("a field is missing")
        answer[output.name] = output.read(item[field])
    return answer
