"""The label store: what is kept, what replaces what, and who may ask which key."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import posing
import pytest
import sqlalchemy as sa

from etlrun.enrich import _owner
from etlrun.enrich._sql_store import SqlStore
from etlrun.enrich._tables import OWNERS
from etlrun.enrich.labels import open_store
from etlrun.enrich.questions import Question
from etlrun.enrich.store import Leased, RequestEntry, Result, Sent, Store
from etlrun.failures import RunFailure

QUESTION = Question(posing.prompt(), {"model": "m"})
OTHER = Question(posing.prompt(), {"model": "n"})
SENT = Sent("a91f3c", 2, 1, "complete", 100, 20, 0, 0.25, 1.5, "m-001")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "state" / "labels.sqlite")
    yield opened
    opened.close()


def result(key: str, status: str = "ok", label: str = "Action") -> Result:
    answer = f'{{"category": "{label}"}}' if status == "ok" else ""
    return Result(key, key.upper(), status, answer, "why")  # type: ignore[arg-type]


def record(store: Store, *results: Result, sent: Sent = SENT, question: Question = QUESTION) -> None:
    store.record(question.id, "run-1", [RequestEntry(sent, results)])


def known(store: Store, *keys: str) -> dict[str, tuple[str, object]]:
    return {key: (found.status, found.values.get("category")) for key, found in store.known(QUESTION.id, keys).items()}


def test_an_answer_is_kept_with_where_it_came_from(store: Store, tmp_path: Path) -> None:
    store.add_question(QUESTION, "gemini m")
    record(store, result("sao băng"))
    with sqlite3.connect(tmp_path / "state" / "labels.sqlite") as connection:
        names = "prompt, source, key, shown, status, answer, reason, version, tokens, usd, run"
        (row,) = connection.execute(f"select {names} from etlrun_labels").fetchall()
        (sent,) = connection.execute(
            "select batch, asked, answered, outcome, input_tokens, output_tokens, usd, run from etlrun_requests"
        ).fetchall()
    connection.close()
    assert row == (
        "small",
        "gemini m",
        "sao băng",
        "SAO BĂNG",
        "ok",
        '{"category": "Action"}',
        "why",
        "m-001",
        60.0,
        0.125,
        "run-1",
    )
    assert sent == ("a91f3c", 2, 1, "complete", 100, 20, 0.25, "run-1")


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("ok", "failed", "ok"),
        ("ok", "refused", "ok"),
        ("ok", "abstained", "ok"),
        ("refused", "failed", "refused"),
        ("failed", "ok", "ok"),
        ("failed", "refused", "refused"),
        ("refused", "ok", "ok"),
        ("failed", "failed", "failed"),
    ],
)
def test_a_failure_never_replaces_an_answer(store: Store, before: str, after: str, kept: str) -> None:
    record(store, result("a b", before))
    record(store, result("a b", after), result("c d", after))
    assert known(store, "a b")["a b"][0] == kept
    assert known(store, "c d")["c d"][0] == after


def test_a_newer_answer_replaces_an_older_one(store: Store) -> None:
    record(store, result("a b"))
    record(store, result("a b", label="Sports"))
    assert known(store, "a b") == {"a b": ("ok", "Sports")}


def test_each_question_has_answers_of_its_own(store: Store) -> None:
    record(store, result("a b"))
    assert store.known(OTHER.id, ["a b"]) == {}


ODD = [
    "yêu tinh",
    "yêu tình",
    "yeu tinh",
    "it's",
    'say "hi"',
    "100% phim",
    "a\\b",
    "\U0001f600 phim",
    "đ",
    "ı",
    "straße",
    "null",
    ":name",
    "?",
]


def test_odd_keys_are_themselves(store: Store) -> None:
    record(store, *(result(key, label=f"l{number}") for number, key in enumerate(ODD)))
    assert {key: values for key, (_, values) in known(store, *ODD).items()} == {
        key: f"l{number}" for number, key in enumerate(ODD)
    }


def test_many_keys_are_found_among_more(store: Store) -> None:
    record(store, *(result(f"key {number}") for number in range(1_700)))
    assert len(known(store, *(f"key {number}" for number in range(1_000, 3_000)))) == 700


def test_the_file_is_its_owners_alone(store: Store, tmp_path: Path) -> None:
    record(store, result("a b"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(RunFailure, match="others may write to .*/open "):
        open_store(tmp_path / "open/labels.sqlite")


def test_a_file_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.sqlite").touch()
    (tmp_path / "labels.sqlite").chmod(0o666)
    with pytest.raises(RunFailure, match="others may write to .*/labels.sqlite "):
        open_store(tmp_path / "labels.sqlite")


@pytest.mark.parametrize("name", ["folder", "file/labels.sqlite", "x" * 300, "a\0b"])
def test_what_is_no_place_for_a_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(RunFailure, match="the label store .* cannot be opened") as caught:
        open_store(tmp_path / name)
    assert caught.value.code == "label-store" and "`labels`" in caught.value.fix


def test_a_store_that_cannot_be_opened_says_so_without_its_secret(tmp_path: Path) -> None:
    (tmp_path / "labels.sqlite").write_text("not a database, and long enough to be taken for one" * 20)
    with pytest.raises(RunFailure, match="the label store in .* fails") as caught:
        open_store(tmp_path / "labels.sqlite")
    assert caught.value.code == "label-store"


# leases


def another(store: Store) -> SqlStore:
    """The same store, as another process sees it."""
    assert isinstance(store, SqlStore)
    assert store.engine.url.database
    opened = open_store(Path(store.engine.url.database))
    assert isinstance(opened, SqlStore)
    return opened


def test_a_leased_key_is_nobody_elses_until_it_is_released(store: Store) -> None:
    other = another(store)
    store.heartbeat()
    assert store.lease(QUESTION.id, ["a", "b"]) == Leased(("a", "b"), (), ())
    other.heartbeat()
    assert other.lease(QUESTION.id, ["b", "c"]) == Leased(("c",), (), ("b",))
    store.release()
    assert other.lease(QUESTION.id, ["a", "b"]) == Leased(("a", "b"), (), ())
    other.close()


def test_a_key_leased_twice_by_the_same_process_is_still_its_own(store: Store) -> None:
    store.heartbeat()
    store.lease(QUESTION.id, ["a"])
    assert store.lease(QUESTION.id, ["a"]) == Leased(("a",), (), ())


def test_a_key_answered_meanwhile_is_not_asked(store: Store) -> None:
    record(store, result("a"), result("b", "failed"))
    assert store.lease(QUESTION.id, ["a", "b"]) == Leased(("b",), ("a",), ())


def test_questions_do_not_share_leases(store: Store) -> None:
    other = another(store)
    store.heartbeat()
    store.lease(QUESTION.id, ["a"])
    assert other.lease(OTHER.id, ["a"]) == Leased(("a",), (), ())
    other.close()


def owned_by(store: Store, **change: object) -> None:
    """Let the leases of `store` look as if they were another process's."""
    assert isinstance(store, SqlStore)
    with store.engine.begin() as connection:
        connection.execute(sa.update(OWNERS).values(**change))


