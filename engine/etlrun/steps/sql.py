"""`sql` - one SELECT over relations of the pipeline, for what no other step can do.

The query is Spark SQL; its relations, columns, types and functions are checked like in every expression. It reads
sources and chains by name, and can be the first step of a chain. In a later step, `input` is the relation that the
steps before it made. Window functions, CTEs, UNION, subqueries and comma joins (`from a, b where ...`) are supported;
everything else in SQL is an error. LIMIT, `lag`, `row_number` and frames of rows need a total order: together with
PARTITION BY, the order must contain a key (declared by a source, or made by GROUP BY or an earlier step) or all
columns.

GROUP BY, HAVING and QUALIFY may use names that the SELECT gives, and GROUP BY and ORDER BY its positions: `group by 1,
2`. `group by all` groups by everything in the SELECT that has no aggregate. `qualify` filters by window functions:
`qualify row_number() over (partition by user order by day desc, id) = 1` keeps the last row of each user. `select *
except (a, b)` leaves columns out. Windows can be named: `sum(x) over w` with `window w as (partition by user)`.

`group by rollup(a, b)`, `cube(a, b)` and `grouping sets ((a, b), ())` give the rows of several groupings; they also
take expressions, such as `rollup(year(day))`. `grouping(a)` is 1 for rows of a grouping without `a`, where the null in
`a` means "all". Each grouping reads the rows again. The empty grouping `()` gives one row, even if there are no input
rows.

`x in (select ...)` and `exists (select ...)` are allowed in WHERE and HAVING. `(select ...)` can be used as a value if
it gives at most one row: an aggregate without GROUP BY, or LIMIT 1. It is null if it gives no row. The WHERE of a
subquery may use columns of the outer query; a subquery that is used as a value may compare them only with `=`.
`x not in (select ...)` is true for no row if the subquery contains a null.

```yaml
steps:
  loyal:
    - from: visits
    - filter: seconds > 0
    - sql: |
        select i.user, p.city, count(*) as visits
        from input as i
        join people as p on p.user = i.user
        group by i.user, p.city
```

```rows
visits: {user: string, seconds: bigint}
| user | seconds |
| u1   | 5       |
| u1   | 7       |
| u1   | 0       |
| u2   | 1       |
people: {user: string, city: string}
| user | city |
| u1   | Hue  |
->
| user | city | visits |
| u1   | Hue  | 2      |
```
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.relation import Input
from etlrun.contracts.step import Step
from etlrun.language.columns import Columns
from etlrun.language.expressions import ExpressionError, Problem, bind, column, parse_select, word
from etlrun.language.grouping_sets import expand_grouping_sets
from etlrun.language.queries import check_query, tables_in
from etlrun.language.spans import mark_spans
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import NAME, At, Scope

INPUT = "input"


@dataclass(frozen=True)
class Sql(Step):
    """One SELECT over relations of the pipeline, for what no other step can do."""

    short: ClassVar[str] = "query"
    place_in_chain: ClassVar[Literal["first", "later", "anywhere"]] = "anywhere"

    query: Expr = key("the SELECT; `input` is the result of the steps before it")

    def reads(self) -> Iterable[tuple[str, At]]:
        try:
            query = parse_select(self.query)
        except ExpressionError:
            return ()  # `output` reports it
        names = dict.fromkeys(name for name, _ in tables_in(query) if name.lower() != INPUT)
        return [(name, "query") for name in names]

    def output(self, columns: Columns, scope: Scope) -> Columns:
        relations = {name: found for name, found in scope.relations.items() if name.lower() != INPUT}
        if len(columns):
            relations[INPUT] = columns
        try:
            query = self._parsed(scope)
            self._check_names(query, relations, has_rows=bool(len(columns)))
            _, result = check_query(query, relations, self.query)
        except ExpressionError as error:
            scope.report(error, "query")
            return Columns(())
        seen = Columns(())
        for item in result:
            scope.new_column(seen, item.name, "query")
            seen = seen.with_column(item)
        return result

    def _parsed(self, scope: Scope) -> exp.Query:
        bound = bind(parse_select(self.query), scope.params, self.query)
        assert isinstance(bound, exp.Query)
        query = expand_grouping_sets(bound, self.query)
        mark_spans(query, scope.place("query"), self.query)
        return query

    def _check_names(self, query: exp.Query, relations: Iterable[str], *, has_rows: bool) -> None:
        """Raises ExpressionError if a name in the query is ambiguous, or if the first step of a chain uses `input`."""
        taken = {name.lower() for name in (*relations, INPUT)}
        problems = []
        for cte in query.find_all(exp.CTE):
            if cte.alias.lower() in taken or not NAME.match(cte.alias):
                detail = (
                    f"a relation `{cte.alias}` already exists"
                    if cte.alias.lower() in taken
                    else f"`{cte.alias}` cannot be a name"
                )
                problems.append(
                    Problem("duplicate-name", detail, *word(cte.args["alias"], self.query), "rename the WITH part")
                )
        for name, table in tables_in(query):
            if name.lower() == INPUT and not has_rows:
                message = "`input` is the result of the steps before, but this is the first step"
                problems.append(
                    Problem("unknown-relation", message, *word(table, self.query), "name a source or step chain")
                )
        if problems:
            raise ExpressionError(tuple(problems))

    def lower(self, relation: Input) -> exp.Query:
        query = self._parsed(relation.scope)
        for name, table in tables_in(query):
            if name.lower() == INPUT:
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
                table.set("this", exp.to_identifier(relation.name, quoted=True))
        if not (query.args.get("with_") or query.args.get("with")):
            return query
        # The statement this becomes a part of has a WITH of its own, and one SELECT has no two.
        columns = self.output(relation.columns, relation.scope)
        return exp.select(*(column(item.name) for item in columns)).from_(query.subquery("query", copy=False))
