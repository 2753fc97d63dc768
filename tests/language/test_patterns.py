"""Regular expressions and replacements: what is read alike, how each engine writes it, and what is refused where."""

from __future__ import annotations

import pytest

from etlrun.language.patterns import PatternError, read_pattern, read_replacement

LINE_ENDS = r"\n\r\x{85}\x{2028}\x{2029}"


@pytest.mark.parametrize(
    ("text", "java", "re2"),
    [
        ("abc", "abc", "abc"),
        ("a.c", "a.c", f"a[^{LINE_ENDS}]c"),
        ("^a$", r"^a\z", r"^a\z"),
        (r"\d+", "[0-9]+", "[0-9]+"),
        (r"\S\W", r"[^\t\n\x0B\f\r ][^A-Za-z0-9_]", r"[^\t\n\x0B\f\r ][^A-Za-z0-9_]"),
        (r"[\d\-x]{2,3}?", r"[0-9\-x]{2,3}?", r"[0-9\-x]{2,3}?"),
        ("[^a-z]", "[^a-z]", "[^a-z]"),
        ("(a|b)+(?:c)", "(a|b)+(?:c)", "(a|b)+(?:c)"),
        (r"\p{Lu}\P{L}", r"\p{Lu}\P{L}", r"\p{Lu}\P{L}"),
        (r"\.\(\$", r"\.\(\$", r"\.\(\$"),
        ("]}", r"\]\}", r"\]\}"),
        ("tiếng|🍥", "tiếng|🍥", "tiếng|🍥"),
        ("a\nb", r"a\nb", r"a\nb"),
        ("", "", ""),
        ("[a-]", r"[a\-]", r"[a\-]"),
    ],
)
def test_each_engine_gets_its_spelling(text: str, java: str, re2: str) -> None:
    found = read_pattern(text)
    assert (found.java, found.re2) == (java, re2)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("a(?=b)", 1),
        ("(?i)a", 0),
        ("(?<name>a)", 0),
        ("(?<!a)b", 0),
        (r"a\b", 1),
        (r"(a)\1", 3),
        (r"\Qa\E", 0),
        ("a++", 2),
        ("a**", 2),
        ("*a", 0),
        ("a{1001}", 0),
        ("a{2,1}", 0),
        ("b(a{100}|c){11}", 1),
        ("(a*)*", 0),
        ("(a", 2),
        ("a)", 1),
        ("[a", 0),
        ("[]", 0),
        ("[a[b]]", 0),
        ("[a&&b]", 0),
        ("[z-a]", 1),
        (r"\x41", 0),
        (r"\p{IsLatin}", 0),
        ("a\\", 1),
        ("^*", 0),
        ("{", 0),
        ("(" * 21 + ")" * 21, 21),
    ],
)
def test_what_engines_read_differently_is_refused_at_its_place(text: str, at: int) -> None:
    with pytest.raises(PatternError) as caught:
        read_pattern(text)
    assert caught.value.at == at


@pytest.mark.parametrize(
    ("text", "may_be_empty"),
    [
        ("a*", True),
        ("a|", True),
        ("(a?)(b{0,2})", True),
        ("^$", True),
        ("a+", False),
        ("(a|b)c*", False),
        ("a{1,}", False),
        ("a?b", False),
    ],
)
def test_it_knows_whether_a_pattern_can_match_nothing(text: str, may_be_empty: bool) -> None:
    assert read_pattern(text).may_be_empty is may_be_empty


@pytest.mark.parametrize(
    ("text", "java", "re2"),
    [
        ("x", "x", "x"),
        ("$1-$0", "$1-$0", r"\1-\0"),
        (r"\$5", r"\$5", "$5"),
        (r"\\", r"\\", r"\\"),
        ("", "", ""),
        ("$12", "$12", r"\12"),
    ],
)
def test_a_replacement_names_groups(text: str, java: str, re2: str) -> None:
    assert read_replacement(text, groups=1) == (java, re2)


@pytest.mark.parametrize("text", ["$2", "$", "cost $x", "a\\"])
def test_a_replacement_without_such_a_group_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        read_replacement(text, groups=1)
