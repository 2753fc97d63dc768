"""What data, names and services say is shown, and cannot steer the terminal that shows it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asked import FILE, PROJECT, SECRET, asking_project, searches
from commanding import etlrun
from etlrun.cli.words import failure_text, table_text, tell
from etlrun.diagnostics import Diagnostic, format_github, format_text, harmless
from etlrun.failures import RunFailure
from projects import Project

HOSTILE = "\x1b]0;pwned\x07\x1b[2J\u202eevil\x9b31m\r"
SHOWN = "\\u001b]0;pwned\\u0007\\u001b[2J\\u202eevil\\u009b31m\\u000d"
STEPS = "steps:\n  x:\n    - from: s\n"
PIPELINE = (
    f"sources:\n  s: {{csv: {{path: s.csv, columns: {{k: string}}}}}}\n{STEPS}CAST"
    "sinks:\n  x: {table: {from: x, connection: warehouse, write: replace}}\n"
)
TEST = 'pipeline: p\ntests:\n  - name: "\\e]0;pwned\\a\\e[2J"\n    given:\n      s: [{k: a}]\n    expect:\n      x: [{k: b}]\n'


def on_a_terminal(project: Project, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command whose output is a terminal: its exit code, and all that the terminal got."""
    ours, theirs = pty.openpty()
    surroundings = {**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "etlrun", *arguments],
        cwd=project.folder,
        env=surroundings,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    got = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        got += part
    os.close(ours)
    return process.wait(60), got.decode()


@contextmanager
def refusing() -> Iterator[str]:
    """The URL of a service that refuses with an error full of escapes."""
    detail = b'{"error": {"code": 401, "message": "\\u001b]0;pwned\\u0007\\u001b[2J"}}'

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(detail)))
            self.end_headers()
            self.wfile.write(detail)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *values: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_what_could_steer_a_terminal_is_spelled_and_lines_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert harmless(f"a\tb\n{HOSTILE}") == f"a\tb\n{SHOWN}"
    assert harmless("từ khoá số 1 한 🎬") == "từ khoá số 1 한 🎬"
    tell(failure_text(RunFailure("engine", "bad-cast", HOSTILE, HOSTILE)), err=True)
    assert capsys.readouterr().err == f"bad-cast: {SHOWN}\n    = {SHOWN}\n"
    assert table_text((HOSTILE,), [("a\nb",)]).splitlines()[0] == SHOWN
    assert table_text(("k",), [("a\nb",)]).splitlines()[2] == "a\\nb"


def test_the_name_of_a_file_steers_nothing_either() -> None:
    found = [Diagnostic(f"{HOSTILE}.yaml", 1, 1, 2, "syntax", "no", "")]
    for text in (format_text(found), format_github(found)):
        assert text.isprintable(), text


@pytest.mark.parametrize("more", ["    - cast: {k: int}\n", "checks:\n  x:\n    - accepted: {k: [a, b]}\n"])
def test_a_value_that_fails_steers_no_terminal(tmp_path: Path, more: str) -> None:
    project = Project(tmp_path)
    project.write("s.csv", b"k\n\x1b]0;pwned\x07\x1b[2J goi\n")
    code, got = on_a_terminal(project, "run", project.pipeline(PIPELINE.replace("CAST", more)))
    assert code in (1, 3), got
    assert "\x1b]0" not in got
    assert "\x1b[2J" not in got


@pytest.mark.parametrize("words", [("run", FILE, "--yes"), ("llm", "doctor", "--model", "kinds")])
def test_what_a_service_says_steers_no_terminal(tmp_path: Path, words: tuple[str, ...]) -> None:
    project = asking_project(tmp_path)
    with refusing() as url:
        code, got = on_a_terminal(project, *words, SERVICE=url, SERVICE_KEY=SECRET)
    assert code == 2, got
    assert "\x1b]0" not in got
    assert "\x1b[2J" not in got


def test_keywords_to_correct_steer_no_terminal_and_stay_as_they_are_in_a_file(tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    searches(project, "\x1b]0;pwned\x07 phim")
    surroundings = {"SERVICE": "http://127.0.0.1:9", "SERVICE_KEY": SECRET}
    code, got = on_a_terminal(project, "llm", "review", FILE, **surroundings)
    assert code == 0, got
    assert "\x1b]0" not in got
    assert "phim" in project.run("llm", "review", FILE, **surroundings).out


def test_the_name_of_a_test_steers_no_terminal(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.pipeline(PIPELINE.replace("CAST", ""))
    project.write("pipelines/p.test.yaml", TEST)
    code, got = on_a_terminal(project, "test")
    assert code == 1, got
    assert "p: \\u001b]0;pwned\\u0007\\u001b[2J" in got
    assert "\x1b]0" not in got
    outcome = etlrun(tmp_path, "test", "-k", "none of this name")
    assert outcome.code == 2
    assert "\x1b" not in outcome.err


def test_the_name_of_a_model_is_no_markup(tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    project.write("etlrun.yaml", PROJECT.replace("${MODEL:-gemini-2.5-flash}", "m[/red]"))
    with refusing() as url:
        code, got = on_a_terminal(project, "run", FILE, "--yes", SERVICE=url, SERVICE_KEY=SECRET)
    assert (code, "Traceback" in got, "ask gemini m[/red]" in got) == (2, False, True)


def test_what_a_service_says_on_several_lines_gives_no_orders_to_a_log() -> None:
    summary = failure_text(RunFailure("engine", "engine", "it says: no\n::error::pwned", "ask\n::stop-commands::x"))
    assert summary == "engine: it says: no\n    ::error::pwned\n    = ask\n    ::stop-commands::x"
