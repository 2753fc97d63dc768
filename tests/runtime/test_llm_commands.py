"""`etlrun llm`: what is known, what a person should correct, how right it is, what an edit changes, and whether models can be asked."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path
from xml.etree import ElementTree

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
        passed, failed = (
            run(project, served, *arguments, "--junit", f"{wanted}.xml", "--min-accuracy", wanted)
            for wanted in ("80", "81")
        )
        assert len(served.records) == 1
    score = summary["outputs"]["kind"]
    assert (score["keys"], score["answered"], score["right"], score["accuracy"]) == (5, 5, 4, 0.8)
    assert score["interval"] == pytest.approx([0.3755, 0.9638], abs=1e-4)
    wrong = [
        (item["right"], item["given"], item["keys"]) for item in score["confusion"] if item["right"] != item["given"]
    ]
    assert wrong == [(another(right["bóng đá"]), right["bóng đá"], 1)]
    assert (passed.code, failed.code) == (0, 3)
    suites = [ElementTree.parse(project.folder / f"{wanted}.xml").getroot() for wanted in ("80", "81")]
    assert [suite.get("failures") for suite in suites] == ["0", "1"]
    assert (
        suites[1].find("testcase/failure").get("message")
        == "4 of 5 keys are right (80.0%), but at least 81% are required"
    )  # type: ignore[union-attr]
    assert int(suites[0].get("tests", "")) == 1 + len(score["labels"])
    assert "kind: 4 of 5 right (80.0%, 95% interval 37.6% to 96.4%)" in passed.out


def test_eval_shows_a_model_as_much_of_a_key_as_the_step_does(project: Project) -> None:
    enrich(project, more="max_characters: 300")
    with service() as served:
        assert run(project, served).code == 0
        golden(project, truth(served))
        arguments = ("llm", "eval", "kind", "golden.csv", "--model", "kinds")
        asked = len(served.records)
        assert run(project, served, *arguments, "--max-characters", "300").code == 0
        assert len(served.records) == asked
        assert run(project, served, *arguments).code == 0
        assert len(served.records) == asked + 1


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


def test_doctor_sends_neutral_texts_where_a_prompt_has_no_examples(project: Project) -> None:
    prompt = PROMPT[: PROMPT.index("canaries:")] + "---\nKeywords are English.\n"
    project.write("prompts/kind.md", prompt)
    with service() as served:
        result = run(project, served, "llm", "doctor", "kind", "--model", "kinds")
        assert set(served.calls) == {"example", "sample text", "test"}
    assert result.code == 0
    assert "they are not checked, because the prompt has no examples" in result.out


def test_doctor_names_the_setting_where_thinking_leaves_no_room_for_the_answer(project: Project) -> None:
    with service(thinks=50_000) as served:
        result = run(project, served, "llm", "doctor", "kind", "--model", "kinds", MODEL="gemini-3.8-flash")
    assert result.code == 2
    assert "tokens went into thinking" in result.out
    assert "raise `thoughts` of the model" in result.out


def test_doctor_warns_of_a_name_that_another_model_will_answer(project: Project) -> None:
    with service() as served:
        result = run(project, served, "llm", "doctor", "kind", "--model", "kinds")
        later = run(project, served, "llm", "doctor", "kind", "--model", "kinds", MODEL="gemini-3.5-flash-lite")
    assert (result.code, later.code) == (0, 0)
    assert "`gemini-3.5-flash-lite`" in result.out and "set `model: gemini-3.5-flash-lite`" in result.out
    assert "set `model:" not in later.out


def test_a_misspelled_command_is_told(project: Project) -> None:
    result = project.run("llm", "stat")
    assert (result.code, "did you mean `stats`?" in result.err) == (2, True)


def bytes_of_the_store(project: Project) -> bytes:
    return b"".join(path.read_bytes() for path in (project.folder / ".etlrun").glob("labels.sqlite*"))


NOT_SEARCHED = "not searched: the input files, published tables, and pages built from them\n"


def test_a_forgotten_key_leaves_no_trace_in_the_store(project: Project) -> None:
    searches(project, *FEW, "Nguyễn Văn Tâm", "nguyễn văn tâm 1985", *(f"phim số {number}" for number in range(40)))
    with service() as served:
        assert run(project, served).code == 0
        assert "nguyễn văn tâm".encode() in bytes_of_the_store(project)
        alone = project.run("llm", "forget", "NGUYỄN VĂN TÂM")
        assert (alone.code, alone.out) == (0, f"removed: 1 answer about 1 key\n{NOT_SEARCHED}")
        project.write("overrides/kind.csv", "key,kind\nNguyễn  Văn Tâm,Film\n")
        rest = project.run("llm", "forget", "--containing", "văn tâm")
        held = f"{Path('overrides/kind.csv')} contains it too: edit the file\n"
        assert rest.out == f"removed: 1 answer about 1 key\n{held}{NOT_SEARCHED}"
        content = bytes_of_the_store(project)
        assert "văn tâm".encode() not in content.lower() and "Nguyễn".encode() not in content
        assert project.run("llm", "forget", "văn tâm").out.startswith("the store has no answer about it\n")
        project.write("overrides/kind.csv", "key,kind\n")
        assert run(project, served).json["models"].popitem()[1]["asked"] == 2


def test_files_that_still_hold_a_forgotten_key_are_named(project: Project) -> None:
    pipeline = (project.folder / FILE).read_text()
    columns = "max_bad_rows: 50%, columns: {user: string, keyword: string, age: int}"
    pipeline = pipeline.replace("columns: {user: string, keyword: string}", columns)
    pipeline += "checks:\n  labelled: [{unique: {columns: keyword, severity: warn}}]\n"
    project.write(FILE, pipeline)
    rows = ("a,NGUYỄN Văn Tâm,1", "b,NGUYỄN Văn Tâm,1", "c,nguyễn văn  tâm,x")
    project.write("data/searches.csv", "user,keyword,age\n" + "\n".join(rows))
    project.write("golden/kind.csv", "key,kind\nnguyễn văn tâm,Film\n")
    (project.folder / ".etlrun/runs/parts").mkdir(parents=True)
    with service() as served:
        result = run(project, served)
        assert result.code == 0, result.err
    written = project.run("llm", "review", FILE, "-o", "review.csv")
    assert written.code == 0, written.err
    project.write("mine.csv", "key,kind\nnguyễn văn tâm,Film\n")  # another program's file
    *named, last = project.run("llm", "forget", "--containing", "văn tâm").out.splitlines()[1:]
    held = [line.partition(" contains it too: ")[::2] for line in named]
    assert [(Path(path).name, fix) for path, fix in held] == [
        ("kind.csv", "edit the file"),
        ("review.csv", "delete the file"),
        ("labelled.unique.parquet", "delete the file"),
        ("searches.jsonl", "delete the file"),
        ("searches.jsonl", "delete the file"),  # of the run that computed the keys for the review
    ]
    copies = Path(".etlrun/runs/parts")
    assert (
        last == f"not searched: the input files, their copies in {copies}, published tables, and pages built from them"
    )
    for path, fix in held:
        if fix == "delete the file":
            (project.folder / path).unlink()
    project.write("golden/kind.csv", "key,kind\n")
    assert "contains it too" not in project.run("llm", "forget", "văn tâm").out


def test_prune_removes_what_no_prompt_asks_any_more(project: Project) -> None:
    with service() as served:
        assert run(project, served).code == 0
        assert run(project, served, "llm", "prune").out == "all questions in the store are still in use\n"
        project.write("prompts/kind.md", PROMPT.replace("Keywords are", "A team is Sport. Keywords are"))
        assert run(project, served).code == 0
        listed = run(project, served, "llm", "prune")
        assert "--yes removes 1 question with all answers" in listed.out
        assert len(project.run("llm", "stats", "--json").json) == 2
        assert "removed: 1 question, 5 answers" in run(project, served, "llm", "prune", "--yes").out
        assert len(project.run("llm", "stats", "--json").json) == 1
        assert (run(project, served).code, len(served.records)) == (0, 2)


def test_prune_needs_to_know_every_model(project: Project) -> None:
    with service() as served:
        assert run(project, served).code == 0
    project.write(
        "etlrun.yaml", (project.folder / "etlrun.yaml").read_text().replace("${MODEL:-gemini-2.5-flash}", "${MODEL}")
    )
    refused = project.run("llm", "prune", "--yes")
    assert (refused.code, "the environment variable `MODEL` is not set" in refused.err) == (2, True)
    assert len(project.run("llm", "stats", "--json").json) == 1


def test_refused_keys_are_asked_again_after_retry(project: Project) -> None:
    searches(project, *FEW, "phim poison")
    with service() as served:
        assert run(project, served).code == 0
    with service() as served:
        assert (run(project, served).code, len(served.records)) == (0, 0)
        assert (
            run(project, served, "llm", "retry", "kind", "--failed").out
            == "no key of `kind`, as the prompt and its models are now, is failed\n"
        )
        assert (
            run(project, served, "llm", "retry", "kind", "--refused").out
            == "the next run asks about these again: 1 key\n"
        )
        assert (run(project, served).code, len(served.records) > 0) == (0, True)
    assert project.run("llm", "retry", "knd").code == 2


def test_retry_finds_what_an_accepted_model_refused(project: Project) -> None:
    accepting = (
        (project.folder / "etlrun.yaml")
        .read_text()
        .replace("batch: 10, timeout", "accept: [gemini-3.5-flash-lite], batch: 10, timeout")
    )
    project.write("etlrun.yaml", accepting)
    searches(project, *FEW, "phim poison")
    with service(version="gemini-3.5-flash-lite") as served:
        assert run(project, served).code == 0
        assert (
            run(project, served, "llm", "retry", "kind", "--refused").out
            == "the next run asks about these again: 1 key\n"
        )
        before = len(served.records)
        assert (run(project, served).code, len(served.records) > before) == (0, True)


def test_a_step_that_shows_more_characters_asks_questions_that_prune_keeps_and_retry_finds(project: Project) -> None:
    enrich(project, more="max_characters: 400")
    searches(project, *FEW, "phim poison")
    with service() as served:
        assert run(project, served).code == 0
        assert run(project, served, "llm", "prune").out == "all questions in the store are still in use\n"
        assert run(project, served, "llm", "retry", "kind").out == "the next run asks about these again: 1 key\n"


def test_a_store_of_a_later_form_is_refused_before_anything_is_asked(project: Project) -> None:
    with service() as served:
        assert run(project, served).code == 0
        with sqlite3.connect(project.folder / ".etlrun/labels.sqlite") as connection:
            connection.execute("update etlrun_label_store set form = 3")
        connection.close()
        searches(project, *FEW, "another")
        refused = run(project, served)
        assert (refused.code, len(served.records)) == (1, 1)
        assert "has schema version 3, but this etlrun supports version 2" in refused.json["error"]["message"]


def test_a_reviewed_file_goes_to_a_spreadsheet_and_back(project: Project) -> None:
    searches(project, *["bóng đá"] * 4, "vtv3", "vtv3", *["=1+1 phim"] * 2, "running man", "naruto")
    enrich(project, "titles")
    assert project.run(FILE).code == 0
    result = project.run("llm", "review", FILE, "--open", "--users", "user", "-o", "review.csv")
    assert result.code == 0, result.err
    assert "kind: labelling 4 open keys gains +80.0 points of rows, +80.0 of users" in result.err
    content = (project.folder / "review.csv").read_text(encoding="utf-8")
    assert content.splitlines() == [
        "\ufeffkey,kind,rows,row_points,user_points,status,source",
        "bóng đá,,4,40.00,40.00,abstained,",
        "'=1+1 phim,,2,60.00,60.00,abstained,",
        "naruto,,1,70.00,70.00,abstained,",
        "running man,,1,80.00,80.00,abstained,",
    ]
    from_a_spreadsheet = content.replace("bóng đá,,", "bóng đá,Sprt,").replace("phim,,", "phim,Film,").replace(",", ";")
    project.write("review.csv", from_a_spreadsheet)
    wrong = project.run("llm", "review", FILE, "--take", "review.csv")
    assert (wrong.code, "review.csv:2:" in wrong.err, "did you mean `Sport`?" in wrong.err) == (2, True, True)
    assert not (project.folder / "overrides/kind.csv").exists()
    project.write("review.csv", from_a_spreadsheet.replace("Sprt", "Sport"))
    assert project.run("llm", "review", FILE, "--take", "review.csv").out == (
        "2 labels copied to overrides/kind.csv; 0 lines had no new label\n"
    )
    assert (project.folder / "overrides/kind.csv").read_text() == "key,kind\nbóng đá,Sport\n=1+1 phim,Film\n"
    assert project.run(FILE).code == 0
    assert sorted(str(row[2]) for row in project.table("labelled")) == sorted(
        [*["Sport"] * 4, *["Channel"] * 2, *["Film"] * 2, "None", "None"]
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_reviewed_file_may_have_the_mark_the_separators_and_the_line_ends_of_a_spreadsheet(
    project: Project, separator: str
) -> None:
    searches(project, "bóng đá", "phim, hay")
    enrich(project, "titles")
    lines = ["key,kind,rows,status", "bóng đá,Sport,1,abstained", '"phim, hay",Film,1,abstained']
    quoted = [line.replace(",", separator).replace(f"phim{separator} hay", "phim, hay") for line in lines]
    (project.folder / "review.csv").write_bytes("".join(f"{line}\r\n" for line in quoted).encode("utf-8-sig"))
    assert project.run("llm", "review", FILE, "--take", "review.csv").code == 0
    taken = (project.folder / "overrides/kind.csv").read_text(encoding="utf-8")
    assert taken == 'key,kind\nbóng đá,Sport\n"phim, hay",Film\n'


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;;", "sep=,", "sep=|", "sep=\t"])
def test_a_reviewed_file_may_name_its_separator_in_the_first_line(project: Project, first: str) -> None:
    enrich(project, "titles")
    separator = first.strip('"')[4]
    lines = [first, *(line.replace(",", separator) for line in ("key,kind", "bóng đá,Sport", '"phim, hay",Flim'))]
    (project.folder / "review.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    wrong = project.run("llm", "review", FILE, "--take", "review.csv")
    assert (wrong.code, "review.csv:4:" in wrong.err, "did you mean `Film`?" in wrong.err) == (2, True, True)
    (project.folder / "review.csv").write_bytes("\r\n".join(lines).replace("Flim", "Film").encode("utf-8-sig"))
    assert project.run("llm", "review", FILE, "--take", "review.csv").code == 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_reviewed_file_may_be_the_unicode_text_of_a_spreadsheet(project: Project, encoding: str) -> None:
    enrich(project, "titles")
    content = "\ufeffkey\tkind\trows\r\nbóng đá\tSport\t\r\n"
    (project.folder / "review.txt").write_bytes(content.encode(encoding))
    taken = project.run("llm", "review", FILE, "--take", "review.txt")
    assert (taken.code, taken.out) == (0, "1 label copied to overrides/kind.csv; 0 lines had no new label\n")
    (project.folder / "review.txt").write_bytes(content.encode(encoding)[:-1])
    assert "the file is not UTF-8" in project.run("llm", "review", FILE, "--take", "review.txt").err


@pytest.mark.parametrize(("key", "damaged"), [("1-2 phim", "01-Feb"), ("007 phim", "7 phim"), ("1e5x", "1E+05")])
@pytest.mark.parametrize("asked", [True, False])
def test_a_key_that_a_spreadsheet_changed_is_found_by_its_line(
    project: Project, asked: bool, key: str, damaged: str
) -> None:
    searches(project, key, "vtv3", "bóng đá")
    enrich(project, "titles")
    assert not asked or project.run(FILE).code == 0
    written = project.run("llm", "review", FILE, "-o", "review.csv")
    assert written.code == 0, written.err
    (line,) = (line for line in (project.folder / "review.csv").read_text().splitlines() if line.startswith(key))
    good = f"key,kind,rows\nbóng đá,Sport,1\n{line.split(',')[0]},Film,1\n"
    project.write("review.csv", good.replace(key, damaged) + "someone's own,Film,\n")
    changed = project.run("llm", "review", FILE, "--take", "review.csv")
    assert (changed.code, changed.err.count("changed-key")) == (2, 1)
    assert f"review.csv:3:1: changed-key: `{damaged}` is not a key of the pipeline" in changed.err
    assert not (project.folder / "overrides").exists()
    project.write("review.csv", good + "someone's own,Film,\n")
    assert project.run("llm", "review", FILE, "--take", "review.csv").out.startswith("3 labels copied")


def test_a_label_for_a_text_of_which_a_model_sees_a_part_is_found_again(project: Project) -> None:
    long = f"phim {'rất ' * 60}hay"
    searches(project, long, long.upper(), long, f"{long} quá")
    enrich(project, "titles")
    written = project.run("llm", "review", FILE, "-o", "review.csv")
    assert written.code == 0, written.err
    content = (project.folder / "review.csv").read_text(encoding="utf-8")
    assert [line.split(",")[0] for line in content.splitlines()[1:]] == [long, f"{long} quá"]
    project.write("review.csv", content.replace(f"{long},", f"{long},Film"))
    assert project.run("llm", "review", FILE, "--take", "review.csv").code == 0
    assert project.run(FILE).code == 0
    assert sorted(str(row[2]) for row in project.table("labelled")) == ["Film", "Film", "Film", "None"]


@pytest.mark.parametrize("encoding", ["cp1252"])
def test_a_reviewed_file_in_another_encoding_is_refused_with_the_way_to_save_it(
    project: Project, encoding: str
) -> None:
    (project.folder / "review.csv").write_bytes("key,kind\nphim ã,Film\n".encode(encoding))
    refused = project.run("llm", "review", FILE, "--take", "review.csv")
    assert (refused.code, "file-unreadable: the file is not UTF-8" in refused.err) == (2, True)
    assert "in Excel as `CSV UTF-8`" in refused.err
    assert not (project.folder / "overrides").exists()


def test_what_the_models_say_already_is_not_taken_from_a_reviewed_file(project: Project) -> None:
    enrich(project, "titles")
    assert project.run(FILE).code == 0
    assert project.run("llm", "review", FILE, "-o", "all.csv").code == 0
    written = (project.folder / "all.csv").read_text().replace("phim hay,,", "phim hay,Other,")
    project.write("all.csv", written)
    assert project.run("llm", "review", FILE, "--take", "all.csv").out.startswith("1 label copied")
    assert (project.folder / "overrides/kind.csv").read_text() == "key,kind\nphim hay,Other\n"
    misspelled = project.run("llm", "review", FILE, "--users", "usr")
    assert (misspelled.code, "did you mean `user`?" in misspelled.err) == (2, True)


def test_a_misspelt_prompt_is_reported_with_the_one_that_was_meant(project: Project) -> None:
    result = project.run("llm", "retry", "kindd")
    assert (result.code, result.err) == (
        2,
        "unknown-prompt: there is no prompt `kindd`\n    = did you mean `kind`?\n",
    )
