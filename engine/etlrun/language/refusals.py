"""SQL that users often write but the grammar refuses: the message for each, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Refusal:
    """The message of a refusal: `{sql}` is replaced by the refused SQL; the caret is under `words` of the clause.

    A refusal that `comes_first` has priority over the one that NODES has for the value.
    """

    message: str
    fix: str = ""
    words: str = ""
    code: str = "expression-not-allowed"
    comes_first: bool = False


_NO_PART = "`{sql}` is not part of the expression language"
_SUBQUERY = Refusal(
    "a subquery is not allowed in an expression", "use a `join` step with `how: semi` or `how: anti`, or a `sql` step"
)
_IN_QUERY = Refusal(
    "`in` takes a list of values", "use a `join` step for a relation, and `array_contains(a, x)` for an array"
)
_STAR = "name the columns, or leave some out with a `drop` step"

NODES: dict[type, Refusal] = {
    exp.Query: _SUBQUERY,
    exp.Exists: _SUBQUERY,
    exp.SubqueryPredicate: Refusal(
        "`any` and `all` are not supported", "compare with `(select max(...) ...)` or `(select min(...) ...)`"
    ),
    exp.Alias: Refusal("`as` is not allowed here: the key names the column", code="syntax"),
    exp.Concat: Refusal(
        "two texts have no operator between them", "a quote inside a text is written \\'", code="syntax"
    ),
    exp.Star: Refusal("`*` is allowed only in count(*), and alone in the list of a SELECT", _STAR),
    exp.ILike: Refusal("`ilike` is not part of the expression language", "use lower(x) like '...'"),
    exp.Interval: Refusal(
        "an interval is added to a date or timestamp, or taken from one",
        "write `day + interval 3 months`, or `a - b > interval 3 days`; a length of time is a number: timestampdiff('hour', b, a)",
    ),
    exp.Dot: Refusal(_NO_PART, "a field is read from a column: a.b"),
    exp.Fetch: Refusal("FETCH is not supported", "write LIMIT and a number", words="fetch"),
    exp.RespectNulls: Refusal("RESPECT NULLS is not supported", "leave it out: nulls count", words="respect"),
    exp.Var: Refusal("`{sql}` is not allowed here", "name the columns"),
    exp.Values: Refusal("VALUES is not supported", "put the rows into a file and declare it as a source"),
    exp.Lateral: Refusal("LATERAL is not supported", "use an `explode` step"),
    exp.Unnest: Refusal("UNNEST is not supported", "use an `explode` step"),
    exp.Tuple: Refusal(
        _NO_PART,
        "compare one value at a time: `a = 1 and b = 2`, with a subquery `exists (select 1 from t where t.a = s.a and t.b = s.b)`; "
        "a list of values is `array(a, b)`",
    ),
    exp.Array: Refusal(_NO_PART, "write `array(a, b)`, or the name of a column without brackets"),
    exp.Order: Refusal(
        "an argument has no ORDER BY",
        "to join texts, write `array_join(sort_array(collect_list(x)), ',')`, which sorts them",
    ),
    exp.Lambda: Refusal(_NO_PART, "use an `explode` step, and collect the elements again with an `aggregate` step"),
    exp.Slice: Refusal(_NO_PART, "use an `explode` step with `position`, and filter it"),
    exp.Placeholder: Refusal(_NO_PART, "declare a param and write `$name`"),
    exp.HexString: Refusal(_NO_PART, "write the number with decimal digits, or the text in quotes"),
    exp.National: Refusal(_NO_PART, "leave the N out: all texts are Unicode"),
    exp.SimilarTo: Refusal(_NO_PART, "use `rlike` and a regular expression"),
    exp.Glob: Refusal(_NO_PART, "use `like`, where `%` stands for any text and `_` for one character"),
    exp.Escape: Refusal(_NO_PART, "leave ESCAPE out, and write `\\\\%` for the character `%`"),
    exp.Collate: Refusal("COLLATE is not supported", "compare `lower(x)` to ignore case"),
    exp.BitwiseLeftShift: Refusal(_NO_PART, "use `shiftleft(x, n)`"),
    exp.BitwiseRightShift: Refusal(_NO_PART, "use `shiftright(x, n)`"),
    exp.AtTimeZone: Refusal(_NO_PART, "times have no zone here: add the hours with `timestampadd` in a `derive` step"),
    exp.WithinGroup: Refusal(
        "WITHIN GROUP is not supported",
        "use `median(x)` or `percentile(x, 0.9)`; to join texts, `array_join(sort_array(collect_list(x)), ',')`",
    ),
    exp.Expr: Refusal(_NO_PART),
}
"""By type of node; the first of a node's types that has an entry is put."""

