"""`etlrun check` as a command: which files it reads, what it says of them, how it ends, and what it does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from commanding import etlrun

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("pyspark", "py4j", "duckdb", "sqlalchemy", "google.genai", "pyarrow", "pandas", "numpy", "pymysql")


def spoil(project: Path, name: str) -> None:
    sound = (project / "pipelines" / "sound.yaml").read_text(encoding="utf-8")
    (project / "pipelines" / name).parent.mkdir(exist_ok=True)
    (project / "pipelines" / name).write_text(sound.replace("from: views", "from: veiws"), encoding="utf-8")


def places(text: str) -> list[str]:
    return [line.split(": ", 1)[0] for line in text.splitlines() if line.startswith(("pipelines", "other"))]


def test_without_a_path_the_folder_pipelines_is_checked(project: Path) -> None:
    outcome = etlrun(project, "check")
    assert (outcome.out, outcome.err, outcome.code) == ("", "1 pipeline: no mistakes\n", 0)


def test_a_folder_is_checked_with_what_is_below_it(project: Path) -> None:
    spoil(project, "b.yaml")
    spoil(project, "below/a.yml")
    (project / "pipelines" / "folder.yaml").mkdir()
    outcome = etlrun(project, "check", "pipelines")
    assert places(outcome.out) == ["pipelines/b.yaml:6:13", "pipelines/below/a.yml:6:13"]
    assert outcome.err == "3 pipelines: 2 mistakes\n"
    assert outcome.code == 2


def test_tests_are_checked_as_tests_and_counted_apart(project: Path) -> None:
    (project / "pipelines" / "sound.test.yaml").write_text(
        "pipeline: sound\ntests:\n  - name: none\n    given: {views: []}\n    expect: {totals: []}\n", encoding="utf-8"
    )
    assert etlrun(project, "check").err == "1 pipeline, 1 file of tests: no mistakes\n"
    (project / "pipelines" / "sound.test.yaml").write_text(
        "pipeline: sound\ntests:\n  - name: none\n    given: {veiws: []}\n    expect: {totals: []}\n", encoding="utf-8"
    )
    for given in ((), ("pipelines/sound.test.yaml",)):
        outcome = etlrun(project, "check", *given)
        assert places(outcome.out) == ["pipelines/sound.test.yaml:4:13"]
        assert "did you mean `views`?" in outcome.out
        assert outcome.code == 2


def test_a_test_of_a_pipeline_with_mistakes_is_told_of_those_once(project: Path) -> None:
    spoil(project, "b.yaml")
    (project / "pipelines" / "b.test.yaml").write_text(
        "pipeline: b\ntests:\n  - name: none\n    given: {views: []}\n    expect: {totals: []}\n", encoding="utf-8"
    )
    assert places(etlrun(project, "check").out) == ["pipelines/b.yaml:6:13"]
    assert places(etlrun(project, "check", "pipelines/b.test.yaml").out) == ["pipelines/b.yaml:6:13"]


def test_a_file_named_twice_is_told_of_once(project: Path) -> None:
    spoil(project, "b.yaml")
    outcome = etlrun(project, "check", "pipelines/b.yaml", "pipelines", "pipelines/b.yaml")
    assert places(outcome.out) == ["pipelines/b.yaml:6:13"]
    assert outcome.err == "2 pipelines: 1 mistake\n"


def test_paths_are_shown_as_they_lead_from_the_current_folder(project: Path) -> None:
    spoil(project, "b.yaml")
    (project / "elsewhere").mkdir()
    outcome = etlrun(project / "elsewhere", "check", "../pipelines/b.yaml")
    assert outcome.out.startswith("../pipelines/b.yaml:6:13: unknown-relation: ")


def test_warnings_are_told_and_do_not_fail(project: Path) -> None:
    sound = (project / "pipelines" / "sound.yaml").read_text(encoding="utf-8")
    (project / "pipelines" / "sound.yaml").write_text(
        sound.replace("steps:\n", "steps:\n  loose:\n    - from: views\n"), encoding="utf-8"
    )
    outcome = etlrun(project, "check")
    assert outcome.out.startswith("pipelines/sound.yaml:5:3: warning: unused: nothing reads or publishes `loose`\n")
    assert (outcome.err, outcome.code) == ("1 pipeline: 1 warning\n", 0)


def test_a_missing_file_does_not_hide_the_mistakes_of_the_others(project: Path) -> None:
    spoil(project, "b.yaml")
    outcome = etlrun(project, "check", "pipelines/a.yaml", "pipelines/b.yaml")
    assert places(outcome.out) == ["pipelines/a.yaml:1:1", "pipelines/b.yaml:6:13"]
    assert outcome.code == 2


def test_a_link_that_leads_nowhere_is_a_missing_file(project: Path) -> None:
    (project / "pipelines" / "a.yaml").symlink_to("nowhere.yaml")
    outcome = etlrun(project, "check")
    assert "pipelines/a.yaml:1:1: file-not-found: there is no file `pipelines/a.yaml`" in outcome.out
    assert outcome.code == 2


def test_an_empty_folder_is_a_mistake_of_use(project: Path) -> None:
    (project / "other").mkdir()
    outcome = etlrun(project, "check", "other")
    assert "there is no pipeline in other" in outcome.err
    assert outcome.code == 2


def test_a_value_from_outside_is_checked_like_a_default(project: Path) -> None:
    text = (project / "pipelines" / "sound.yaml").read_text(encoding="utf-8")
    (project / "pipelines" / "sound.yaml").write_text(
        text.replace("sources:", "params: {least: {type: int, default: 1}}\nsources:"), encoding="utf-8"
    )
    assert etlrun(project, "check", "--set", "least=3").code == 0
    outcome = etlrun(project, "check", "--set", "least=three")
    assert "pipelines/sound.yaml:2:10: wrong-value: --set least: `three` is not an int" in outcome.out


def test_a_param_without_a_default_is_fine_here_and_demanded_by_a_run(project: Path) -> None:
    text = (project / "pipelines" / "sound.yaml").read_text(encoding="utf-8")
    (project / "pipelines" / "sound.yaml").write_text(
        text.replace("sources:", "params: {least: {type: int}}\nsources:"), encoding="utf-8"
    )
    assert etlrun(project, "check").code == 0
    outcome = etlrun(project, "run", "pipelines/sound.yaml")
    assert "pipelines/sound.yaml:2:10: missing-param: the param `least` has no value" in outcome.err
    assert outcome.code == 2


def test_the_process_says_what_the_command_says(project: Path) -> None:
    (project / "pipelines" / "hostile.yaml").write_bytes(
        (ROOT / "tests" / "errors" / "expression_hostile.yaml").read_bytes()
    )
    inside = etlrun(project, "check", "pipelines/hostile.yaml")
    command = [sys.executable, "-c", "from etlrun.cli.main import main; main()", "check", "pipelines/hostile.yaml"]
    outside = subprocess.run(command, cwd=project, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (outside.stdout, outside.stderr, outside.returncode) == (inside.out, inside.err, inside.code)


def test_checking_loads_no_engine_no_database_and_no_model(project: Path) -> None:
    """Start-up is most of what a person waits for: 0.1 s to 3 s for each of these."""
    script = (
        "import sys\n"
        "from etlrun.cli.main import main\n"
        "sys.argv = ['etlrun', 'check', *sys.argv[1:]]\n"
        "try:\n    main()\n"
        f"finally:\n    print(sorted(name for name in {HEAVY!r} if name in sys.modules), len(sys.modules) > 100)\n"
    )
    folders = [str(ROOT / "pipelines"), str(project / "pipelines")]
    found = subprocess.run(
        [sys.executable, "-c", script, *folders], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.stdout.splitlines()[-1] == "[] True", found.stderr


def test_a_project_is_checked_without_its_mappings(project: Path) -> None:
    assert etlrun(project, "check", ".").err == "1 pipeline: no mistakes\n"
