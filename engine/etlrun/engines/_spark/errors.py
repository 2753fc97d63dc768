"""Extracts the facts of a Spark error: its condition, one line of text, and the place in the statement."""

from __future__ import annotations

import re
from typing import Any

from etlrun.contracts.engine import StatementError
from etlrun.language.functions.places import CONDITIONS as TOO_LARGE

CONDITIONS = {
    "ARITHMETIC_OVERFLOW": "overflow",
    "BINARY_ARITHMETIC_OVERFLOW": "overflow",
    "DATETIME_FIELD_OUT_OF_BOUNDS": "bad-date",
    "DATETIME_OVERFLOW": "bad-date",
    "NUMERIC_OUT_OF_SUPPORTED_RANGE": "overflow",
    "CAST_OVERFLOW": "overflow",
    "NUMERIC_VALUE_OUT_OF_RANGE": "overflow",
    "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION": "overflow",
    "DIVIDE_BY_ZERO": "division-by-zero",
    "REMAINDER_BY_ZERO": "division-by-zero",
    "CAST_INVALID_INPUT": "bad-cast",
    "CANNOT_PARSE_TIMESTAMP": "bad-cast",
    "INVALID_ARRAY_INDEX": "bad-index",
    "INVALID_INDEX_OF_ZERO": "bad-index",
    "INVALID_ARRAY_INDEX_IN_ELEMENT_AT": "bad-index",
    "USER_RAISED_EXCEPTION": "bad-value",
}

NO_PROGRAM = "Cannot run program"  # names the file; its cause only says that a file is missing
_MALFORMED = re.compile(
    r"The value '(.*)' of the type \"STRING\" cannot be cast to \"([^\"]+)\" because it is malformed\."
)
_UNPARSED = re.compile(r"Text '(.*)' could not be parsed")  # the message does not name the pattern
_TRACEBACK = re.compile(r"^.*Traceback \(most recent call last\):\n(?:[ \t].*\n)*(\S.*)", re.MULTILINE)


def translated(error: Any) -> StatementError:
    """The facts of a Spark error: its condition, its first line, and where in the statement it arose."""
    text = str(error)
    too_large = next((what for what in TOO_LARGE if what in text), None)
    if too_large is not None:
        return StatementError(TOO_LARGE[too_large], too_large)
    code = str(error.getCondition() or "")
    if code.split(".", maxsplit=1)[0] not in CONDITIONS:
        found = re.search(r"\[([A-Z_]+)[\].]", text)
        code = found.group(1) if found and found.group(1) in CONDITIONS else code
    offset = None
    for context in error.getQueryContext() or ():
        offset = context.startIndex() if str(context.contextType()).endswith("SQL") else None
        break
    if _is_cancelled(text) or code == "OPERATION_CANCELED":
        return StatementError("interrupted", "the statement was interrupted")
    return StatementError(CONDITIONS.get(code.split(".")[0], "engine"), _detail(text, code), offset)


def translated_java(error: Exception) -> StatementError:
    """The facts of an error without a condition from Java: a condition in its text, or its innermost cause."""
    text = str(error)
    if _is_cancelled(text):
        return StatementError("interrupted", "the statement was interrupted")
    found = re.search(r"\[([A-Z_]+)[\].]", text)
    code = found.group(1) if found else ""
    causes = re.findall(r"^Caused by: (.*)$", text, re.MULTILINE)
    causes = [cause for cause in causes if NO_PROGRAM in cause] or causes
    detail = _detail(text, code) if code in CONDITIONS else causes[-1] if causes else _second_line(text)
    return StatementError(CONDITIONS.get(code, "engine"), detail)


def _is_cancelled(text: str) -> bool:
    return "[SPARK_JOB_CANCELLED]" in text or ("cancelled" in text and "job group" in text.lower())


def _second_line(text: str) -> str:
    """The line after `An error occurred while calling ...`, which has no information."""
    lines = [line.strip(": ") for line in text.split("\n") if line.strip()]
    return lines[1] if len(lines) > 1 else lines[0]


def _detail(text: str, code: str) -> str:
    raised = _TRACEBACK.findall(text)
    if raised:
        return str(raised[-1])
    found = re.search(rf"\[{re.escape(code)}[^\]]*\] ([^\n]*)", text) if code else None
    if not found:
        return text.split("\n", 1)[0]
    detail = re.split(r" (?:Use [`']|Correct the value|If necessary|SQLSTATE)", found.group(1))[0].strip()
    unparsed = _UNPARSED.match(detail)
    if unparsed:
        return f"not a value of the form that is written: {unparsed[1]}"
    cast = _MALFORMED.fullmatch(detail)
    return f"not of type {cast[2].removesuffix('_NTZ').lower()}: {cast[1]}" if cast else detail


def first_line(error: Exception) -> str:
    """The first line of an error that has information."""
    return next((line for line in str(error).split("\n") if line.strip()), type(error).__name__)
