"""The label store of a team, in a database on a server of each kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from warehouses import Target

from etlrun.contracts.connection import ServerAccess
from etlrun.enrich._tables import METADATA
from etlrun.enrich.jobs import NOT_KEPT, JobSheet
from etlrun.enrich.keys import Key
from etlrun.enrich.labels import open_store
from etlrun.enrich.questions import Sheet
from etlrun.enrich.store import Leased, Store
from etlrun.failures import RunFailure
from label_stores import QUESTION, known, record, result

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


def lines(served: Target, account: str = "root") -> ServerAccess:
    """What a connection to the place offers."""
    return served.connection(account).lines("shared", Path(), str)


@pytest.fixture
def opened(served: Target) -> Iterator[Callable[..., Store]]:
    """Opens the store of the place, each time as another process would."""
    stores: list[Store] = []

    def open_(account: str = "root") -> Store:
        stores.append(open_store(lines(served, account)))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def test_an_answer_is_kept_with_where_it_came_from(served: Target, opened: Callable[..., Store]) -> None:
    store = opened()
    store.add_question(QUESTION, "gemini m")
    record(store, result("sao băng"))
    assert known(opened(), "sao băng") == {"sao băng": ("ok", "Action")}
    ((*texts, tokens, usd, run, _),) = served.run("SELECT * FROM etlrun_labels")
    assert (texts, float(tokens), usd, run) == (
        [
            *("small", "gemini m", QUESTION.id, "sao băng", "SAO BĂNG", "ok"),
            *('{"category": "Action"}', "why", "m-001"),
        ],
        60.0,
        0.125,
        "run-1",
    )
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


def test_many_processes_that_begin_at_once_share_the_keys(served: Target) -> None:
    keys = [f"key {number}" for number in range(1_200)]
    stores: list[Store] = []
    taken: list[str] = []
    failures: list[Exception] = []
    gate = threading.Barrier(4)

    def begin() -> None:
        gate.wait(10)
        try:
            store = open_store(lines(served))
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


def test_a_line_that_was_cut_between_two_questions_is_opened_again(
    served: Target, opened: Callable[..., Store]
) -> None:
    store = opened()
    record(store, result("a"))
    served.end_sessions()
    assert known(store, "a") == {"a": ("ok", "Action")}


def test_a_server_that_is_gone_is_a_failure_in_words_of_ours(served: Target) -> None:
    if served.kind == "mysql":
        served.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")  # or it may forget what it committed
    store = open_store(lines(served))
    record(store, result("a"))
    served.server.kill()
    try:
        for act in (
            lambda: known(store, "a"),
            store.costs,
            lambda: list(store.rows(QUESTION.id)),
            lambda: record(store, result("b")),
        ):
            with pytest.raises(
                RunFailure, match=rf"the label store in {served.place}, fails: .* \((20\d\d|08\d\d\d|57P0\d)(:.*)?\)"
            ):
                act()
    finally:
        served.server.start()
    assert known(store, "a", "b") == {"a": ("ok", "Action")}
    store.close()


RIGHTS_TO_MAKE = {"mysql": "SELECT, INSERT, DELETE, CREATE", "postgres": "CREATE"}


def use(store: Store) -> None:
    store.heartbeat()
    store.add_question(QUESTION, "gemini m")
    assert store.lease(QUESTION.id, ["a"]).ours == ("a",)
    record(store, result("a"))
    store.lease(QUESTION.id, ["b"])
    sheet = JobSheet((Key("b", "B", 1),), 0, 0, Sheet("a91f3c", NOT_KEPT, (0,), {}), 0.5)
    job = store.intend_job(QUESTION.id, "run-1", [sheet])
    store.name_job(job.id, "batches/1")
    store.forget(QUESTION.id, ["b"])
    assert store.collect_job(job.id, "done", 0.25, "run-1", {})
    store.release()


def test_an_account_that_may_make_tables_needs_no_other_right(served: Target, opened: Callable[..., Store]) -> None:
    account = served.make_account(RIGHTS_TO_MAKE[served.kind])
    use(opened(account))
    assert known(opened(account), "a") == {"a": ("ok", "Action")}


def test_select_insert_and_delete_suffice_where_the_tables_are_there(
    served: Target, opened: Callable[..., Store]
) -> None:
    opened().close()
    served.run("DROP VIEW etlrun_labels")
    account = served.make_account("SELECT, INSERT, DELETE", *(table.name for table in METADATA.sorted_tables))
    use(opened(account))
    assert known(opened(account), "a") == {"a": ("ok", "Action")}
    views = f"SELECT count(*) FROM information_schema.views WHERE table_name = 'etlrun_labels' AND '{served.name}' IN (table_schema, table_catalog)"
    assert served.run(views) == [(0,)]
    opened().close()
    assert served.run(views) == [(1,)]


def test_answers_are_removed_by_key_by_status_and_by_question(opened: Callable[..., Store]) -> None:
    store = opened()
    store.add_question(QUESTION, "gemini m")
    record(store, result("sao băng"), result("100% phim"), result("poison", "refused"), result("late", "failed"))
    assert store.holding("băng") == ["sao băng"]
    assert store.holding("0% ph") == ["100% phim"] and store.holding("%phim") == []
    assert store.forget_status(QUESTION.id, ["refused"]) == 1
    assert set(known(store, "sao băng", "100% phim", "poison", "late")) == {"sao băng", "100% phim", "late"}
    store.compact()
    assert store.forget_question(QUESTION.id) == 3
    assert (store.costs(), known(store, "late")) == ([], {})


def test_a_job_is_collected_once_and_its_keys_are_asked_by_nobody_else(opened: Callable[..., Store]) -> None:
    ours, theirs = opened(), opened()
    ours.add_question(QUESTION, "gemini m")
    ours.heartbeat()
    keys = (Key("sao băng", "Sao băng", 2), Key("vtv3", "VTV3", 1))
    ours.lease(QUESTION.id, [key.normal for key in keys])
    job = ours.intend_job(QUESTION.id, "run-1", [JobSheet(keys, 1, 0, Sheet("a91f3c", NOT_KEPT, (0, 1), {}), 0.5)])
    ours.name_job(job.id, "batches/1")
    ours.release()
    assert theirs.lease(QUESTION.id, ["sao băng", "đ"]) == Leased(("đ",), (), (), ("sao băng",))
    (found,) = theirs.jobs([QUESTION.id])
    assert (found.state, found.name, found.source, found.keys, found.usd) == (
        "at work",
        "batches/1",
        "gemini m",
        2,
        0.5,
    )
    assert [(sheet.tries, [key.shown for key in sheet.keys]) for sheet in found.sheets] == [(1, ["Sao băng", "VTV3"])]
    assert theirs.collect_job(job.id, "done", 0.25, "run-2", {})
    assert not ours.collect_job(job.id, "done", 0.25, "run-1", {})
    assert [(job.state, job.spent, job.content) for job in ours.jobs()] == [("done", 0.25, "")]
    assert theirs.lease(QUESTION.id, ["sao băng"]).ours == ("sao băng",)
