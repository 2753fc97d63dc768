"""Functions that choose among values."""

from __future__ import annotations

from etlrun.language.columns import BOOLEAN, Type
from etlrun.language.functions.function import Function, Types, first, ordered, same


def _same_but_first(types: Types) -> Type:
    return same(types[1:])


CONDITIONALS = (
    Function("coalesce", ("same", "same*"), same, "the first argument that is not null"),
    Function(
        "ifnull",
        ("same", "same"),
        same,
        "the first argument, or the second if the first is null",
        spark="coalesce(_1, _2)",
        duckdb="coalesce(_1, _2)",
        aliases=("nvl",),
    ),
    Function(
        "nvl2",
        ("any", "same", "same"),
        _same_but_first,
        "the second argument if the first is not null, otherwise the third",
        duckdb="case when _1 is not null then _2 else _3 end",
        decides=(0,),
    ),
    Function(
        "if",
        ("boolean", "same", "same"),
        _same_but_first,
        "the second argument if the first is true, otherwise the third",
        duckdb="case when _1 then _2 else _3 end",
        decides=(0,),
        aliases=("iff",),
    ),
    Function(
        "nullif",
        ("same", "same"),
        first,
        "null if both are equal, otherwise the first argument",
        recast=True,
        decides=(1,),
        verify=ordered,
    ),
    Function(
        "greatest",
        ("same", "same", "same*"),
        same,
        "the largest argument; nulls are ignored",
        picks=True,
        verify=ordered,
    ),
    Function(
        "least", ("same", "same", "same*"), same, "the smallest argument; nulls are ignored", picks=True, verify=ordered
    ),
    Function("isnull", ("any",), BOOLEAN, "whether the argument is null", spark="_1 is null", duckdb="_1 is null"),
    Function(
        "isnotnull",
        ("any",),
        BOOLEAN,
        "whether the argument is not null",
        spark="_1 is not null",
        duckdb="_1 is not null",
    ),
    Function(
        "isnan",
        ("double",),
        BOOLEAN,
        "whether the argument is not a number; false for null",
        duckdb="coalesce(isnan(_1), false)",
    ),
)
