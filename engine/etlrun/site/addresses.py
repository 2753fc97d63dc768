"""The addresses of pages: a valid file name for every name of the project, whatever its characters."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import Literal

_PLAIN = re.compile(r"[a-z0-9_-]{1,60}")


@cache
def file_name(name: str) -> str:
    """A name as part of an address: unchanged if it is valid on every disk and in every URL, otherwise its valid characters and a digest."""
    if _PLAIN.fullmatch(name):
        return name
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:40]
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")


def pipeline_address(name: str) -> str:
    return f"pipelines/{file_name(name)}.html"


def mapping_address(name: str) -> str:
    return f"mappings/{file_name(name)}.html"


def prompt_address(name: str) -> str:
    return f"prompts/{file_name(name)}.html"


def column_address(pipeline: str, kind: Literal["source", "sink"], relation: str, column: str) -> str:
    """The address of the page of a source's or sink's column."""
    return f"columns/{file_name(pipeline)}/{kind}.{file_name(relation)}.{file_name(column)}.html"


def case_address(file: str, name: str) -> str:
    """The address of a test's page; the file is given by its path in the project."""
    return f"tests/{file_name(file)}/{file_name(name)}.html"


def anchor(*names: str) -> str:
    """The id of an element in a page."""
    return "-".join(map(file_name, names))
