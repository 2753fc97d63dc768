"""The label store of a team, in a database on a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etlrun.connections.mysql import Mysql
from etlrun.contracts.connection import ServerAccess
from etlrun.enrich.labels import open_store
from etlrun.enrich.questions import Question
from etlrun.enrich.store import Leased, RequestEntry, Result, Sent, Store
from etlrun.failures import RunFailure
from etlrun.spec.prompts import parse_prompt

from .loads import Place
from .server import Server

PROMPT = """\
---
task: Give each keyword its category.
output: {category: {labels: {Action: fights, Sports: games}}}
---
"""
QUESTION = Question(parse_prompt(PROMPT, "small", "prompts/small.md"), {"model": "m"})
SENT = Sent("a91f3c", 2, 1, "complete", 100, 20, 0, 0.25, 1.5, "m-001")
ODD = [
    "yêu tinh",
    "yêu tình",
    "yeu tinh",
    "it's",
    'say "hi"',
    "100% phim %s",
    "a\\b",
    "\U0001f600 phim",
    "đ",
    "d",
    "ı",
    "straße",
    "strasse",
    "?",
    "a",
    "a ",
]


def lines(place: Place, account: str = "root") -> ServerAccess:
    """What a `mysql` connection to the place offers."""
    url = f"mysql+pymysql://{account}@127.0.0.1:{place.port}/{place.database}"
    return Mysql(url).lines("shared", Path(), lambda text: text)


@pytest.fixture
def opened(place: Place) -> Iterator[Callable[..., Store]]:
    """Opens the store of the place, each time as another process would."""
    stores: list[Store] = []

    def open_(account: str = "root") -> Store:
        stores.append(open_store(lines(place, account)))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def result(key: str, status: str = "ok", label: str = "Action") -> Result:
    return Result(key, key.upper(), status, f'{{"category": "{label}"}}' if status == "ok" else "", "why")  # type: ignore[arg-type]


def record(store: Store, *results: Result) -> None:
    store.record(QUESTION.id, "run-1", [RequestEntry(SENT, results)])


def known(store: Store, *keys: str) -> dict[str, tuple[str, object]]:
    return {key: (found.status, found.values.get("category")) for key, found in store.known(QUESTION.id, keys).items()}


def test_an_answer_is_kept_with_where_it_came_from(place: Place, opened: Callable[..., Store]) -> None:
    store = opened()
    store.add_question(QUESTION, "gemini m")
    record(store, result("sao băng"))
    assert known(opened(), "sao băng") == {"sao băng": ("ok", "Action")}
    names = "prompt, source, `key`, shown, status, answer, reason, version, CAST(tokens AS DOUBLE), usd, run"
    assert place.run(f"SELECT {names} FROM etlrun_labels") == [
        (
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
    ]
    (cost,) = store.costs()
    assert (cost.source, cost.statuses, cost.requests, cost.input_tokens, cost.usd) == (
        "gemini m",
        {"ok": 1},
        1,
        100,
        0.25,
    )
    assert store.table(QUESTION).to_pylist() == [
        {
            "key": "sao băng",
            "shown": "SAO BĂNG",
            "category": "Action",
            "status": "ok",
            "reason": "why",
            "source": "gemini m",
        }
    ]


def test_odd_keys_are_themselves(opened: Callable[..., Store]) -> None:
    store = opened()
    odd = [key for key in ODD if key == key.strip()]
    record(store, *(result(key, label=f"l{number}") for number, key in enumerate(odd)))
    assert {key: value for key, (_, value) in known(store, *odd).items()} == {
        key: f"l{number}" for number, key in enumerate(odd)
    }
    assert store.forget(QUESTION.id, ["yêu tình", "d"]) == 2
    assert set(known(store, *odd)) == set(odd) - {"yêu tình", "d"}


def test_many_keys_are_found_among_more(opened: Callable[..., Store]) -> None:
    store = opened()
    record(store, *(result(f"key {number}") for number in range(6_000)))
    assert len(known(store, *(f"key {number}" for number in range(3_000, 7_000)))) == 3_000
    assert len(known(store, *(f"key {number}" for number in range(500, 6_500)))) == 5_500


def test_a_failure_never_replaces_an_answer(opened: Callable[..., Store]) -> None:
    store = opened()
    record(store, result("a"), result("b", "failed"))
    record(store, result("a", "failed"), result("b", label="Sports"))
    assert known(store, "a", "b") == {"a": ("ok", "Action"), "b": ("ok", "Sports")}


def test_a_key_that_one_process_asks_is_asked_by_no_other(opened: Callable[..., Store]) -> None:
    ours, theirs = opened(), opened()
    ours.heartbeat()
    theirs.heartbeat()
    assert ours.lease(QUESTION.id, ["tình", "b"]) == Leased(("tình", "b"), (), ())
    assert theirs.lease(QUESTION.id, ["b", "tinh"]) == Leased(("tinh",), (), ("b",))
    record(ours, result("b"))
    ours.release()
    assert theirs.lease(QUESTION.id, ["b", "tình"]) == Leased(("tình",), ("b",), ())


def test_many_processes_that_begin_at_once_share_the_keys(place: Place) -> None:
    keys = [f"key {number}" for number in range(1_200)]
    stores: list[Store] = []
    taken: list[str] = []
    failures: list[Exception] = []
    gate = threading.Barrier(4)

    def begin() -> None:
        gate.wait(10)
        try:
            store = open_store(lines(place))
            stores.append(store)
            store.heartbeat()
            store.add_question(QUESTION, "gemini m")
            taken.extend(store.lease(QUESTION.id, keys).ours)
            record(store, *(result(key) for key in keys))
        except Exception as error:  # noqa: BLE001 - the test tells
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(taken) == sorted(keys)
    assert len(known(stores[0], *keys)) == 1_200
    for store in stores:
        store.close()


def test_a_line_that_was_cut_between_two_questions_is_opened_again(place: Place, opened: Callable[..., Store]) -> None:
    store = opened()
    record(store, result("a"))
    for thread, database in place.run("SELECT id, db FROM information_schema.processlist WHERE id <> CONNECTION_ID()"):
        if database == place.database:
            place.run(f"KILL {thread}")
    assert known(store, "a") == {"a": ("ok", "Action")}


def test_a_server_that_is_gone_is_a_failure_in_words_of_ours(spare: Callable[..., Server]) -> None:
    server = spare(["--innodb-flush-log-at-trx-commit=1"])  # or it may forget what it committed
    server.run("CREATE DATABASE w")
    store = open_store(lines(Place(server, "w", server.port)))
    record(store, result("a"))
    server.kill()
    for act in (
        lambda: known(store, "a"),
        store.costs,
        lambda: list(store.rows(QUESTION.id)),
        lambda: record(store, result("b")),
    ):
        with pytest.raises(
            RunFailure, match=rf"the label store in 127.0.0.1:{server.port}, database `w`, fails: .* \(20\d\d(:.*)?\)"
        ):
            act()
    server.start()
    assert known(store, "a", "b") == {"a": ("ok", "Action")}
    store.close()


def test_the_account_needs_four_rights_only(place: Place, opened: Callable[..., Store]) -> None:
    user = f"labels_{place.database}"
    place.run(
        f"CREATE USER {user}@'%' IDENTIFIED BY 'x1'",
        f"GRANT SELECT, INSERT, DELETE, CREATE ON {place.database}.* TO {user}@'%'",
    )
    store = opened(f"{user}:x1")
    store.heartbeat()
    store.add_question(QUESTION, "gemini m")
    assert store.lease(QUESTION.id, ["a"]).ours == ("a",)
    record(store, result("a"))
    store.release()
    assert known(opened(f"{user}:x1"), "a") == {"a": ("ok", "Action")}
    indexed = "SELECT DISTINCT column_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'etlrun_requests' AND seq_in_index = 1"
    assert sorted(place.run(indexed)) == [("id",), ("question",)]
    assert place.run("SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()") == []
    opened().close()
    assert place.run("SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()") == [
        ("etlrun_labels",)
    ]
