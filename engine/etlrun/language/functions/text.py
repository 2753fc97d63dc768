"""Functions of text. Text is compared and measured by code points; positions count from 1."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import BOOLEAN, INT, STRING
from etlrun.language.expressions import LONG_CHAIN, balanced
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Template, Types
from etlrun.language.functions.places import LONGEST_TEXT, as_int, in_ints, short_count, short_length
from etlrun.language.templates import Engine, duckdb, fill, spark, text_of, whole_of

# Letters whose upper case is more than one letter: Unicode's SpecialCasing, which never changes. DuckDB maps one to one.
_HOMES = (range(0x80, 0x600), range(0x1E00, 0x2000), range(0xFB00, 0xFB20))  # the only blocks that contain any
_GROWING = {letter: letter.upper() for block in _HOMES for code in block if len((letter := chr(code)).upper()) > 1}
_GROWING_CLASS = "[" + "".join(_GROWING) + "]"
_KEYS = ", ".join(f"'{letter}'" for letter in _GROWING)
_VALUES = ", ".join(f"'{grown}'" for grown in _GROWING.values())
_UPPER = (
    f"case when regexp_matches(_1, '{_GROWING_CLASS}') then array_to_string(list_transform(string_split(_1, ''), "
    f"lambda letter_: coalesce(map([{_KEYS}], [{_VALUES}])[letter_], upper(letter_))), '') else upper(_1) end"
)
# A capital sigma that ends a word becomes the final form; a capital I with a dot keeps its dot.
_LOWER = (
    r"lower(case when regexp_matches(_1, '[İΣ]') then regexp_replace(replace(_1, 'İ', 'i̇'), "
    r"'(\p{L}\p{M}*)Σ(\P{L}|\z)', '\1ς\2', 'g') else _1 end)"
)


_FARTHEST = -(2**31) + 1  # before the end


def _not_negative(arguments: Arguments, types: Types, position: int) -> exp.Expr:
    """A length: 0 if it is negative, and null if it is null."""
    value = whole_of(arguments[position])
    if value is not None and 0 <= value <= -_FARTHEST:
        return arguments[position].copy()
    return duckdb("case when _1 < 0 then 0 else _1 end", as_int(arguments[position], types[position], "duckdb"))


def _duckdb_substring(arguments: Arguments, types: Types) -> exp.Expr:
    start = whole_of(arguments[1])
    place = as_int(arguments[1], types[1], "duckdb")
    begin = place if start else duckdb("case when _1 = 0 then 1 else _1 end", place)
    if len(arguments) == 2:
        return duckdb("substring(_1, _2)", arguments[0], begin)
    return duckdb("substring(_1, _2, _3)", arguments[0], begin, _not_negative(arguments, types, 2))


def _spark_substring(arguments: Arguments, types: Types) -> exp.Expr:
    """Without a length Spark takes 2^31 - 1 characters, which is one too few from the position that is as far before the end."""
    place = whole_of(arguments[1])
    is_near = place is not None and place >= _FARTHEST
    if len(arguments) == 3 or is_near or types[1] != INT:
        return in_ints("substring")(arguments, types)
    return spark(f"substring(_1, case when _2 < {_FARTHEST} then {_FARTHEST} else _2 end)", *arguments)


def _duckdb_left(arguments: Arguments, types: Types) -> exp.Expr:
    return duckdb("left(_1, _2)", arguments[0], _not_negative(arguments, types, 1))


def _duckdb_right(arguments: Arguments, types: Types) -> exp.Expr:
    return duckdb("right(_1, _2)", arguments[0], _not_negative(arguments, types, 1))


def _duckdb_concat(arguments: Arguments, types: Types) -> exp.Expr:
    if len(arguments) > LONG_CHAIN:
        return exp.paren(balanced(exp.DPipe, [exp.paren(argument) for argument in arguments]), copy=False)
    joined = arguments[0].copy()
    for argument in arguments[1:]:
        joined = duckdb("_1 || _2", joined, argument)
    return exp.paren(joined, copy=False) if len(arguments) > 1 else joined


def _pad(name: str, engine: Engine) -> Template:
    def pad(arguments: Arguments, types: Types) -> exp.Expr:
        filler = arguments[2] if len(arguments) > 2 else " "
        length = short_length(arguments[1], types[1], engine)
        if engine == "duckdb" and (whole_of(length) or -1) < 0:
            length = duckdb("case when _1 < 0 then 0 else _1 end", length)
        return fill(f"{name}(_1, _2, _3)", engine, (arguments[0], length, filler))

    return pad


def _repeat(engine: Engine) -> Template:
    def repeat(arguments: Arguments, types: Types) -> exp.Expr:
        count = short_count(arguments[0], arguments[1], types[1], engine)
        return fill("repeat(_1, _2)", engine, (arguments[0], count))

    return repeat


def _short(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if (whole_of(arguments[1]) or 0) > LONGEST_TEXT:
        return ArgumentProblem(1, f"a text of more than {LONGEST_TEXT} characters is not made")
    return _some_filler(arguments, types)


def _some_filler(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    return (
        ArgumentProblem(2, "the text to pad with is empty")
        if len(arguments) > 2 and text_of(arguments[2]) == ""
        else None
    )


def _some_separator(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if text_of(arguments[1]) == "":
        return ArgumentProblem(1, "the separator is empty")
    return ArgumentProblem(2, "parts count from 1, or from -1 at the end") if whole_of(arguments[2]) == 0 else None


def _known_width(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    return (
        None
        if whole_of(arguments[1]) == 256
        else ArgumentProblem(1, "only 256 bits are the same on every engine", "write 256")
    )


TEXT = (
    Function("trim", ("string",), STRING, "the text without spaces at both ends", duckdb="trim(_1, ' ')"),
    Function("ltrim", ("string",), STRING, "the text without spaces at the beginning", duckdb="ltrim(_1, ' ')"),
    Function("rtrim", ("string",), STRING, "the text without spaces at the end", duckdb="rtrim(_1, ' ')"),
    Function(
        "btrim",
        ("string", "=string"),
        STRING,
        "the text without the given characters at both ends",
        duckdb="trim(_1, _2)",
    ),
    Function("lower", ("string",), STRING, "the text in lower case", duckdb=_LOWER, aliases=("lcase",)),
    Function("upper", ("string",), STRING, "the text in upper case", duckdb=_UPPER, aliases=("ucase",)),
    Function(
        "length",
        ("string",),
        INT,
        "the number of code points",
        duckdb="length(_1)",
        recast=True,
        aliases=("len", "char_length", "character_length"),
    ),
    Function(
        "octet_length", ("string",), INT, "the number of bytes in UTF-8", duckdb="octet_length(encode(_1))", recast=True
    ),
    Function(
        "substring",
        ("string", "integer", "integer?"),
        STRING,
        "n characters, starting at a position (from the end if negative)",
        spark=_spark_substring,
        duckdb=_duckdb_substring,
        aliases=("substr", "mid"),
    ),
    Function(
        "left", ("string", "integer"), STRING, "the first n characters", spark=in_ints("left"), duckdb=_duckdb_left
    ),
    Function(
        "right", ("string", "integer"), STRING, "the last n characters", spark=in_ints("right"), duckdb=_duckdb_right
    ),
    Function(
        "replace",
        ("string", "string", "string"),
        STRING,
        "the text with every occurrence of the second text replaced by the third",
    ),
    Function(
        "translate",
        ("string", "string", "string"),
        STRING,
        "the text with each character of the second text replaced by the character at the same position in the third",
    ),
    Function(
        "concat",
        ("string", "string*"),
        STRING,
        "the texts joined; null if any is null",
        duckdb=_duckdb_concat,
    ),
    Function(
        "concat_ws",
        ("string", "string", "string*"),
        STRING,
        "the other texts joined with the first one between them; nulls are ignored",
    ),
    Function(
        "split_part",
        ("string", "=string", "=integer"),
        STRING,
        "the n-th part between separators; from the end if n is negative",
        verify=_some_separator,
    ),
    Function("instr", ("string", "string"), INT, "the position of the second text in the first, or 0", recast=True),
    Function(
        "locate",
        ("string", "string"),
        INT,
        "the position of the first text in the second, or 0",
        duckdb="instr(_2, _1)",
        recast=True,
        aliases=("position",),
    ),
    Function(
        "lpad",
        ("string", "integer", "=string?"),
        STRING,
        "the text filled at the beginning, or cut, to n characters (at most 1,000,000)",
        spark=_pad("lpad", "spark"),
        duckdb=_pad("lpad", "duckdb"),
        verify=_short,
    ),
    Function(
        "rpad",
        ("string", "integer", "=string?"),
        STRING,
        "the text filled at the end, or cut, to n characters (at most 1,000,000)",
        spark=_pad("rpad", "spark"),
        duckdb=_pad("rpad", "duckdb"),
        verify=_short,
    ),
    Function(
        "repeat",
        ("string", "integer"),
        STRING,
        "the text repeated n times (at most 1,000,000 characters)",
        spark=_repeat("spark"),
        duckdb=_repeat("duckdb"),
        verify=_short,
    ),
    Function(
        "reverse",
        ("string",),
        STRING,
        "the characters in reverse order",
        duckdb="array_to_string(list_reverse(string_split(_1, '')), '')",
    ),
    Function(
        "startswith",
        ("string", "string"),
        BOOLEAN,
        "whether the text begins with the second one",
        duckdb="starts_with(_1, _2)",
    ),
    Function(
        "endswith",
        ("string", "string"),
        BOOLEAN,
        "whether the text ends with the second one",
        duckdb="ends_with(_1, _2)",
    ),
    Function("contains", ("string", "string"), BOOLEAN, "whether the second text occurs in the first"),
    Function("ascii", ("string",), INT, "the code point of the first character; 0 for empty text", recast=True),
    Function("md5", ("string",), STRING, "the MD5 of the text in UTF-8, in hexadecimal"),
    Function("sha1", ("string",), STRING, "the SHA-1 of the text in UTF-8, in hexadecimal", aliases=("sha",)),
    Function(
        "sha2",
        ("string", "=integer"),
        STRING,
        "the SHA-256 of the text in UTF-8, in hexadecimal",
        duckdb="sha256(_1)",
        verify=_known_width,
    ),
)
