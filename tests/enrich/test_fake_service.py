"""The server as a command: any process can start it, ask it and read what it remembers."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import posing

ROOT = Path(__file__).parents[2]


@contextmanager
def command(*options: str) -> Iterator[str]:
    """The address of `python -m tests.fake_gemini OPTIONS`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fake_gemini", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


def test_it_serves_the_prompt_of_the_project_and_tells_what_was_asked(tmp_path: Path) -> None:
    text = (ROOT / "prompts" / "keyword_category.md").read_text(encoding="utf-8")
    with command("--prompt", "prompts/keyword_category.md", "--script", "rate,none", "--key", "a-key") as url:
        model = posing.Gemini(model="gemini-2.5-flash", api_key="a-key", url=url)
        report = posing.pose(model, posing.keys(50), posing.new_store(tmp_path), text=text)
        with urllib.request.urlopen(f"{url}/_state", timeout=10) as response:
            state = json.load(response)
    assert (report.ok, report.requests, state["requests"]) == (50, 2, 2)
    assert [state["calls"][key.shown] for key in posing.keys(50)] == [1] * 50
    assert 0 < state["billed_usd"] <= report.usd + 1e-9


def test_a_misspelled_fault_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fake_gemini", "--faults", "rat=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "there is no fault `rat`\n")
