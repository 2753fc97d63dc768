"""The keys of a pipeline by the number of rows they have, with what is known of each and what labelling it would gain; and the
labels that people gave, taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from etlrun.compiler.check import Checked
from etlrun.contracts.step import Ask
from etlrun.diagnostics import Diagnostic
from etlrun.enrich.answers import OVERRIDE, Answer, known_answers
from etlrun.enrich.bills import asking_relations
from etlrun.enrich.enrichment import Enrichment, count_rows, open_enrichment, read_keys
from etlrun.enrich.keys import Key, Keys
from etlrun.spec.answer_files import Answered
from etlrun.spec.normal_form import normal_form, readable
from etlrun.spec.outputs import Output
from etlrun.spec.personal_kinds import Policy, sender


@dataclass(frozen=True)
class AskedRows:
    """The rows of an enrich step: its keys, the number of rows, and who is in them: each distinct spelling and user."""

    keys: Keys
    texts: Mapping[int, str]  # the whole texts of keys of which a model sees a part, by their place
    rows: int
    users: Sequence[tuple[str, object]] = ()


class ReviewLine(NamedTuple):
    """A key with its whole text, what is known of it, and the share of all rows and of all users that have an answer once this key and the open ones before
    it are labelled, less what have one now; None for a key that has an answer."""

    key: Key
    text: str
    answer: Answer
    row_gain: float | None
    user_gain: float | None


@dataclass(frozen=True)
class Review:
    """The keys of one enrich step, the one with the most rows first."""

    prompt: str
    outputs: tuple[Output, ...]
    keys: tuple[str, ...]
    lines: tuple[ReviewLine, ...]


def read_rows(ask: Ask, paths: Sequence[str], users: str) -> AskedRows:
    """The rows of a step in Parquet files; `users` is the column that says who is in them, or `""`."""
    keys, rows = read_keys(paths, ask), count_rows(paths)
    texts = _whole_texts(keys, ask.personal)
    if not users or not paths:
        return AskedRows(keys, texts, rows)
    import duckdb

    from etlrun.language.duckdb_words import name, parquet

    query = f"SELECT DISTINCT {name(ask.key)}, {name(users)} FROM {parquet(paths)} WHERE {name(users)} IS NOT NULL"
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        return AskedRows(keys, texts, rows, connection.execute(query).fetchall())


def _whole_texts(keys: Keys, personal: Policy) -> dict[int, str]:
    """The most frequent spelling of each key of which a model sees a part: the part would be another key."""
    cut = {place for place, key in enumerate(keys.asked) if normal_form(key.shown) != key.normal}
    found: dict[int, tuple[int, str]] = {}
    for text, rows, place in zip(keys.raw, keys.rows, keys.place):
        if place in cut:
            found[place] = min(found.get(place, (0, "")), (-rows, text))
    whole = sender(personal)
    return {place: whole(text) for place, (_, text) in found.items()}


def review(checked: Checked, asked: Mapping[str, AskedRows]) -> Iterator[Review]:
    """Every enrich step reviewed; `asked` are their rows, by the name of the relation of answers. Calls no service. Raises RunFailure."""
    for relation in asking_relations(checked):
        assert relation.ask is not None
        rows = asked[relation.name]
        with open_enrichment(checked.project, checked.profile, relation.ask) as enrichment:
            answers = known_answers(rows.keys.asked, enrichment.tiers, enrichment.store, enrichment.overrides)
        yield Review(
            relation.ask.prompt, enrichment.prompt.outputs, enrichment.prompt.keys, tuple(_lines(rows, answers))
        )


def _lines(asked: AskedRows, answers: Sequence[Answer]) -> Iterator[ReviewLine]:
    is_open = [answer.status != "ok" for answer in answers]
    by_row = _shares((key.rows if wanted else 0 for key, wanted in zip(asked.keys.asked, is_open)), asked.rows)
    by_user = _shares(*_new_users(asked, is_open)) if asked.users else [None] * len(answers)
    for place, (key, answer, wanted, rows, users) in enumerate(
        zip(asked.keys.asked, answers, is_open, by_row, by_user, strict=True)
    ):
        text = asked.texts.get(place, key.shown)
        yield ReviewLine(key, text, answer, rows if wanted else None, users if wanted else None)


def _shares(counts: Iterator[int] | Sequence[int], whole: int) -> list[float]:
    return [total / max(1, whole) for total in accumulate(counts)]


def _new_users(asked: AskedRows, is_open: Sequence[bool]) -> tuple[list[int], int]:
    """By key, the users of whom no key before it has an answer once all open ones before it are labelled; and how many users there are."""
    place_of = dict(zip(asked.keys.raw, asked.keys.place))
    first: dict[object, int] = {}  # user -> the first open key, or -1 where one has an answer now
    nobody = len(is_open)
    for spelling, user in asked.users:
        place = place_of.get(spelling, -1)
        wanted = nobody if place < 0 else place if is_open[place] else -1
        first[user] = min(first.get(user, nobody), wanted)
    counts = Counter(first.values())
    return [counts[place] for place in range(nobody)], len(first)


def corrections(enrichment: Enrichment, labelled: Sequence[Answered]) -> list[Answered]:
    """The lines of a reviewed file that say something new: not what the models answer already."""
    keys = [Key(normal_form(entry.key), entry.key, 1) for entry in labelled]
    known = known_answers(keys, enrichment.tiers, enrichment.store, enrichment.overrides)
    return [
        entry
        for entry, answer in zip(labelled, known, strict=True)
        if answer.source == OVERRIDE or answer.status != "ok" or dict(answer.values) != dict(entry.answer)
    ]


def not_stored(enrichment: Enrichment, labelled: Sequence[Answered]) -> list[Answered]:
    """The lines that `etlrun llm review` wrote whose key no model was asked and nobody has labelled: the key may have changed since."""
    shown = {normal_form(entry.key): entry for entry in labelled if entry.was_shown}
    names = [name for name in shown if name not in enrichment.overrides]
    stored = {name for tier in enrichment.tiers for name in enrichment.store.judged(tier.questions, names)}
    return [shown[name] for name in names if name not in stored]


def changed_keys(file: str, unknown: Sequence[Answered], keys: Iterable[Keys]) -> list[Diagnostic]:
    """A mistake for each line whose key is not one of `keys`, those of the pipeline."""
    known = {key.normal for each in keys for key in each.asked}
    fix = (
        "correct the key (import the file into the spreadsheet with this column as text), or remove the line; "
        "to label a key that is not in the data yet, leave `rows` empty"
    )
    return [
        Diagnostic(
            file,
            entry.line,
            1,
            1 + len(readable(entry.key)),
            "changed-key",
            f"`{readable(entry.key)}` is not a key of the pipeline; a spreadsheet may have changed it, as `1-2` into a date or `007` into 7",
            fix,
        )
        for entry in unknown
        if normal_form(entry.key) not in known
    ]
