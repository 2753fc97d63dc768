"""Writes measures as aggregates in ANSI SQL, which a person can run to check a number.

The text runs on DuckDB and PostgreSQL, and on MySQL in the mode ANSI. Numbers become floating-point before they are divided.
"""

from __future__ import annotations

from collections.abc import Mapping

from etlrun.dashboards.measures import Average, Count, Distinct, Formula, Ratio, ShareOfRows, SumMeasure, quoted


def aggregate_sql(name: str, formulas: Mapping[str, Formula], texts: frozenset[str]) -> str:
    """The aggregate of a measure; empty for an `argmax`, which is a query. `texts` are text columns, compared without case and trailing blanks."""
    formula = formulas[name]
    if isinstance(formula, Count):
        return _divided("count(*)", formula.divisor)
    if isinstance(formula, Distinct):
        column = quoted(formula.column)
        return _divided(
            f"count(distinct {f'lower(rtrim({column}))' if formula.column in texts else column})", formula.divisor
        )
    if isinstance(formula, SumMeasure):
        known = " + ".join(f"count({quoted(column)})" for column in formula.columns)
        added = " + ".join(f"coalesce(sum({quoted(column)}), 0)" for column in formula.columns)
        return f"case when {known} > 0 then {_divided(f'({added})', formula.divisor)} end"
    if isinstance(formula, Average):
        return _divided(f"avg(1e0 * {quoted(formula.column)})", formula.divisor)
    if isinstance(formula, Ratio):
        above, below = (aggregate_sql(part, formulas, texts) for part in (formula.above, formula.below))
        return _divided(f"1e0 * ({above}) / nullif({below}, 0)", formula.divisor)
    if isinstance(formula, ShareOfRows):
        condition = formula.condition.ansi_sql
        whole = f"count(case when ({condition}) is not null then 1 end)" if formula.of_known else "count(*)"
        return f"1e0 * count(case when {condition} then 1 end) / nullif({whole}, 0)"
    return ""


def _divided(sql: str, divisor: float) -> str:
    return sql if divisor == 1 else f"1e0 * {sql} / {divisor!r}"
