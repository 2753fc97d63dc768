"""Personal keys: those that look like an e-mail address or a phone number, however they are written.

A text is checked in a simplified form, which is never sent or stored: digits of every script and style become 0 to 9, and invisible
characters are removed.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Most keys need only one match: letters and signs, no digits of other styles, at most eight digits, neither `@` nor `(at)`.
_NUMERALS = "一七三九二五亖什仨伍兩八六十卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖肆貮貳贰陆陸零"
_PLAIN = (
    r"(?:[\x00-'\)-/:;=>?A-Z\\\]^_`a-z|}~\x7f\xc0-\u02af\u0300-\u036f\u0e01-\u0e4e\u1e00-\u1eff\u3041-\u30fe\uac00-\ud7a3]++"
    r"|[(\[{<](?![\x00-\x20\x7f\u0300-\u036f]*+[aA])"
    rf"|(?![{_NUMERALS}])[\u4e00-\u9fff])*+"
)
_ORDINARY = re.compile(rf"{_PLAIN}(?:[0-9]{_PLAIN}){{0,8}}+\Z")

_UNSEEN = frozenset({"Mn", "Me", "Cc", "Cf", "Cs", "Co", "Cn"})
_FILLERS = "\u115f\u1160\u2800"
_REPEATED = re.compile(r"([\W_])\1+")
_AT = re.compile(r"[(\[{<] ?at ?[)\]}>]", re.IGNORECASE)
_DOT = re.compile(r"[(\[{<] ?dot ?[)\]}>]", re.IGNORECASE)

# Linear in the text: no part of a pattern matches what follows it, and none passes the next `@`.
_NINE_DIGITS = re.compile(r"(?:[^0-9]*+[0-9]){9}")
_LONG_NUMBER = re.compile(r"[0-9](?:[\W_]{0,3}[0-9]){8}")
_E_MAIL = re.compile(r"[^ @]@[^ @]+\.[^ @]|[^ @] ?@ ?(?:[^ @.]++ ?\. ?)+[^\W\d_]{2}")


def is_personal(text: str) -> bool:
    """Whether a key looks like an e-mail address, a phone number or any number of nine digits or more.

    Up to three separators are allowed between two digits: `0912 - 345 - 678` is personal. `2022-04-01` and `2022 - 2026` have eight
    digits and are not.
    """
    if _ORDINARY.match(text):
        return False
    if _LONG_NUMBER.search(text):
        return True
    bare = _bare(text)
    if _NINE_DIGITS.match(bare) and _LONG_NUMBER.search(_REPEATED.sub(r"\1", bare)):
        return True
    return _has_e_mail(bare)


def is_e_mail(text: str) -> bool:
    """Whether a key looks like an e-mail address."""
    return _has_e_mail(_bare(text))


def _has_e_mail(bare: str) -> bool:
    address = _AT.sub("@", bare)
    return "@" in address and bool(_E_MAIL.search(_DOT.sub(".", address)))


def _bare(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(_bare_letter, text))
    return " ".join(text.split())


@lru_cache(1 << 15)
def _bare_letter(letter: str) -> str:
    number = float(
        unicodedata.numeric(letter, -1)
    )  # before the compatibility form, in which a Roman numeral is a letter
    if 0 <= number < 100 and number.is_integer():
        return str(int(number))
    return "".join(map(_bare_part, unicodedata.normalize("NFKC", letter)))


def _bare_part(letter: str) -> str:
    if letter == "。":
        return "."
    category = unicodedata.category(letter)
    if letter in _FILLERS or (category in _UNSEEN and not letter.isspace()):
        return ""
    return (
        "-" if category == "Lm" else letter
    )  # such as the long mark of katakana, which is used as a dash between digits
