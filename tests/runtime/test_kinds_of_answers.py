"""A prompt of several outputs of every kind, asked, held against a golden set, reviewed and corrected."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from asked import FEW, FILE, PIPELINE, asking_project, run, service

PROMPT = """\
---
task: Say what a keyword names.
output:
  kind: {labels: {Film: a film, Channel: a channel, Sport: a match}}
  genres: {labels: {Action: fights, Love: love, Fun: fun}, many: true}
  stars: {number: {min: 0, max: 1, tolerance: 0.05}}
  shown_as: {string: {max: 40}}
  is_old: {boolean: true}
---
"""


def test_answers_of_every_kind_are_asked_scored_reviewed_and_corrected(tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    project.write("prompts/kind.md", PROMPT)
    project.pipeline(PIPELINE.replace("MODEL", "kinds").replace(" MORE", ""))
    with service() as served:
        assert run(project, served).code == 0
        project.run("llm", "review", FILE, "-o", "review.csv", SERVICE="", SERVICE_KEY="")
        lines = list(csv.DictReader(io.StringIO((tmp_path / "review.csv").read_text("utf-8-sig"))))
        right = {
            key: served.truth.answer(key, served.schema["properties"]["labels"]["items"]["properties"]) for key in FEW
        }
        for line in lines:
            truth = right[line["key"]]
            assert set(line["genres"].split("|")) == set(truth["genres"])
            assert (line["kind"], line["shown_as"]) == (truth["kind"], truth["shown_as"])
            assert (float(line["stars"]), line["is_old"] == "true") == (truth["stars"], truth["is_old"])
        columns = ("key", "kind", "genres", "stars", "shown_as", "is_old")
        golden = [",".join(line[name] for name in columns) for line in lines]
        project.write("golden.csv", "\n".join([",".join(columns), *golden]) + "\n")
        found = run(project, served, "llm", "eval", "kind", "golden.csv", "--model", "kinds", "--json").json
        assert {name: part["right"] for name, part in found["outputs"].items()} == dict.fromkeys(columns[1:], len(FEW))
        assert (found["requests"], found["outputs"]["stars"]["mean_error"]) == (0, 0)
    text = (tmp_path / "review.csv").read_text("utf-8-sig")
    before = next(line for line in text.splitlines() if line.startswith("vtv3,")).split(",")
    after = [before[0], "Channel", "Fun | Action", "0.25", "VTV 3", "false", *before[6:]]
    project.write("review.csv", text.replace(",".join(before), ",".join(after)))
    assert project.run("llm", "review", FILE, "--take", "review.csv", SERVICE="", SERVICE_KEY="").code == 0
    assert (tmp_path / "overrides/kind.csv").read_text("utf-8") == (
        "key,kind,genres,stars,shown_as,is_old\nvtv3,Channel,Action|Fun,0.25,VTV 3,false\n"
    )


def test_a_key_that_two_steps_ask_about_is_in_one_bill(tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    text = PIPELINE.replace("MODEL", "kinds").replace(" MORE", "")
    again = "  again:\n    - from: searches\n    - enrich: {key: keyword, prompt: kind, model: kinds}\nsinks:"
    project.pipeline(text.replace("sinks:", again))
    found = run(project, None, "plan", FILE, "--json").json["models"]
    assert sorted((bill["to_ask"], bill["by_other_steps"], bill["usd"] > 0) for (bill,) in found.values()) == [
        (0, len(FEW), False),
        (len(FEW), 0, True),
    ]
    assert f"0 known, {len(FEW)} asked by an earlier step, 0 to ask" in run(project, None, "plan", FILE).out


def test_the_same_model_asked_by_two_steps_is_named_as_the_project_names_it(tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    text = PIPELINE.replace("MODEL", "titles").replace(" MORE", "")
    project.pipeline(
        text.replace("labelled:\n    - from: searches", "labelled:\n    - from: first").replace(
            "steps:",
            "steps:\n  first:\n    - from: searches\n    - enrich: {key: keyword, prompt: kind, model: titles, as: {kind: guess}}",
        )
    )
    done = run(project, None, FILE)
    assert done.err.count("another model under `titles` in etlrun.yaml") == 2, done.err
    assert list(run(project, None, FILE, "--json").json["models"]) == ["titles", "titles in step 2 of labelled"]
