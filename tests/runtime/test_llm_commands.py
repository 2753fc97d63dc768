"""`etlrun llm`: what is known, what a person should correct, how right it is, what an edit changes, and whether models can be asked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from asked import CANARIES, FEW, FILE, PROMPT, SECRET, asking_project, enrich, run, searches, service
from fake_gemini import FakeServer
from projects import Project

LABELS = ("Film", "Channel", "Sport", "Other")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return asking_project(tmp_path)


def truth(served: FakeServer) -> dict[str, str]:
    return {key: served.truth.label(key, LABELS) for key in FEW}


def golden(project: Project, answers: dict[str, str]) -> None:
    project.write("golden.csv", "key,kind\n" + "".join(f"{key},{label}\n" for key, label in answers.items()))


def another(label: str) -> str:
    return LABELS[(LABELS.index(label) + 1) % len(LABELS)]


def test_stats_tell_answers_and_money_by_question(project: Project) -> None:
    assert project.run("llm", "stats").out == "nothing was asked yet\n"
    with service() as served:
        assert run(project, served).code == 0
        billed = served.billed_usd
    (question,) = project.run("llm", "stats", "--json").json
    assert (question["prompt"], question["source"], question["statuses"], question["requests"]) == (
        "kind",
        "gemini gemini-2.5-flash",
        {"ok": 5},
        1,
    )
    assert question["usd"] == pytest.approx(billed)
    assert "5 answers for $" in project.run("llm", "stats").err


def test_review_lists_keys_by_rows_and_its_lines_work_as_overrides(project: Project) -> None:
    searches(project, "bóng đá", "bóng đá", "BÓNG ĐÁ", "vtv3", "vtv3", "running man")
    enrich(project, "titles")
    assert project.run(FILE).code == 0
    result = project.run("llm", "review", FILE)
    table = list(csv.DictReader(io.StringIO(result.out)))
    assert [(row["key"], row["kind"], row["rows"], row["status"], row["source"]) for row in table] == [
        ("bóng đá", "", "3", "abstained", ""),
        ("vtv3", "Channel", "2", "ok", "catalogue"),
        ("running man", "", "1", "abstained", ""),
    ]
    project.write("overrides/kind.csv", result.out.replace("bóng đá,,", "bóng đá,Sport,"))
    assert project.run(FILE).code == 0
    assert [row[2] for row in sorted(project.table("labelled"))] == [
        "Sport",
        "Sport",
        "Sport",
        "Channel",
        "Channel",
        None,
    ]
    assert [line.split(",")[0] for line in project.run("llm", "review", FILE, "--open").out.splitlines()] == [
        "key",
        "running man",
    ]


def test_eval_scores_answers_and_its_exit_code_gates(project: Project) -> None:
    with service() as served:
        right = truth(served)
        golden(project, {key: another(label) if key == "bóng đá" else label for key, label in right.items()})
        arguments = ("llm", "eval", "kind", "golden.csv", "--model", "kinds")
        summary = run(project, served, *arguments, "--json").json
        passed, failed = (run(project, served, *arguments, "--min-accuracy", wanted) for wanted in ("80", "81"))
        assert len(served.records) == 1
    score = summary["outputs"]["kind"]
    assert (score["keys"], score["answered"], score["right"], score["accuracy"]) == (5, 5, 4, 0.8)
    assert score["interval"] == pytest.approx([0.3755, 0.9638], abs=1e-4)
    wrong = [
        (item["right"], item["given"], item["keys"]) for item in score["confusion"] if item["right"] != item["given"]
    ]
    assert wrong == [(another(right["bóng đá"]), right["bóng đá"], 1)]
    assert (passed.code, failed.code) == (0, 3)
    assert "kind: 4 of 5 right (80.0%, 95% interval 37.6% to 96.4%)" in passed.out


def test_golden_keys_in_the_pipeline_stop_a_run_before_anything_else_is_asked(project: Project) -> None:
    enrich(project, more="eval: {golden: golden.csv, min_accuracy: 90%}")
    with service() as served:
        right = truth(served)
        golden(project, {"running man": another(right["running man"])})
        refused = run(project, served)
        assert (refused.code, refused.json["error"]["code"]) == (3, "accuracy-too-low")
        assert set(served.calls) - set(CANARIES) == {"running man"}
        golden(project, {"running man": right["running man"]})
        assert run(project, served).code == 0


def test_golden_keys_count_into_the_budget_and_the_money_of_a_run(project: Project) -> None:
    enrich(project, more="budget: {keys: 6}, eval: {golden: golden.csv, min_accuracy: 0%}")
    golden(project, dict.fromkeys(("một", "hai", "ba"), "Film"))
    with service() as served:
        stopped = run(project, served)
        assert (stopped.code, stopped.json["error"]["code"]) == (4, "budget-reached")
        assert sum(count for key, count in served.calls.items() if key not in CANARIES) == 6
        (summary,) = stopped.json["models"].values()
        assert (summary["asked"], summary["requests"]) == (6, 2)
        assert summary["usd"] == pytest.approx(served.billed_usd, abs=1e-6)
        assert run(project, served).code == 0


def test_diff_shows_what_an_edited_prompt_changes_and_a_run_does_not_buy_it_again(project: Project) -> None:
    with service() as served:
        assert run(project, served).code == 0
        before = truth(served)
    project.write("prompts/kind.md", PROMPT.replace("Keywords are", "A team is Sport. Keywords are"))
    with service(known={**CANARIES, "bóng đá": another(before["bóng đá"])}) as served:
        result = run(project, served, "llm", "diff", FILE, "--model", "kinds", "--json")
        assert [json.loads(line) for line in result.out.splitlines()] == [
            {"key": "bóng đá", "before": before["bóng đá"], "after": another(before["bóng đá"]), "rows": 1}
        ]
        again = run(project, served)
        assert (again.code, len(served.records)) == (0, 1)


def test_doctor_tells_a_model_that_answers_from_a_wrong_key_and_a_retired_name(project: Project) -> None:
    with service() as served:
        well = run(project, served, "llm", "doctor", "kind", "--model", "kinds")
        wrong = run(project, served, "llm", "doctor", "kind", "--model", "kinds", key="another")
    with service(models=["gemini-9"]) as served:
        retired = run(project, served, "llm", "doctor", "--model", "kinds")
    assert (well.code, wrong.code, retired.code) == (0, 2, 2), well.out + wrong.out + retired.out
    assert "answered 3 of 3 items" in well.out
    assert "gemini-2.5-flash" in retired.out
    assert project.run("llm", "stats").out == "nothing was asked yet\n"
    assert SECRET not in well.out + well.err


def test_doctor_exits_1_where_an_example_is_answered_wrongly(project: Project) -> None:
    with service() as served:
        for label, code in ((truth(served)["running man"], 0), (another(truth(served)["running man"]), 1)):
            examples = f"examples:\n  - {{key: running man, kind: {label}}}\ncanaries:"
            project.write("prompts/kind.md", PROMPT.replace("canaries:", examples))
            result = run(project, served, "llm", "doctor", "kind", "--model", "kinds")
            assert result.code == code, result.out + result.err
    assert f"`running man` is {label}: correct the example" in result.out + result.err


def test_a_misspelt_command_is_told(project: Project) -> None:
    result = project.run("llm", "stat")
    assert (result.code, "did you mean `stats`?" in result.err) == (2, True)
