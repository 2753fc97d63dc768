"""Regular expressions that mean the same in Java and RE2, and how to write them for each.

`.` matches everything except line ends, `$` only the very end of the text, and classes such as `\\d` and `\\w` are ASCII.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE_ENDS = r"\n\r\x{85}\x{2028}\x{2029}"
_BLANKS = r"\t\n\x0B\f\r "
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": _BLANKS}
_CONTROLS = "tnrf"
_PROPERTIES = ("L", "Lu", "Ll", "M", "N", "Nd", "P")
_HINTS = {
    "b": "word boundaries differ between engines; write the characters around the word",
    "B": "word boundaries differ between engines",
    "(": "groups are `(...)` and `(?:...)`: no look-around, no flags, no names",
    "i": "compare `lower(text)` instead",
}
MOST_REPEATS = 1000


class PatternError(ValueError):
    """A pattern that the engines read differently; `at` is the offset of the wrong part, `fix` what to do instead."""

    def __init__(self, message: str, at: int, fix: str = "") -> None:
        super().__init__(message)
        self.at = at
        self.fix = fix


@dataclass(frozen=True)
class Pattern:
    """A regular expression as each engine writes it."""

    java: str
    re2: str
    may_be_empty: bool
    groups: int = 0
    repeats: int = 1  # the largest product of nested counts: `(a{2}){3}` has 6

    def __add__(self, other: Pattern) -> Pattern:
        return Pattern(
            self.java + other.java,
            self.re2 + other.re2,
            self.may_be_empty and other.may_be_empty,
            self.groups + other.groups,
            max(self.repeats, other.repeats),
        )


NOTHING = Pattern("", "", may_be_empty=True)


def read_pattern(text: str) -> Pattern:
    """Read a regular expression. Raises PatternError for one that differs between engines, or that one of them does not support."""
    reader = _Reader(text)
    found = reader.alternatives()
    if reader.rest():
        raise PatternError("`)` closes no group", reader.at, "write `\\)` for the character")
    return found


def read_replacement(text: str, groups: int) -> tuple[str, str]:
    """Read a replacement text, for Java and for RE2: `$1` is the text of a group, `\\$` a dollar. Raises PatternError."""
    java = re2 = ""
    for found in re.finditer(r"\\(.?)|\$([0-9]?)|[^\\$]+", text, re.DOTALL):
        whole = found.group()
        if whole.startswith("$"):
            if not found.group(2) or int(found.group(2)) > groups:
                raise PatternError(
                    f"`{whole}` is not a group of the pattern", found.start(), "write `\\$` for a dollar"
                )
            java, re2 = java + whole, re2 + "\\" + found.group(2)
            continue
        plain = found.group(1) if whole.startswith("\\") else whole
        if not plain:
            raise PatternError("the replacement ends in `\\`", found.start(), "write `\\\\` for the character")
        java, re2 = java + re.sub(r"([\\$])", r"\\\1", plain), re2 + plain.replace("\\", "\\\\")
    return java, re2


class _Reader:
    """A reader of one pattern, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def rest(self) -> str:
        return self.text[self.at :]

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        character = self.peek()
        self.at += 1
        return character

    def fail(self, message: str, fix: str = "", back: int = 0) -> PatternError:
        return PatternError(message, max(0, self.at - back), fix)

    def alternatives(self) -> Pattern:
        found = self.sequence()
        while self.peek() == "|":
            self.take()
            other = self.sequence()
            joined = found + Pattern("|", "|", True) + other
            found = Pattern(
                joined.java, joined.re2, found.may_be_empty or other.may_be_empty, joined.groups, joined.repeats
            )
        return found

    def sequence(self) -> Pattern:
        found = NOTHING
        while self.peek() not in ("", "|", ")"):
            found += self.repeated()
        return found

    def repeated(self) -> Pattern:
        start = self.at
        piece = self.piece()
        found = re.match(r"([*+?]|\{(\d+)(,(\d*))?\})(\??)", self.rest())
        if found is None:
            return piece
        self.at += found.end()
        if self.peek() in ("*", "+", "?", "{") and self.peek():
            raise self.fail(
                f"`{self.text[start : self.at]}` is followed by a second repeat",
                "possessive repeats exist only in Java",
            )
        if piece.may_be_empty:
            raise PatternError(f"`{self.text[start : self.at]}` repeats a part that can match empty text", start)
        least, most = int(found.group(2) or 0), int(found.group(4) or found.group(2) or 0)
        if most < least:
            fix = f"write `{{{most},{least}}}`"
            raise PatternError(f"`{found.group()}` asks for at least {least} and at most {most} times", start, fix)
        repeats = piece.repeats * max(1, most)
        if repeats > MOST_REPEATS:
            raise PatternError(f"a part can be repeated at most {MOST_REPEATS} times, also by groups in groups", start)
        empty = found.group().startswith(("*", "?")) or found.group(2) is not None and int(found.group(2)) == 0
        return Pattern(piece.java + found.group(), piece.re2 + found.group(), empty, piece.groups, repeats)

    def piece(self) -> Pattern:
        character = self.take()
        if character == "(":
            return self.group()
        if character == "[":
            return self.characters()
        if character == "\\":
            return self.escape()
        if character == ".":
            return Pattern(".", f"[^{LINE_ENDS}]", may_be_empty=False)
        if character in "^$":
            anchor = "^" if character == "^" else r"\z"
            return Pattern(anchor, anchor, may_be_empty=True)
        if character in "*+?{":
            raise self.fail(
                f"there is nothing before `{character}` to repeat", f"write `\\{character}` for the character", back=1
            )
        return _plain(character)

    def group(self) -> Pattern:
        opening = "("
        if self.peek() == "?":
            if not self.rest().startswith("?:"):
                raise self.fail(
                    f"`({self.rest()[:2]}` differs between engines",
                    _HINTS["(" if self.rest()[1:2] != "i" else "i"],
                    back=1,
                )
            opening, self.at = "(?:", self.at + 2
        self.depth += 1
        if self.depth > 20:
            raise self.fail("groups are nested more than 20 deep")
        inside = self.alternatives()
        self.depth -= 1
        if self.take() != ")":
            raise self.fail("a group is not closed", "write `\\(` for the character", back=1)
        whole = Pattern(opening, opening, True) + inside + Pattern(")", ")", True)
        return Pattern(whole.java, whole.re2, inside.may_be_empty, inside.groups + (opening == "("), inside.repeats)

    def escape(self) -> Pattern:
        letter = self.take()
        if letter.lower() in _CLASSES and letter:
            inside = ("^" if letter.isupper() else "") + _CLASSES[letter.lower()]
            return Pattern(f"[{inside}]", f"[{inside}]", may_be_empty=False)
        if letter in ("p", "P"):
            name = self.property_name()
            return Pattern(f"\\{letter}{{{name}}}", f"\\{letter}{{{name}}}", may_be_empty=False)
        return _plain(self.escaped(letter))

    def property_name(self) -> str:
        found = re.match(r"\{(\w+)\}", self.rest())
        if found is None or found.group(1) not in _PROPERTIES:
            raise self.fail(
                "this Unicode class differs between engines",
                "the classes are " + ", ".join(_PROPERTIES),
                back=2,
            )
        self.at += found.end()
        return found.group(1)

    def escaped(self, letter: str) -> str:
        """The character that `\\letter` stands for."""
        if letter in _CONTROLS and letter:
            return {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}[letter]
        if not letter or letter.isalnum() or not letter.isascii():
            raise self.fail(f"`\\{letter}` differs between engines", _HINTS.get(letter, ""), back=2)
        return letter

    def characters(self) -> Pattern:
        start = self.at - 1
        negated = self.peek() == "^"
        self.at += negated
        inside = ""
        while self.peek() != "]" or not inside:
            if self.peek() in ("", "]") or self.peek() == "[" or self.rest().startswith("&&"):
                message = (
                    "a class of characters is not closed"
                    if not self.peek()
                    else f"`{self.peek()}` is not allowed here in a class"
                )
                raise PatternError(message, start, "write `\\[`, `\\]` or `\\&` for the character")
            inside += self.one_of()
        self.take()
        written = f"[{'^' if negated else ''}{inside}]"
        return Pattern(written, written, may_be_empty=False)

    def one_of(self) -> str:
        """One member of a class: a character, a range or a class such as `\\d`."""
        first = self.take()
        if first == "\\":
            letter = self.take()
            if letter in _CLASSES:
                return _CLASSES[letter]
            if letter == "p":
                return f"\\p{{{self.property_name()}}}"
            first = self.escaped(letter)
        if self.peek() != "-" or self.rest()[1:2] in ("]", ""):
            return _in_class(first)
        self.take()
        last = self.take()
        if last == "\\":
            last = self.escaped(self.take())
        if last == "[" or ord(last) < ord(first):
            raise self.fail(f"`{first}-{last}` is not a range", back=3)
        return f"{_in_class(first)}-{_in_class(last)}"


def _plain(character: str) -> Pattern:
    written = "\\" + character if character in r"\.^$|?*+()[]{}" else _control(character)
    return Pattern(written, written, may_be_empty=False)


def _in_class(character: str) -> str:
    return "\\" + character if character in r"\^-[]&" else _control(character)


def _control(character: str) -> str:
    return {"\t": r"\t", "\n": r"\n", "\r": r"\r", "\f": r"\f"}.get(character, character)
