"""Passes secret settings to Spark without the command line, which every user of the machine can read."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SUBMIT = "PYSPARK_SUBMIT_ARGS"  # what PySpark adds to the command line of the JVM


@contextmanager
def handed_over(secrets: Mapping[str, str], folder: Path) -> Iterator[Mapping[str, str]]:
    """Pass `secrets` to a JVM that starts in this block, by a file in `folder` that only its owner can read and that is deleted after it.

    Yields the settings to set on the session itself: none, or all of them if the JVM is already running.
    """
    from pyspark import SparkContext

    if not secrets or SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ:
        yield secrets
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    path, given = folder / "spark.properties", os.environ.get(SUBMIT)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        stream.writelines(f"{_escaped(name)}={_escaped(value)}\n" for name, value in secrets.items())
    os.environ[SUBMIT] = f"--load-spark-defaults --properties-file {shlex.quote(str(path))} {given or 'pyspark-shell'}"
    try:
        yield {}
    finally:
        path.unlink()
        if given is None:
            del os.environ[SUBMIT]
        else:
            os.environ[SUBMIT] = given


def redaction(general: str, secrets: Mapping[str, str]) -> str:
    """A pattern for settings that Spark shows as `*********`: those that match `general`, and those in `secrets`, by name."""
    names = (
        re.escape(name.removeprefix("spark.hadoop.")) for name in secrets
    )  # Hadoop's own settings are listed without this prefix
    return "|".join((general, *names))


def _escaped(text: str) -> str:
    """Text escaped for a Java properties file."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(
        chr(code) if chr(code).isascii() and chr(code).isalnum() or chr(code) in "._-/" else f"\\u{code:04x}"
        for code in codes
    )
