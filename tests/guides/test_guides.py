"""The guides tell the truth: each is followed to the letter in an empty folder, and every command says what the guide says.

A block after a line that ends with a file's name in backticks and a colon is that file. A `console` block holds commands; each line below
one is in what it says, in this order, and `(exit code N)` is what it ends with, 0 where there is none. A `sh` block installs: the extras that it names are those of the package.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from commanding import etlrun

EXTRAS = set(re.findall(r"(?m)^(\w+) =$", (Path(__file__).parents[2] / "setup.cfg").read_text(encoding="utf-8")))
GUIDES = Path(__file__).parents[2] / "docs" / "guides"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+\.\w+)`[^`\n]*:\s*\Z")


@dataclass(frozen=True)
class Command:
    """A command of a guide, what it says there, and the code it ends with."""

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
            assert set(re.findall(r"pip install '?etlrun\[(.*?)\]", content)) <= EXTRAS
        elif named:
            yield File(named[1], content)
        else:
            assert form == "sql", f"nobody tries this block: {content}"


def commands(text: str) -> Iterator[Command | Folder]:
    for part in re.split(r"(?m)^\$ ", text)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        code = re.fullmatch(r"\(exit code (\d+)\)", lines[-1]) if lines else None
        program, *arguments = shlex.split(command)
        assert program == "etlrun" or (program == "cd" and not lines)
        yield (
            Folder(arguments[0])
            if program == "cd"
            else Command(tuple(arguments), tuple(lines[:-1] if code else lines), int(code[1]) if code else 0)
        )


@pytest.mark.parametrize("guide", sorted(GUIDES.glob("*.md")), ids=lambda path: path.stem)
def test_a_guide_can_be_followed_to_the_letter(guide: Path, tmp_path: Path) -> None:
    done, here = 0, tmp_path
    for step in steps(guide.read_text(encoding="utf-8")):
        if isinstance(step, File):
            (here / step.path).parent.mkdir(parents=True, exist_ok=True)
            (here / step.path).write_text(step.text, encoding="utf-8")
            continue
        if isinstance(step, Folder):
            here = here / step.path
            continue
        outcome = etlrun(here, *step.arguments)
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
