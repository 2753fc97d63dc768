"""Checks and types a whole SELECT over named relations: a user's `sql` step, and every tree that other steps build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from etlrun.diagnostics import nearest
from etlrun.language.checking import Inside, own_nodes, typed_null
from etlrun.language.columns import BOOLEAN, NULL, Column, Columns, Type
from etlrun.language.expressions import TYPE, ExpressionError, Problem, span, type_of, word
from etlrun.language.functions import common_type
from etlrun.language.grammar import COUNTS, VALUES, detail
from etlrun.language.grouping import grouping, inner_of, is_grouped_query, replace_aliases
from etlrun.language.order_by import check_limit, check_order, check_windows, refuse_shadowed
from etlrun.language.qualify import without_qualify
from etlrun.language.relations import columns_of_star, declared, nameless, renamed_by, seen_by
from etlrun.language.templates import whole_of
from etlrun.language.totality import UniqueKey, place_of
from etlrun.language.typed import Names, check_expression, has_aggregate, has_window
from etlrun.language.unions import JUDGED, widen_side


def check_query(query: exp.Query, relations: Mapping[str, Columns], text: str = "") -> tuple[exp.Query, Columns]:
    """Resolve and type `query` in place; its tables must be `relations`. Returns it with the columns it gives.

    Raises ExpressionError with every mistake found; offsets refer to `text`, the SQL of the user; a tree that etlrun built has none.
    """
    checker = QueryChecker(text)
    columns = checker.columns_of(query, relations)
    checker.refuse_unjudged(query)
    if checker.problems:
        raise ExpressionError(tuple(dict.fromkeys(checker.problems)))
    return query, columns


def tables_in(query: exp.Query) -> tuple[tuple[str, exp.Table], ...]:
    """The relations that a query reads, each with its node; names of its own CTEs are left out."""
    found = list(query.find_all(exp.CTE, exp.Table))
    own = {node.alias.lower() for node in found if isinstance(node, exp.CTE)}
    return tuple((node.name, node) for node in found if isinstance(node, exp.Table) and node.name.lower() not in own)


@dataclass(frozen=True)
class Selected:
    """A SELECT while it is checked: its input relations, its columns, and the key of its rows.

    `keys` are the expressions of its GROUP BY; None if it is not grouped.
    """

    query: exp.Select
    names: Names
    key: UniqueKey
    outputs: Columns
    keys: tuple[exp.Expr, ...] | None

    def projection(self, name: str) -> exp.Expr:
        """The expression of the output column `name`."""
        index = [item.name.lower() for item in self.outputs].index(name.lower())
        return inner_of(self.query.expressions[index])


@dataclass
class QueryChecker:
    """Checks one query. Offsets of mistakes refer to `text`."""

    text: str
    problems: list[Problem] = field(default_factory=list)

    def complain(self, node: exp.Expr, code: str, message: str, fix: str = "") -> None:
        start, end = word(node, self.text)
        self.problems.append(Problem(code, message, start, end, fix))

    def refuse_unjudged(self, query: exp.Query) -> None:
        """Report a part of the user's query that no rule has checked, which would be a bug of etlrun."""
        for node in query.walk() if self.text and not self.problems else ():
            mark = JUDGED if isinstance(node, exp.Query) else TYPE
            if isinstance(node, VALUES) and mark not in node.meta and not isinstance(node.parent, COUNTS):
                self.complain(node, "expression-not-allowed", f"`{detail(node)}` is not allowed here")

    def columns_of(self, query: exp.Expr, relations: Mapping[str, Columns], outer: Names | None = None) -> Columns:
        """The columns of a whole query, a CTE or a subquery in FROM. None of them has the type null.

        With `outer`, it is a subquery in an expression, and `outer` are the relations of the outer query: its columns need no names.
        """
        before = len(self.problems)
        columns = self.query(query, relations, outer)
        for index, item in enumerate(columns if self.text and len(self.problems) == before else ()):
            if item.type == NULL:
                place = query.expressions[index] if isinstance(query, exp.Select) else query
                message = f"`{item.name}` is null in every row, so it has no type"
                self.complain(place, "type-mismatch", message, typed_null())
        return columns

    def query(self, query: exp.Expr, relations: Mapping[str, Columns], outer: Names | None = None) -> Columns:
        query.meta[JUDGED] = True
        known = dict(relations)
        with_ = query.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            if cte.alias.lower() in {name.lower() for name in known} and self.text:
                fix = "rename one of them"
                self.complain(cte.args["alias"], "duplicate-name", f"a relation `{cte.alias}` already exists", fix)
            alias = cte.args["alias"]
            known[cte.alias] = renamed_by(self, alias, self.columns_of(cte.this, known, nameless(alias)))
        if isinstance(query, exp.SetOperation):
            return self.set_operation(query, known)
        if isinstance(query, exp.Subquery):
            if query.alias and self.text:
                message = f"`{query.alias}` is the name of a subquery that is not in FROM"
                self.complain(query.args["alias"], "not-allowed-here", message, "leave the name out")
            return self.query(query.this, known, outer)
        assert isinstance(query, exp.Select), "the grammar holds no other query"
        return self.select(query, known, outer)

    def set_operation(self, query: exp.SetOperation, relations: Mapping[str, Columns]) -> Columns:
        left = self.query(query.this, relations)
        right = self.query(query.expression, relations, ())  # the left side names the columns
        if not len(left) or not len(right):
            return left
        if len(left) != len(right):
            self.complain(query.expression, "type-mismatch", f"the two sides have {len(left)} and {len(right)} columns")
            return left
        items = []
        for one, other in zip(left, right, strict=True):
            shared = common_type((one.type, other.type))
            if shared is None:
                message = f"`{one.name}` is {one.type} on one side and {other.type} on the other"
                self.complain(query.expression, "type-mismatch", message, "cast one of them")
            items.append(Column(one.name, shared or one.type))
        columns = Columns(tuple(items))
        if not self.problems:
            widen_side(query.this, left, columns)
            widen_side(query.expression, right, columns)
        if isinstance(query, exp.Except):
            columns = replace(columns, unique=left.unique)
        if query.args.get("distinct"):
            self.groupable(query, columns)
        if query.args.get("distinct") and columns.unique is None:
            columns = replace(columns, unique=columns.names)
        check_order(self, query.args.get("order"), columns)
        check_limit(self, query, columns)
        return columns

    def select(self, query: exp.Select, relations: Mapping[str, Columns], outer: Names | None = None) -> Columns:
        if query.args.get("qualify") is not None:
            if outer:
                fix = "put this SELECT into a WITH part"
                self.complain(query, "not-allowed-here", "QUALIFY is not allowed in a subquery of an expression", fix)
                return Columns(())
            names = seen_by(QueryChecker(self.text), query.copy(), relations).names
            self.expand_stars(query, names)
            without_qualify(query, names)
        seen = seen_by(self, query, relations)
        is_grouped = is_grouped_query(query)
        if any(not len(columns) for _, columns in seen.names):
            return Columns(())  # a missing relation was reported already; its columns are not reported again
        self.expand_stars(query, seen.names)
        where = query.args.get("where")
        inside = replace(self.inside(relations, seen.names), given=_given(query))
        if where is not None:
            self.condition(where, seen.names, "WHERE", inside, outer or ())
        inside = replace(inside, is_condition=False, is_grouped=is_grouped)
        outputs = self.projections(query, seen.names, inside, may_be_nameless=outer is not None)
        having = query.args.get("having")
        if having is not None:
            replace_aliases(query, own_nodes(having), seen.names)
            self.condition(having, seen.names, "HAVING", replace(inside, is_condition=True, is_grouped=True))
        selected = Selected(query, seen.names, seen.key, outputs, grouping(self, query, seen.names))
        selected = replace(selected, outputs=outputs.with_unique(_unique(selected)))
        if query.args.get("distinct"):
            self.groupable(query, outputs)
        if having is not None:
            refuse_shadowed(self, having.this, selected)
        check_windows(self, selected)
        check_order(self, query.args.get("order"), selected.outputs, selected)
        check_limit(self, query, selected.outputs, selected)
        limit = query.args.get("limit")
        is_one = limit is not None and whole_of(limit.expression) in (0, 1)
        return selected.outputs.with_unique(()) if is_one else selected.outputs

    def groupable(self, query: exp.Query, columns: Columns) -> None:
        """Report columns whose values not every engine compares in the same way, if equal rows are merged."""
        for item in columns:
            if not item.type.is_groupable:
                message = f"equal rows are combined here, but `{item.name}` is {item.type}, which cannot be compared for equality on every engine"
                self.complain(query, "type-mismatch", message, "leave it out, or name its fields")

    def expand_stars(self, query: exp.Select, names: Names) -> None:
        expanded: list[exp.Expr] = []
        for item in query.expressions:
            is_star = isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))
            if not is_star:
                expanded.append(item)
                continue
            wanted = item.table if isinstance(item, exp.Column) else ""
            if wanted and wanted.lower() not in {alias.lower() for alias, _ in names}:
                known = ", ".join(alias for alias, _ in names if alias)
                fix = f"the relations here are {known}"
                self.complain(item, "unknown-relation", f"there is no relation `{wanted}` here", fix)
            elif not names:
                self.complain(item, "syntax", "`*` has no columns, because there is no FROM", "name a relation in FROM")
            expanded.extend(self.without_excluded(item, list(columns_of_star(names, wanted))))
        if not expanded and query.expressions and names and not self.problems:
            self.complain(query, "syntax", "this SELECT has no columns", "name columns, or write `*`")
        query.set("expressions", expanded)

    def without_excluded(self, item: exp.Expr, found: list[exp.Expr]) -> list[exp.Expr]:
        """The columns of a star without those of its EXCEPT."""
        star = item.this if isinstance(item, exp.Column) else item
        names = [part.name.lower() for part in found]
        excluded = star.args.get("except_") or ()
        for part in excluded:
            if part.name.lower() not in names:
                fix = nearest(part.name, names)
                self.complain(part, "unknown-column", f"there is no column `{part.name}` in this `*`", fix)
        gone = {part.name.lower() for part in excluded}
        return [part for part, name in zip(found, names, strict=True) if name not in gone]

    def inside(self, relations: Mapping[str, Columns], names: Names) -> Inside:
        """How the subqueries of a condition over `names` are checked."""
        return Inside(lambda query: self.columns_of(query, relations, names), is_condition=True)

    def projections(self, query: exp.Select, names: Names, inside: Inside, *, may_be_nameless: bool) -> Columns:
        items: list[Column] = []
        seen: set[str] = set()
        holders = [
            exp.Paren(this=item) for item in query.expressions
        ]  # to replace one item of a list walks through all
        for item in (parent.this for parent in holders):
            typed = self.expression(inner_of(item), names, replace=True, inside=inside)
            name = (
                item.alias
                if isinstance(item, exp.Alias)
                else (typed.name if isinstance(typed, (exp.Column, exp.Dot)) else "")
            )
            if not name:
                if not may_be_nameless:
                    self.complain(item, "missing-key", "this column has no name", _how_to_name(typed, names))
                name = f"_{len(items)}"
            if name.lower() in seen:
                self.complain(
                    item, "column-exists", f"two columns are named `{name}`", "give one another name with `as`"
                )
            seen.add(name.lower())
            if isinstance(item, exp.Alias):
                item.args["alias"].set("quoted", True)
            elif not (isinstance(typed, exp.Column) and typed.name == name):
                typed.replace(exp.alias_(typed.copy(), exp.to_identifier(name, quoted=True)))
            source = declared(typed, names)
            items.append(Column(name, _type(typed), domain=source.domain if source else None))
        query.set("expressions", [parent.this for parent in holders])
        return Columns(tuple(items))

    def condition(self, clause: exp.Expr, names: Names, detail: str, inside: Inside, outer: Names = ()) -> None:
        clause.set("this", self.expression(clause.this, names, BOOLEAN, inside=inside, outer=outer))
        if has_window(clause.this):
            self.complain(
                clause,
                "not-allowed-here",
                f"a window function is not allowed in {detail}",
                "put it into a subquery first",
            )
        if detail != "HAVING" and has_aggregate(clause.this):
            self.complain(clause, "not-allowed-here", f"an aggregate is not allowed in {detail}", "use HAVING")

    def expression(
        self,
        tree: exp.Expr,
        names: Names,
        wanted: Type | None = None,
        replace: bool = False,
        inside: Inside | None = None,
        outer: Names = (),
    ) -> exp.Expr:
        """Type one expression; with `replace`, put the typed tree where the untyped one stood."""
        marker = exp.Placeholder()
        if replace:
            tree.replace(marker)
        try:
            typed = check_expression(tree, names, self.text, wanted, inside, outer)
        except ExpressionError as error:
            self.problems.extend(error.problems)
            typed = tree
        if replace:
            marker.replace(typed)
        found = _type(typed)
        if wanted is not None and isinstance(typed, exp.Null):
            self.complain(typed, "type-mismatch", "`null` alone has no type", typed_null(wanted))
        elif wanted is not None and found not in (wanted, NULL):
            start, end = span(typed, self.text)
            self.problems.append(
                Problem("type-mismatch", f"a condition is expected here, but this is {found}", start, end)
            )
        return typed


