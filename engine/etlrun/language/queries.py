"""Check and type a whole SELECT over named relations: a user's `sql` step, and every tree our own steps build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from etlrun.diagnostics import nearest
from etlrun.language.columns import BIGINT, BOOLEAN, NULL, Column, Columns, Type
from etlrun.language.expressions import ExpressionError, Problem, column, span, type_of, word
from etlrun.language.functions import common_type
from etlrun.language.typed import Names, check_expression, has_aggregate, has_window


def check_query(query: exp.Query, relations: Mapping[str, Columns], text: str = "") -> tuple[exp.Query, Columns]:
    """Resolve and type `query` in place; its tables must be `relations`. Returns it with the columns it gives.

    Raises ExpressionError with every mistake found; offsets refer to `text`.
    """
    checker = _QueryChecker(text)
    columns = checker.query(query, dict(relations))
    if checker.problems:
        raise ExpressionError(tuple(checker.problems))
    return query, columns


def tables_in(query: exp.Query) -> tuple[tuple[str, exp.Table], ...]:
    """The relations that a query reads, each with its node; names of its own CTEs are left out."""
    own = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    return tuple((table.name, table) for table in query.find_all(exp.Table) if table.name.lower() not in own)


REFUSED = {
    "laterals": "LATERAL",
    "pivots": "PIVOT",
    "qualify": "QUALIFY",
    "cluster": "CLUSTER BY",
    "distribute": "DISTRIBUTE BY",
    "sort": "SORT BY",
    "hint": "a hint",
    "sample": "TABLESAMPLE",
    "into": "INTO",
    "locks": "FOR UPDATE",
    "windows": "WINDOW",
    "offset": "OFFSET",
    "prewhere": "PREWHERE",
    "connect": "CONNECT BY",
    "match": "MATCH_RECOGNIZE",
}
JOINS = {"", "inner", "left", "right", "full", "cross", "semi", "anti", "outer"}


@dataclass
class _QueryChecker:
    text: str
    problems: list[Problem] = field(default_factory=list)

    def complain(self, node: exp.Expr, code: str, message: str, fix: str = "") -> None:
        start, end = word(node, self.text)
        self.problems.append(Problem(code, message, start, end, fix))

    def query(self, query: exp.Expr, relations: Mapping[str, Columns]) -> Columns:
        known = dict(relations)
        with_ = query.args.get("with_") or query.args.get("with")
        if with_ is not None:
            if with_.args.get("recursive"):
                self.complain(query, "expression-not-allowed", "a recursive WITH is not read")
            for cte in with_.expressions:
                if cte.args["alias"].columns:
                    self.complain(
                        cte,
                        "expression-not-allowed",
                        f"`{cte.alias}(...)` renames columns",
                        "name them with `as` in its SELECT",
                    )
                known[cte.alias] = self.query(cte.this, known)
        if isinstance(query, exp.SetOperation):
            return self.set_operation(query, known)
        if isinstance(query, exp.Subquery):
            return self.query(query.this, known)
        if isinstance(query, exp.Select):
            return self.select(query, known)
        self.complain(query, "expression-not-allowed", "only SELECT is read here")
        return Columns(())

    def set_operation(self, query: exp.SetOperation, relations: Mapping[str, Columns]) -> Columns:
        left, right = self.query(query.this, relations), self.query(query.expression, relations)
        if len(left) != len(right):
            self.complain(query.expression, "type-mismatch", f"the two sides have {len(left)} and {len(right)} columns")
            return left
        items = []
        for one, other in zip(left, right, strict=True):
            shared = common_type((one.type, other.type))
            if shared is None:
                self.complain(
                    query.expression,
                    "type-mismatch",
                    f"`{one.name}` is {one.type} on one side and {other.type} on the other",
                    "cast one of them",
                )
            items.append(Column(one.name, shared or one.type))
        return Columns(tuple(items))

    def select(self, query: exp.Select, relations: Mapping[str, Columns]) -> Columns:
        self.refuse_clauses(query)
        names = self.sources(query, relations)
        if any(not len(columns) for _, columns in names):
            return Columns(())  # a relation that is not there: its columns are no further mistakes
        self.expand_stars(query, names)
        where = query.args.get("where")
        if where is not None:
            self.condition(where, names, "WHERE")
        outputs = self.projections(query, names)
        self.grouping(query, names)
        having = query.args.get("having")
        if having is not None:
            self.condition(having, names, "HAVING")
        self.order(query, names, outputs)
        return outputs

    def refuse_clauses(self, query: exp.Select) -> None:
        for clause, said in REFUSED.items():
            if query.args.get(clause):
                self.complain(query, "expression-not-allowed", f"{said} is not read in a `sql` step")
        distinct = query.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            self.complain(query, "expression-not-allowed", "DISTINCT ON is not read", "use a `dedupe` step")
        if query.args.get("limit") is not None and not query.args.get("order"):
            self.complain(
                query, "no-total-order", "LIMIT without ORDER BY picks other rows at every run", "add ORDER BY"
            )

    def sources(self, query: exp.Select, relations: Mapping[str, Columns]) -> Names:
        from_ = query.args.get("from_") or query.args.get("from")
        if from_ is None:
            return ()
        names = [self.source(from_.this, relations)]
        for join in query.args.get("joins") or ():
            is_ours = isinstance(join.this, exp.Unnest) and not self.text
            side = self.elements(join.this, tuple(names)) if is_ours else self.source(join.this, relations)
            if join.args.get("method"):
                self.complain(
                    join.this, "expression-not-allowed", "NATURAL joins are not read", "name the columns with USING"
                )
            names.append(side)
            condition = join.args.get("on")
            if condition is not None:
                join.set("on", self.expression(condition, tuple(names), BOOLEAN))
                if has_aggregate(join.args["on"]) or has_window(join.args["on"]):
                    self.complain(
                        join, "not-allowed-here", "ON takes what is known of each row", "put it into a subquery first"
                    )
            merged = self.merged(join, names)
            if join.kind.lower() in ("semi", "anti") or join.side.lower() in ("semi", "anti"):
                names.pop()
            elif merged:
                names.insert(0, ("", merged))
        return tuple(names)

    def merged(self, join: exp.Join, names: list[tuple[str, Columns]]) -> Columns | None:
        """The columns that USING makes one of two; they are read without an alias."""
        merged = []
        for item in join.args.get("using") or ():
            here = next((found for _, columns in names[:-1] if (found := columns.get(item.name))), None)
            there = names[-1][1].get(item.name)
            if here is None or there is None:
                self.complain(item, "unknown-column", f"there is no column `{item.name}` on both sides")
            elif here.type != there.type:
                message = f"`{item.name}` is {here.type} on one side and {there.type} on the other"
                self.complain(item, "type-mismatch", message, "cast one of them, or use ON")
            else:
                merged.append(Column(here.name, here.type))
        return Columns(tuple(merged)) if merged else None

    def source(self, node: exp.Expr, relations: Mapping[str, Columns]) -> tuple[str, Columns]:
        self.refuse_trimmings(node)
        if isinstance(node, exp.Subquery):
            return node.alias, self.query(node.this, relations)
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            self.complain(node, "expression-not-allowed", "only relations of this pipeline can be read")
            return node.alias_or_name, Columns(())
        if node.args.get("db") or node.args.get("catalog"):
            self.complain(
                node,
                "expression-not-allowed",
                f"`{node.sql(dialect='spark')}` is no relation of this pipeline",
                "declare it as a source",
            )
            return node.alias_or_name, Columns(())
        found = next((name for name in relations if name.lower() == node.name.lower()), None)
        if found is None:
            fix = nearest(node.name, tuple(relations)) or f"the relations are {', '.join(relations)}"
            self.complain(node, "unknown-relation", f"there is no source or step chain `{node.name}`", fix)
            return node.alias_or_name, Columns(())
        if not node.alias and node.name != found:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name, quoted=True)))
        alias = node.alias_or_name
        node.set("this", exp.to_identifier(found, quoted=True))
        return alias, relations[found]

    def refuse_trimmings(self, node: exp.Expr) -> None:
        """Complain about what may stand behind a table and changes its rows or the names of its columns."""
        kept = {"this", "alias", "db", "catalog", "with_"}
        found = next((key for key, value in node.args.items() if value and key not in kept), "")
        alias = node.args.get("alias")
        if isinstance(alias, exp.TableAlias) and alias.columns:
            self.complain(
                node,
                "expression-not-allowed",
                f"`{alias.name}(...)` renames columns",
                "name them with `as` in a SELECT",
            )
        if found:
            said = REFUSED.get(found, found.strip("_").upper())
            self.complain(node, "expression-not-allowed", f"{said} is not read in a `sql` step")

    def elements(self, node: exp.Expr, names: Names) -> tuple[str, Columns]:
        """The elements of an array beside the rows that hold it, and their positions from 1; only our own trees have it."""
        typed = self.expression(node.expressions[0], names, replace=True)
        element, position = node.args["alias"].columns[0].name, node.args["offset"].name
        return node.alias, Columns((Column(element, type_of(typed).element or NULL), Column(position, BIGINT)))

    def expand_stars(self, query: exp.Select, names: Names) -> None:
        expanded: list[exp.Expr] = []
        for item in query.expressions:
            is_star = isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))
            if not is_star:
                expanded.append(item)
                continue
            wanted = item.table if isinstance(item, exp.Column) else ""
            shared = (
                {found.name.lower() for alias, columns in names if not alias for found in columns}
                if len(names) > 1
                else set()
            )
            for alias, columns in names:
                if not wanted or alias.lower() == wanted.lower():
                    table = alias if len(names) > 1 else None
                    hidden = shared if alias and not wanted else set()
                    expanded.extend(column(found.name, table) for found in columns if found.name.lower() not in hidden)
        query.set("expressions", expanded)

    def projections(self, query: exp.Select, names: Names) -> Columns:
        items: list[Column] = []
        seen: set[str] = set()
        for item in list(query.expressions):
            inner = item.this if isinstance(item, exp.Alias) else item
            typed = self.expression(inner, names, replace=True)
            name = (
                item.alias
                if isinstance(item, exp.Alias)
                else (typed.name if isinstance(typed, (exp.Column, exp.Dot)) else "")
            )
            if not name:
                self.complain(item, "missing-key", "this column has no name", "add `as NAME`")
                name = f"_{len(items)}"
            if name.lower() in seen:
                self.complain(
                    item, "column-exists", f"two columns are named `{name}`", "give one another name with `as`"
                )
            seen.add(name.lower())
            if isinstance(item, exp.Alias):
                item.set("alias", exp.to_identifier(name, quoted=True))
            elif not (isinstance(typed, exp.Column) and typed.name == name):
                typed.replace(exp.alias_(typed.copy(), exp.to_identifier(name, quoted=True)))
            source = self.declared(typed, names)
            items.append(
                Column(
                    name,
                    type_of(typed) if "etlrun.type" in typed.meta else NULL,
                    domain=source.domain if source else None,
                )
            )
        return Columns(tuple(items))

    def declared(self, tree: exp.Expr, names: Names) -> Column | None:
        if not isinstance(tree, exp.Column):
            return None
        return next(
            (columns.get(tree.name) for alias, columns in names if tree.name in columns and tree.table in ("", alias)),
            None,
        )

    def grouping(self, query: exp.Select, names: Names) -> None:
        group = query.args.get("group")
        aggregated = any(has_aggregate(item) for item in query.expressions)
        if group is None and not aggregated:
            return
        if group is not None and any(group.args.get(word) for word in ("cube", "rollup", "grouping_sets", "all")):
            self.complain(query, "expression-not-allowed", "CUBE, ROLLUP, GROUPING SETS and GROUP BY ALL are not read")
        keys = (
            [self.expression(key, names, replace=True) for key in list(group.expressions)] if group is not None else []
        )
        for key in keys:
            if has_aggregate(key) or has_window(key):
                self.complain(
                    key, "not-allowed-here", "GROUP BY takes what is known of each row", "put it into a subquery first"
                )
        if any(isinstance(key, exp.Literal) for key in keys):
            self.complain(query, "expression-not-allowed", "GROUP BY takes columns, not positions")
        for item in query.expressions:
            inner = item.this if isinstance(item, exp.Alias) else item
            self.grouped(inner, keys)

    def grouped(self, node: exp.Expr, keys: list[exp.Expr]) -> None:
        """Complain about every column that is neither grouped nor inside an aggregate."""
        if any(node == key for key in keys) or isinstance(node, exp.Literal):
            return
        if (
            isinstance(node, exp.Anonymous)
            and has_aggregate(node)
            and not any(has_aggregate(child) for child in node.expressions)
        ):
            return
        if isinstance(node, exp.Filter) and has_aggregate(node.this):
            return
        if isinstance(node, exp.Column):
            self.complain(node, "not-grouped", f"`{node.name}` is neither grouped nor aggregated", "add it to GROUP BY")
            return
        for child in node.iter_expressions():
            self.grouped(child, keys)

    def order(self, query: exp.Select, names: Names, outputs: Columns) -> None:
        order = query.args.get("order")
        if order is None:
            return
        for item in order.expressions:
            inner = item.this
            if isinstance(inner, exp.Column) and not inner.table and inner.name in outputs:
                found = outputs.get(inner.name)
                assert found is not None
                inner.set("this", exp.to_identifier(found.name, quoted=True))
                continue
            self.expression(inner, names, replace=True)

    def condition(self, clause: exp.Expr, names: Names, said: str) -> None:
        clause.set("this", self.expression(clause.this, names, BOOLEAN))
        if has_window(clause.this):
            self.complain(
                clause, "not-allowed-here", f"a window function cannot stand in {said}", "put it into a subquery first"
            )
        if said != "HAVING" and has_aggregate(clause.this):
            self.complain(clause, "not-allowed-here", f"an aggregate cannot stand in {said}", "use HAVING")

    def expression(self, tree: exp.Expr, names: Names, wanted: Type | None = None, replace: bool = False) -> exp.Expr:
        """Type one expression; with `replace`, put the typed tree where the untyped one stood."""
        marker = exp.Placeholder()
        if replace:
            tree.replace(marker)
        try:
            typed = check_expression(tree, names, self.text)
        except ExpressionError as error:
            self.problems.extend(error.problems)
            typed = tree
        if replace:
            marker.replace(typed)
        found = typed.meta.get("etlrun.type", NULL)
        if wanted is not None and found not in (wanted, NULL):
            start, end = span(typed, self.text)
            self.problems.append(
                Problem("type-mismatch", f"a condition is wanted here, and this is {found}", start, end)
            )
        return typed