ARGUMENTS: dict[tuple[type, str], Refusal] = {
    (exp.Star, "replace"): Refusal("`* replace` is not supported", "name the columns, or use a `derive` step"),
    (exp.Star, "rename"): Refusal("`* rename` is not supported", "name the columns, or use a `rename` step"),
    (exp.Dot, "expression"): Refusal(_NO_PART, "write the name alone"),
    (exp.Interval, "this"): Refusal("an interval has a literal number", "use `date_add(day, n)` or `timestampadd`"),
    (exp.Interval, "unit"): Refusal("an interval has one unit", "write `interval 3 months`"),
    (exp.Extract, "this"): Refusal("`extract` takes one part of a date", "write `extract(year from day)`"),
    (exp.In, "unnest"): _IN_QUERY,
    (exp.In, "field"): _IN_QUERY,
    (exp.Is, "expression"): Refusal("`is` takes null, true or false", "use `<=>` to compare values"),
    (exp.Between, "symmetric"): Refusal(
        "SYMMETRIC is not supported", "write the lesser bound first", words="symmetric"
    ),
    (exp.Anonymous, "this"): Refusal("write the name of a function without quotes"),
    (exp.Window, "alias"): Refusal(
        "a named window is defined once, in the WINDOW clause of this SELECT, and its use repeats no part of it",
        "write the window inside `over (...)`",
    ),
    (exp.WindowSpec, "kind"): Refusal("a frame must be `rows` or `range`", "use `rows`"),
    (exp.WindowSpec, "exclude"): Refusal("EXCLUDE is not supported", "leave it out", words="exclude"),
    (exp.WindowSpec, "start"): Refusal(
        "a frame needs literal numbers of rows, `unbounded` or `current row`",
        "write it as `rows between 2 preceding and current row`",
        comes_first=True,
    ),
    (exp.WindowSpec, "end"): Refusal(
        "a frame needs literal numbers of rows, `unbounded` or `current row`",
        "write it as `rows between 2 preceding and current row`",
        comes_first=True,
    ),
    (exp.Limit, "expression"): Refusal(
        "LIMIT takes a literal number of rows", "write LIMIT 10", "limit", comes_first=True
    ),
    (exp.Limit, "limit_options"): Refusal("LIMIT takes a number of rows, not a share", "write LIMIT 10", "percent"),
    (exp.Limit, "offset"): Refusal(
        "OFFSET is not supported", "number the rows with row_number() and filter", words="limit"
    ),
    (exp.Limit, "expressions"): Refusal("LIMIT BY is not supported", "use a `top` step", words="limit"),
    (exp.Select, "offset"): Refusal(
        "OFFSET is not supported", "number the rows with row_number() and filter", "offset"
    ),
    (exp.Select, "laterals"): Refusal("LATERAL VIEW is not supported", "use an `explode` step", "lateral"),
    (exp.Select, "pivots"): Refusal(
        "PIVOT and UNPIVOT are not supported", "use `pivot` of an `aggregate` step, or an `unpivot` step", "pivot"
    ),
    (exp.Select, "cluster"): Refusal("CLUSTER BY is not supported", "leave it out", "cluster by"),
    (exp.Select, "distribute"): Refusal("DISTRIBUTE BY is not supported", "leave it out", "distribute by"),
    (exp.Select, "sort"): Refusal("SORT BY is not supported", "use ORDER BY", "sort by"),
    (exp.Select, "hint"): Refusal("a hint is not supported", "leave it out"),
    (exp.Select, "into"): Refusal("INTO is not supported", "publish the relation with a sink", "into"),
    (exp.Select, "locks"): Refusal("FOR UPDATE is not supported", "leave it out", "for"),
    (exp.Select, "windows"): Refusal(
        "a window of this clause cannot be used as it is", "write the window inside `over (...)`", "window"
    ),
    (exp.Select, "kind"): Refusal("SELECT AS is not supported", "name the columns"),
    (exp.Select, "operation_modifiers"): Refusal("this word after SELECT is not supported", "leave it out"),
    (exp.Distinct, "on"): Refusal("DISTINCT ON is not supported", "use a `dedupe` step", "distinct"),
    (exp.Group, "rollup"): Refusal("WITH ROLLUP is not supported", "write `group by rollup(a, b)`", "rollup"),
    (exp.Group, "cube"): Refusal("WITH CUBE is not supported", "write `group by cube(a, b)`", "cube"),
    (exp.Group, "grouping_sets"): Refusal(
        "GROUPING SETS is not supported here", "write `group by grouping sets ((a, b), (a), ())`", "grouping sets"
    ),
    (exp.Ordered, "with_fill"): Refusal("WITH FILL is not supported", "join a calendar of the days", "with fill"),
    (exp.With, "recursive"): Refusal(
        "a recursive WITH is not supported", "write each level as a part of its own", "recursive"
    ),
    (exp.CTE, "materialized"): Refusal("MATERIALIZED is not supported", "leave it out", "materialized"),
    (exp.Table, "this"): Refusal("only relations of this pipeline can be read", "declare it as a source"),
    (exp.Table, "db"): Refusal("`{sql}` is not a relation of this pipeline", "declare it as a source"),
    (exp.Table, "catalog"): Refusal("`{sql}` is not a relation of this pipeline", "declare it as a source"),
    (exp.From, "this"): Refusal("only relations of this pipeline can be read", "declare it as a source"),
    (exp.Join, "this"): Refusal("only relations of this pipeline can be read", "declare it as a source"),
    (exp.Join, "method"): Refusal("NATURAL and ASOF joins are not supported", "name the columns with USING or ON"),
    (exp.Expr, "sample"): Refusal("TABLESAMPLE is not supported in a `sql` step", "use a `filter` step", "tablesample"),
    (exp.Expr, "by_name"): Refusal(
        "BY NAME is not supported", "write the columns in one order on both sides", "by name"
    ),
    (exp.Expr, "pivots"): Refusal(
        "PIVOT and UNPIVOT are not supported", "use `pivot` of an `aggregate` step, or an `unpivot` step", "pivot"
    ),
    (exp.Subquery, "order"): Refusal("ORDER BY after `)` is not supported", "move it into the brackets", "order by"),
    (exp.Subquery, "limit"): Refusal("LIMIT after `)` is not supported", "move it into the brackets", "limit"),
    (exp.Subquery, "with_"): Refusal("WITH before `(` is not supported", "move it into the brackets", "with"),
}
"""By type of node and argument, where the argument is set or holds what has no place there."""
