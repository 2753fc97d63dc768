"""Money: the cap is never passed, neither by our count nor by the service's, and what is bought under it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import posing
import pytest

from etlrun.contracts.model import Price
from etlrun.enrich.prices import Tariff, tariff_of
from etlrun.enrich.terms import Budget
from fake_gemini import ALL, Fault

CAP = 0.05  # US dollars, of the 0.10 or so that all keys would cost
COSTLY: dict[Fault, float] = {**ALL, "drop-after": 0.15, "half-json": 0.1, "no-usage": 0.1}


@pytest.mark.parametrize("concurrency", [1, 8, 48])
@pytest.mark.parametrize("faults", [{}, COSTLY], ids=["without faults", "with faults"])
def test_the_cap_is_never_passed(concurrency: int, faults: dict[Fault, float], tmp_path: Path) -> None:
    with posing.server(faults=faults, seed=concurrency, latency=0.005) as served:
        model, asked, store = (
            posing.gemini(served, concurrency=concurrency),
            posing.keys(4_000),
            posing.new_store(tmp_path),
        )
        limits = replace(posing.QUICK, concurrency=concurrency)
        report = posing.pose(model, asked, store, posing.terms(limits=limits, budget=Budget(usd=CAP)))
        assert report.stopped is not None
        assert (report.stopped.reason, report.stopped.exit_code) == ("budget", 4)
        assert served.billed_usd <= report.usd + 1e-9 <= CAP + 2e-9
        assert 0 < report.ok < 4_000
        assert report.pending > 0
        assert posing.wrong_labels(served, posing.stored(store, model, asked), asked) == []


def test_the_cap_is_used_and_not_only_reserved(tmp_path: Path) -> None:
    with posing.server() as served:
        report = posing.pose(
            posing.gemini(served), posing.keys(4_000), posing.new_store(tmp_path), posing.terms(budget=Budget(usd=CAP))
        )
        assert report.usd > 0.6 * CAP


def test_the_next_run_goes_on_where_the_money_ended(tmp_path: Path) -> None:
    with posing.server() as served:
        model, asked, store = posing.gemini(served), posing.keys(2_000), posing.new_store(tmp_path)
        first = posing.pose(model, asked, store, posing.terms(budget=Budget(usd=0.03)))
        second = posing.pose(model, asked, store)
        assert first.ok > 0
        assert (second.known, second.known + second.ok) == (first.ok, 2_000)
        assert max(served.calls[key.shown] for key in asked) == 1


def test_a_budget_without_a_price_asks_nothing(tmp_path: Path) -> None:
    with posing.server() as served:
        how = posing.terms(budget=Budget(usd=1.0), tariff=Tariff(None, ""))
        report = posing.pose(posing.gemini(served), posing.keys(100), posing.new_store(tmp_path), how)
        assert report.stopped is not None
        assert (report.stopped.reason, report.stopped.exit_code, len(served.records)) == ("setup", 2, 0)
        assert "price" in report.stopped.fix


def test_a_request_that_may_have_been_billed_counts_as_if_it_were(tmp_path: Path) -> None:
    with posing.server(script=["drop-after"]) as served:
        report = posing.pose(posing.gemini(served), posing.keys(50), posing.new_store(tmp_path))
        assert (report.ok, report.requests) == (50, 2)
        assert report.usd > served.billed_usd > 0


def test_a_server_of_ones_own_is_free_and_takes_no_key(tmp_path: Path) -> None:
    with posing.server() as served:
        model = posing.openai(served, model="qwen3:8b", price=Price(input=0, output=0))
        how = posing.terms(tariff=tariff_of(model, "qwen3:8b"), budget=Budget(usd=0.0))
        report = posing.pose(model, posing.keys(60), posing.new_store(tmp_path), how)
        assert (report.ok, report.usd, report.stopped) == (60, 0.0, None)
        assert {record.secret for record in served.records} == {""}