def test_the_leases_of_a_dead_process_are_void_at_once(store: Store) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    other = another(store)
    store.heartbeat()
    store.lease(QUESTION.id, ["a"])
    owned_by(store, pid=child)
    assert other.lease(QUESTION.id, ["a"]) == Leased(("a",), (), ())
    other.close()


def test_the_leases_of_another_machine_hold_until_it_has_been_silent_for_a_minute(store: Store) -> None:
    other = another(store)
    store.heartbeat()
    store.lease(QUESTION.id, ["a"])
    owned_by(store, host="elsewhere", until=time.time() + _owner.LIFE)
    assert other.lease(QUESTION.id, ["a"]) == Leased((), (), ("a",))
    owned_by(store, until=time.time() - 1)
    assert other.lease(QUESTION.id, ["a"]) == Leased(("a",), (), ())
    other.close()


# reading


def test_the_store_is_readable_as_a_table(store: Store) -> None:
    store.add_question(QUESTION, "gemini m")
    record(store, result("b"), result("a", "refused"))
    assert store.table(QUESTION).to_pylist() == [
        {"key": "a", "shown": "A", "category": None, "status": "refused", "reason": "why", "source": "gemini m"},
        {"key": "b", "shown": "B", "category": "Action", "status": "ok", "reason": "why", "source": "gemini m"},
    ]


def test_costs_are_told_by_question(store: Store) -> None:
    store.add_question(QUESTION, "gemini m")
    store.add_question(QUESTION, "gemini m")
    store.add_question(OTHER, "gemini n")
    record(store, result("a"), result("b", "failed"))
    record(store, result("b"))
    costs = {cost.source: cost for cost in store.costs()}
    assert (costs["gemini m"].requests, costs["gemini m"].usd, costs["gemini m"].input_tokens) == (2, 0.5, 200)
    assert costs["gemini m"].statuses == {"ok": 2}
    assert (costs["gemini n"].requests, costs["gemini n"].usd, costs["gemini n"].statuses) == (0, 0.0, {})


def test_answers_can_be_forgotten(store: Store) -> None:
    record(store, result("a"), result("b"))
    assert store.forget(QUESTION.id, ["a", "c"]) == 1
    assert known(store, "a", "b") == {"b": ("ok", "Action")}
