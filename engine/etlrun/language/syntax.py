"""Explains a syntax error at the word where a user would look for it."""

from __future__ import annotations

import re

from sqlglot.errors import ParseError, TokenError

from etlrun.diagnostics import nearest
from etlrun.language.columns import SCALARS
from etlrun.language.problems import Problem
from etlrun.language.type_names import type_fix
from etlrun.language.type_texts import SPELLINGS

_INSTEAD = {
    "&&": "write `and`",
    "!": "write `not`",
    "=>": "write `>=`",
    "=<": "write `<=`",
    ":": "write `if(a > 1, b, c)` for a choice; a field of a struct is `a.b`",
    "~": "write `rlike`",
    "?": "write `case when ... then ... else ... end`",
}
# What a text has before the word at which the parser stops, or around it, if it is written as in another language.
_OTHER_LANGUAGES = (
    (r"\bselect\s+top\s*\(?\s*\d+", "write `limit 3` at the end, after ORDER BY"),
    (r"\bif\b.*\bthen\b", "write `case when a > 1 then b else c end`, or `if(a > 1, b, c)`"),
    (r"\bwhere\s*\([^()]*,|\S\s+if\b.*\belse\b", "write `if(a > 1, b, c)`"),
    (r"\bseparator\s+'", "write `array_join(sort_array(collect_set(x)), ',')`"),
    (r"\bsubstring\s*\([^()]*\bfrom\b", "write `substring(x, 1, 2)`"),
    (r"\btrim\s*\(\s*(?:both|leading|trailing)\b", "write `trim(x)`, or `btrim(x, '0')`"),
)
_QUOTES = "in a list or in braces an expression that contains `,` must be quoted"


def syntax_problem(error: ParseError | TokenError, text: str, sql: str = "", shift: int = 0) -> Problem:
    """The mistake for the parser's error in `text`, which starts at `shift` in the parsed `sql`."""
    opened = _left_open(text)
    if opened is not None and text[opened] != "(":
        fix = "close it; a quote inside a text is written \\'" if text[opened] != "`" else "close it"
        return Problem("syntax", "this quote is not closed", opened, len(text), fix)
    facts = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    detail, word = str(facts.get("description") or ""), str(facts.get("highlight") or "")
    if opened is not None and ("Expecting )" in detail or not word):
        return Problem("syntax", "this `(` is not closed", opened, opened + 1, f"close it with `)`; {_QUOTES}")
    start, end = _place(facts, word, text, sql or text, shift)
    if end <= 0:
        return Problem("syntax", "the expression is empty", 0, max(1, len(text)), "write one, or leave its key out")
    if not word or start >= len(text):
        return Problem("syntax", "the expression ends too early", 0, len(text), "finish it")
    return _phrase(detail, word, start, min(end, len(text)), text)


def _phrase(detail: str, word: str, start: int, end: int, text: str) -> Problem:
    other = next((fix for form, fix in _OTHER_LANGUAGES if re.search(form, text, re.IGNORECASE | re.DOTALL)), "")
    if "Expected TYPE" in detail:
        fix = type_fix(word) or nearest(word, (*SCALARS, *SPELLINGS)) or "the types are " + ", ".join(SCALARS)
        return Problem("unknown-type", f"`{word}` is not a type", start, end, fix)
    expected = re.match(r"Expected (\w+) after", detail)
    if expected:
        keyword = expected.group(1).lower()
        return Problem(
            "syntax",
            f"`{keyword}` is missing {'before' if keyword == 'as' else 'after'} `{word}`",
            start,
            end,
            f"add `{keyword}`",
        )
    if "'high' missing" in detail:
        return Problem("syntax", "`between` needs two bounds", start, end, "write `between 1 and 2`")
    if "Required keyword" in detail:
        fix = other or "write a value on both sides"
        return Problem("syntax", f"a value is missing next to `{word}`", start, end, fix)
    if word == ")":
        return Problem("syntax", "there is no `(` for this `)`", start, end, f"remove it; {_QUOTES}")
    return Problem("syntax", f"`{word}` is not expected here", start, end, other or _INSTEAD.get(word, ""))


def _place(facts: dict[str, object], word: str, text: str, sql: str, shift: int) -> tuple[int, int]:
    """The offsets in `text` of the word at which the parser stopped."""
    line, last_column = int(str(facts.get("line") or 1)), int(str(facts.get("col") or 0))
    end = sum(len(previous) + 1 for previous in sql.split("\n")[: line - 1]) + last_column - shift
    return max(0, end - len(word)), max(0, end)


def _left_open(text: str) -> int | None:
    """The position of a quote or bracket that is never closed."""
    brackets: list[int] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character in "'\"`":
            closed = _closing(text, position)
            if closed < 0:
                return position
            position = closed
        elif character == "(":
            brackets.append(position)
        elif character == ")" and brackets:
            brackets.pop()
        position += 1
    return brackets[-1] if brackets else None


def _closing(text: str, opening: int) -> int:
    """The position where the quote that opens at `opening` closes; -1 if it does not. A backslash escapes the next character of a text."""
    quote, position = text[opening], opening + 1
    while position < len(text):
        if text[position] == "\\" and quote != "`":
            position += 1
        elif text[position] == quote:
            return position
        position += 1
    return -1