def _given(query: exp.Select) -> frozenset[str]:
    """The names that a SELECT gives to expressions, in lower case."""
    return frozenset(item.alias.lower() for item in query.expressions if isinstance(item, exp.Alias))


def _how_to_name(tree: exp.Expr, names: Names) -> str:
    """The fix for a column without a name. For a text in double quotes, the fix names the column that was probably meant."""
    is_meant = isinstance(tree, exp.Literal) and tree.is_string and any(tree.name in columns for _, columns in names)
    return f"`{tree.name}` in quotes is a text; write the column without quotes" if is_meant else "add `as NAME`"


def _type(tree: exp.Expr) -> Type:
    return type_of(tree) if TYPE in tree.meta else NULL


def _unique(selected: Selected) -> Iterable[str] | None:
    """The output columns that are unique in each row; None if that is not known."""
    known = _unique_of_rows(selected)
    return selected.outputs.names if known is None and selected.query.args.get("distinct") else known


def _unique_of_rows(selected: Selected) -> Iterable[str] | None:
    trees = [inner_of(item) for item in selected.query.expressions]
    if selected.keys is not None:
        named = [next((at for at, tree in enumerate(trees) if tree == key), -1) for key in selected.keys]
        return [selected.outputs.names[at] for at in named] if all(at >= 0 for at in named) else None
    if not selected.key.is_declared:
        return None
    columns = {
        place_of(tree, selected.names): name
        for tree, name in zip(trees, selected.outputs.names, strict=False)
        if isinstance(tree, exp.Column)
    }
    return (
        None if selected.key.missing(columns) else [columns[place] for place in columns if _tells(selected.key, place)]
    )


def _tells(key: UniqueKey, place: tuple[str, str]) -> bool:
    return place in key.places or any(place == merged for merged, _ in key.same)
