"""No text that a person or a file gets to see holds a secret of this process, whoever put it there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from etlrun.failures import RunFailure
from etlrun.secrets import Secret, hide_secrets, shown_address

BROKEN = """
import etlrun.cli.command_line as line
import etlrun.cli.main as main
from etlrun.secrets import Secret

key = Secret("planted-in-a-bug")

def broken(**_):
    raise ValueError(f"nobody foresaw {key.reveal()}")

line.group.main = broken
main.main()
"""


def test_a_failure_never_says_a_secret() -> None:
    Secret("planted")
    Secret("planted-and-longer")
    failure = RunFailure("connection", "connection-failed", "mysql://u:planted@h", "look at planted-and-longer")
    assert (failure.message, str(failure), failure.fix) == ("mysql://u:***@h", "mysql://u:***@h", "look at ***")


def test_a_secret_that_is_too_short_does_not_eat_ordinary_words() -> None:
    Secret("a")
    Secret("")
    assert hide_secrets("a table") == "a table"


def test_a_mistake_of_the_program_is_told_as_one_without_secrets() -> None:
    done = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ValueError: nobody foresaw ***" in done.stderr
    assert "planted-in-a-bug" not in done.stderr.replace('key = Secret("planted-in-a-bug")', "")
    assert "internal-error: this is a bug in etlrun" in done.stderr


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        ("http://u:planted@127.0.0.1:1/v1", "http://127.0.0.1:1/v1"),
        ("https://h/v1?key=planted", "https://h/v1"),
        ("http://u:plan?ted@h/v1", "..."),
        ("http://u:plan/ted@h/v1", "..."),
        ("u:planted@h", "..."),
    ],
)
def test_an_address_is_shown_without_its_user_and_its_query(url: str, shown: str) -> None:
    assert shown_address(url) == shown
