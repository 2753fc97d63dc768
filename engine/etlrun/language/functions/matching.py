"""Functions of text and a pattern. The pattern is a literal in the subset of `language.patterns`."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import BOOLEAN, INT, STRING, array
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Template, Types, Verify
from etlrun.language.patterns import Pattern, PatternError, read_pattern, read_replacement
from etlrun.language.templates import duckdb, spark, text_of, whole_of


def pattern_of(arguments: Arguments) -> Pattern:
    return read_pattern(text_of(arguments[1]) or "")


def complain_of_pattern(node: exp.Expr, *, empty: bool) -> tuple[str, str] | None:
    """Report what is wrong with a pattern, and the fix; without `empty` it must not match empty text."""
    text = text_of(node)
    if text is None:
        return "a pattern must be a literal text", ""
    try:
        found = read_pattern(text)
    except PatternError as error:
        return f"{error}, at character {error.at + 1} of the pattern", error.fix
    if found.may_be_empty and not empty:
        return "the pattern can match empty text, which the engines count differently", "write `+` instead of `*`"
    return None


def _verify(*, empty: bool) -> Verify:
    def verify(arguments: Arguments, types: Types) -> ArgumentProblem | None:
        found = complain_of_pattern(arguments[1], empty=empty)
        return ArgumentProblem(1, *found) if found else None

    return verify


def _group(arguments: Arguments) -> int:
    return 1 if len(arguments) < 3 else whole_of(arguments[2]) or 0


def _verify_group(*, empty: bool) -> Verify:
    def verify(arguments: Arguments, types: Types) -> ArgumentProblem | None:
        found = _verify(empty=empty)(arguments, types)
        if found is None and not 0 <= _group(arguments) <= pattern_of(arguments).groups:
            return ArgumentProblem(
                len(arguments) - 1, f"the pattern has no group {_group(arguments)}", "0 is the whole match"
            )
        return found

    return verify


def _verify_replacement(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    found = _verify(empty=False)(arguments, types)
    if found is not None:
        return found
    groups = pattern_of(arguments).groups
    if groups > 9:
        return ArgumentProblem(
            1, "a pattern of more than 9 groups cannot be replaced", "write `(?:...)` for groups that are not used"
        )
    try:
        read_replacement(text_of(arguments[2]) or "", groups)
    except PatternError as error:
        return ArgumentProblem(2, str(error), error.fix)
    return None


def _replacement(arguments: Arguments) -> tuple[str, str]:
    return read_replacement(text_of(arguments[2]) or "", pattern_of(arguments).groups)


def _in_spark(template: str) -> Template:
    """A template of text, pattern, group and replacement, in Java's spelling."""

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        replacement = _replacement(arguments)[0] if "_4" in template else ""
        return spark(template, arguments[0], pattern_of(arguments).java, _group(arguments), replacement)

    return build


def _in_duckdb(template: str) -> Template:
    """A template of text, pattern, group and replacement, in RE2's spelling."""

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        replacement = _replacement(arguments)[1] if "_4" in template else ""
        return duckdb(template, arguments[0], pattern_of(arguments).re2, _group(arguments), replacement)

    return build


MATCHING = (
    Function(
        "rlike",
        ("string", "=string"),
        BOOLEAN,
        "whether the pattern occurs in the text",
        spark=_in_spark("rlike(_1, _2)"),
        duckdb=_in_duckdb("regexp_matches(_1, _2)"),
        verify=_verify(empty=True),
        aliases=("regexp_like", "regexp"),
    ),
    Function(
        "regexp_extract",
        ("string", "=string", "=integer?"),
        STRING,
        "the text of a group (default: the first; 0 is the whole match) in the first match; empty if there is no match",
        spark=_in_spark("regexp_extract(_1, _2, _3)"),
        duckdb=_in_duckdb("regexp_extract(_1, _2, _3)"),
        verify=_verify_group(empty=True),
    ),
    Function(
        "regexp_extract_all",
        ("string", "=string", "=integer?"),
        array(STRING),
        "the text of a group of every match",
        spark=_in_spark("regexp_extract_all(_1, _2, _3)"),
        duckdb=_in_duckdb("regexp_extract_all(_1, _2, _3)"),
        verify=_verify_group(empty=False),
    ),
    Function(
        "regexp_count",
        ("string", "=string"),
        INT,
        "the number of matches",
        spark=_in_spark("regexp_count(_1, _2)"),
        duckdb=_in_duckdb("len(regexp_extract_all(_1, _2))"),
        verify=_verify(empty=False),
        recast=True,
    ),
    Function(
        "regexp_replace",
        ("string", "=string", "=string"),
        STRING,
        "the text with every match replaced; `$1` is the text of the first group",
        spark=_in_spark("regexp_replace(_1, _2, _4)"),
        duckdb=_in_duckdb("regexp_replace(_1, _2, _4, 'g')"),
        verify=_verify_replacement,
    ),
    Function(
        "split",
        ("string", "=string"),
        array(STRING),
        "the parts between the matches of the pattern, including empty ones",
        spark=_in_spark("split(_1, _2)"),
        duckdb=_in_duckdb("regexp_split_to_array(_1, _2)"),
        verify=_verify(empty=False),
    ),
)
