"""The guides tell the truth: each is followed to the letter in an empty folder, and every command says what the guide says.

A block after a line that ends with a file's name in backticks and a colon is that file. A `console` block holds commands; each line below
one is in what it says, in this order, and `(exit code N)` is what it ends with, 0 where there is none. A `sh` block installs: the extras that are named are those of the package.
A `text` block is shown only: it needs a cluster.
What stands within a sentence is among the commands that are run. The guide of stores finds its bucket in a server of its own; the
rights in its `policy.json` are those that its commands use.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from commanding import Outcome, etlrun
from etlrun.cli.command_line import group
from object_server import ObjectServer, object_server

EXTRAS = set(re.findall(r"(?m)^(\w+) =$", (Path(__file__).parents[2] / "setup.cfg").read_text(encoding="utf-8")))
GUIDES = Path(__file__).parents[2] / "docs" / "guides"
OF_STORES = GUIDES / "lake-tables-and-stores.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+\.\w+)`[^`\n]*:\s*\Z")
OTHERS = ("mkdir", "cat", "git")  # programs of a reader's own that a guide calls
GIT = {f"GIT_{who}_{what}": "reader@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True)
class Command:
    """A command of a guide with the variables before it, what it says there, and the code it ends with."""

    variables: dict[str, str]
    program: str
    arguments: tuple[str, ...]
    lines: tuple[str, ...]
    code: int


@dataclass(frozen=True)
class File:
    """A file that a guide lets its reader write."""

    path: str
    text: str


@dataclass(frozen=True)
class Folder:
    """A folder into which the reader of a guide goes."""

    path: str


def steps(text: str) -> Iterator[Command | File | Folder]:
    """What a reader of a guide does, in order."""
    for block in _BLOCK.finditer(text):
        form, content = block.groups()
        named = _FILE.search(text[: block.start()])
        if form == "console":
            yield from commands(content)
        elif form == "sh":
            assert "pip install" in content
        elif named:
            yield File(named[1], content)
        else:
            assert form in ("sql", "text"), f"nobody tries this block: {content}"


def commands(text: str) -> Iterator[Command | Folder]:
    for part in re.split(r"(?m)^\$ ", text)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        code = re.fullmatch(r"\(exit code (\d+)\)", lines[-1]) if lines else None
        words = shlex.split(command)
        variables = dict(words.pop(0).split("=", 1) for word in tuple(words) if re.match(r"[A-Z_]+=", word))
        name, *arguments = words
        if name == "cd" and not lines:
            yield Folder(arguments[0])
            continue
        assert name in ("etlrun", *OTHERS)
        shown = tuple(lines[:-1] if code else lines)
        yield Command(variables, name, tuple(arguments), shown, int(code[1]) if code else 0)


def outcome_of(command: Command, here: Path) -> Outcome:
    """What a command says and ends with, in this folder."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**GIT, **command.variables}.items():
            environment.setenv(name, value)
        if command.program == "etlrun":
            return etlrun(here, *command.arguments)
        words = [command.program, *command.arguments]
        done = subprocess.run(words, cwd=here, capture_output=True, text=True, check=False)
        return Outcome(done.stdout, done.stderr, done.returncode)


@contextmanager
def bucket(environment: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """A server with the bucket `lake`, which the variables of a guide lead to."""
    with object_server() as server:
        server.make_bucket("lake")
        for name, value in {"ENDPOINT": server.url, "KEY": "key", "SECRET": "secret"}.items():
            environment.setenv(f"LAKE_{name}", value)
        server.log()
        yield server


def right_of(request: str) -> str:
    """The action of S3 that a request needs: `GET /lake?list-type=2` lists."""
    method, address = request.split(" ", 1)
    path, _, query = address.partition("?")
    if "/" not in path.strip("/"):
        return {"POST": "s3:DeleteObject", "PUT": "s3:CreateBucket"}.get(method, "s3:ListBucket")
    if method == "DELETE":
        return "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"
    return "s3:GetObject" if method in ("GET", "HEAD") else "s3:PutObject"


def test_the_rights_that_a_guide_names_are_those_that_its_commands_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bucket(monkeypatch) as server:
        follow(OF_STORES, tmp_path)
        used = {right_of(request) for request in server.log()}
    policy = json.loads((tmp_path / "policy.json").read_text(encoding="utf-8"))
    assert used == {action for statement in policy["Statement"] for action in statement["Action"]}


@pytest.mark.parametrize("guide", sorted({*GUIDES.glob("*.md")} - {OF_STORES}), ids=lambda path: path.stem)
def test_a_guide_can_be_followed_to_the_letter(guide: Path, tmp_path: Path) -> None:
    follow(guide, tmp_path)


def follow(guide: Path, folder: Path) -> None:
    """Do what a guide says, and compare what it shows with what is said."""
    done, here = 0, folder
    for step in steps(guide.read_text(encoding="utf-8")):
        if isinstance(step, File):
            (here / step.path).parent.mkdir(parents=True, exist_ok=True)
            (here / step.path).write_text(step.text, encoding="utf-8")
            continue
        if isinstance(step, Folder):
            here = here / step.path
            continue
        outcome = outcome_of(step, here)
        said = (" ".join(line.split()) for line in (outcome.out + outcome.err).splitlines())
        assert outcome.code == step.code, (step.arguments, outcome)
        for line in step.lines:
            assert any(" ".join(line.split()) in found for found in said), (
                step.arguments,
                line,
                outcome.out,
                outcome.err,
            )
        done += 1
    assert done


def options_of(command: click.Command) -> set[str]:
    """The options of a command and of those below it."""
    own = {option for parameter in command.params for option in parameter.opts}
    if not isinstance(command, click.Group):
        return own
    context = click.Context(command)
    below = (command.get_command(context, name) for name in command.list_commands(context))
    return own.union(*(options_of(one) for one in below if one is not None))


@pytest.mark.parametrize("guide", sorted(GUIDES.glob("*.md")), ids=lambda path: path.stem)
def test_a_command_within_a_sentence_is_one_that_is_run(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    run = [{step.program, *step.arguments} for step in steps(text) if isinstance(step, Command)]
    known = options_of(group)
    assert {extra for named in re.findall(r"etlrun\[([\w,]+)\]", text) for extra in named.split(",")} <= EXTRAS
    for words in map(shlex.split, re.findall(r"`((?:etlrun |--)[^`]*)`", _BLOCK.sub("", text))):
        assert words[0] in known if words[0].startswith("--") else any(set(words) <= one for one in run), words
