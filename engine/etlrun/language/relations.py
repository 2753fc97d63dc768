"""Checks FROM and JOIN: the input relations of a SELECT, their aliases, and the key of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from etlrun.diagnostics import nearest
from etlrun.language.columns import BIGINT, BOOLEAN, NULL, Column, Columns
from etlrun.language.expressions import column, respell, type_of
from etlrun.language.totality import UniqueKey, equated, joined, key_of, without_alias
from etlrun.language.typed import Names, has_aggregate, has_window
from etlrun.language.unions import JUDGED

if TYPE_CHECKING:
    from etlrun.language.queries import QueryChecker

ROWS_OF_ONE_SIDE = ("semi", "anti")


@dataclass(frozen=True)
class Seen:
    """The input relations of a SELECT, and the key of its rows."""

    names: Names
    key: UniqueKey


def seen_by(checker: QueryChecker, query: exp.Select, relations: Mapping[str, Columns]) -> Seen:
    """Resolve the relations in FROM and JOIN, in place."""
    from_ = query.args.get("from_")
    if from_ is None:
        return Seen((), UniqueKey())
    joins = query.args.get("joins") or ()
    first = _relation(checker, from_.this, relations, is_alone=not joins)
    names, aliases = [first], {first[0].lower()}
    key = key_of(first[0] if joins else "", first[1])
    for join in joins:
        is_ours = isinstance(join.this, exp.Unnest) and not checker.text
        alias, columns = (
            _elements(checker, join.this, tuple(names))
            if is_ours
            else _relation(checker, join.this, relations, is_alone=False)
        )
        if alias.lower() in aliases:
            message = f"two relations have the name `{alias}` here"
            checker.complain(join.this, "duplicate-name", message, "give one another name with `as`")
        aliases.add(alias.lower())
        names.append((alias, columns))
        _check_on(checker, join, tuple(names))
        merged = _merged(checker, join, names)
        _refuse_column_as_alias(checker, join, names if merged else ())
        if join.kind.lower() in ROWS_OF_ONE_SIDE:
            names.pop()
            continue
        key = _key(key, join, alias, columns, names[:-1])
        if merged:
            names.insert(0, ("", merged))
    if len(names) == 1:
        key = without_alias(key)
    return Seen(tuple(names), key)


def columns_of_star(names: Names, wanted: str) -> Iterable[exp.Expr]:
    """References to the columns of one relation, or of all; columns merged by USING come once."""
    merged = {item.name.lower() for alias, columns in names if not alias for item in columns} if len(names) > 1 else ()
    for alias, columns in names:
        if wanted and alias.lower() != wanted.lower():
            continue
        hidden = merged if alias and not wanted else ()
        for item in columns:
            if item.name.lower() not in hidden:
                yield column(item.name, alias if len(names) > 1 else None)


def declared(tree: exp.Expr, names: Names) -> Column | None:
    """The declared column of a reference."""
    if not isinstance(tree, exp.Column):
        return None
    return next(
        (columns.get(tree.name) for alias, columns in names if tree.name in columns and tree.table in ("", alias)),
        None,
    )


def _relation(
    checker: QueryChecker, node: exp.Expr, relations: Mapping[str, Columns], *, is_alone: bool
) -> tuple[str, Columns]:
    if isinstance(node, exp.Subquery):
        if not node.alias and not is_alone and checker.text:
            checker.complain(node, "missing-key", "this subquery has no name", "add `as NAME` after it")
        node.meta[JUDGED] = True
        alias = node.args.get("alias")
        return node.alias, renamed_by(checker, alias, checker.columns_of(node.this, relations, nameless(alias)))
    assert isinstance(node, exp.Table), "the grammar holds nothing else behind FROM"
    found = next((name for name in relations if name.lower() == node.name.lower()), None)
    if found is None:
        fix = nearest(node.name, tuple(relations)) or f"the relations are {', '.join(relations)}"
        checker.complain(node, "unknown-relation", f"there is no source or step chain `{node.name}`", fix)
        return node.alias_or_name, Columns(())
    if not node.alias and node.name != found:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name, quoted=True)))
    alias = node.alias_or_name
    if node.args.get("alias") is not None and node.args["alias"].args.get("columns"):
        message = f"`{alias}` renames the columns of a relation"
        checker.complain(node.args["alias"], "expression-not-allowed", message, "name them with `as` in the SELECT")
    respell(node, found)
    return alias, relations[found]


def nameless(alias: exp.Expr | None) -> Names | None:
    """No outer relations (an empty value) for a query whose alias names its columns, so that they need no names; otherwise None."""
    return () if alias is not None and alias.args.get("columns") else None


def renamed_by(checker: QueryChecker, alias: exp.Expr | None, columns: Columns) -> Columns:
    """The columns of a subquery or CTE under the names after its alias: `as t (a, b)`."""
    names = [item.name for item in alias.args.get("columns") or ()] if alias is not None else []
    if alias is None or not names or not len(columns):
        return columns
    lowered = [name.lower() for name in names]
    if len(names) != len(columns):
        message = f"`{alias.name}` lists {len(names)} column name{'s' * (len(names) != 1)}, but its query has {len(columns)} columns"
        checker.complain(alias, "type-mismatch", message, "name every column, or none")
    elif len(set(lowered)) < len(names):
        checker.complain(alias, "column-exists", f"`{alias.name}` names a column twice", "rename one of them")
    else:
        for item in alias.args["columns"]:
            item.set("quoted", True)
        return columns.renamed(dict(zip((name.lower() for name in columns.names), names, strict=True)))
    return columns


def _elements(checker: QueryChecker, node: exp.Expr, names: Names) -> tuple[str, Columns]:
    """The elements of an array and their positions from 1, joined to its row; only etlrun's own trees have this."""
    typed = checker.expression(node.expressions[0], names, replace=True)
    element, position = node.args["alias"].columns[0].name, node.args["offset"].name
    return node.alias, Columns((Column(element, type_of(typed).element or NULL), Column(position, BIGINT)))


def _check_on(checker: QueryChecker, join: exp.Join, names: Names) -> None:
    side, kind, condition = join.side.upper(), join.kind.upper(), join.args.get("on")
    if (
        kind == "OUTER"
        and not side
        or kind in ("SEMI", "ANTI")
        and side not in ("", "LEFT")
        or kind == "CROSS"
        and side
    ):
        message = f"{side} {kind} JOIN".strip() + " is not supported"
        checker.complain(join.this, "expression-not-allowed", message, "write LEFT, RIGHT or FULL JOIN")
    if condition is None:
        if checker.text and not join.args.get("using") and kind != "CROSS":
            fix = "add ON and a condition, or write CROSS JOIN"
            checker.complain(join.this, "missing-key", "this JOIN does not say which rows match", fix)
        return
    if kind == "CROSS":
        checker.complain(join.this, "not-allowed-here", "CROSS JOIN takes no ON", "write JOIN")
    join.set("on", checker.expression(condition, names, BOOLEAN))
    if has_aggregate(join.args["on"]) or has_window(join.args["on"]):
        message = "ON accepts only values of single rows"
        checker.complain(join, "not-allowed-here", message, "put it into a subquery first")


def _merged(checker: QueryChecker, join: exp.Join, names: list[tuple[str, Columns]]) -> Columns | None:
    """The columns that USING merges; they are read without an alias."""
    merged: list[Column] = []
    for item in join.args.get("using") or ():
        holders = [alias for alias, columns in names[:-1] if item.name in columns]
        here = next((found for _, columns in names[:-1] if (found := columns.get(item.name))), None)
        there = names[-1][1].get(item.name)
        if here is None or there is None:
            checker.complain(item, "unknown-column", f"there is no column `{item.name}` on both sides")
        elif len(holders) > 1 and holders[0]:
            message = f"`{item.name}` is a column of both `{holders[0]}` and `{holders[1]}`"
            checker.complain(item, "unknown-column", message, "use ON")
        elif here.type != there.type:
            message = f"`{item.name}` is {here.type} on one side and {there.type} on the other"
            checker.complain(item, "type-mismatch", message, "cast one of them, or use ON")
        elif any(column.name == here.name for column in merged):
            checker.complain(item, "column-exists", f"USING names `{item.name}` again", "name it once")
        else:
            merged.append(Column(here.name, here.type))
    return Columns(tuple(merged)) if merged else None


def _refuse_column_as_alias(checker: QueryChecker, join: exp.Join, names: Iterable[tuple[str, Columns]]) -> None:
    """Report a relation next to USING that has the name of a column: Spark takes `r.d` for a field of the column `r`."""
    for alias in [alias for alias, _ in names if alias and any(alias in columns for _, columns in names)]:
        message = f"`{alias}` is the name of a relation and of a column here, so USING is ambiguous"
        checker.complain(join.this, "duplicate-name", message, "give the relation another name with `as`, or use ON")


def _all_columns(names: Names) -> UniqueKey:
    places = ((alias.lower(), name.lower()) for alias, columns in names for name in columns.names)
    return UniqueKey(frozenset(place for place in places if place[0]), is_declared=False)


def _key(key: UniqueKey, join: exp.Join, alias: str, columns: Columns, before: list[tuple[str, Columns]]) -> UniqueKey:
    """The key of the rows so far, joined with the relation `alias`."""
    using = [item.name.lower() for item in join.args.get("using") or ()]
    condition, side = join.args.get("on"), join.side.upper()
    matched = {*using, *(equated(condition, alias) if condition is not None else ())}
    is_once = (
        columns.unique is not None
        and {name.lower() for name in columns.unique} <= matched
        and side in ("", "LEFT")
        and join.kind.upper() != "CROSS"
    )
    result = joined(key, key_of(alias, columns), is_matched_once=is_once)
    if side == "FULL":  # a key that contains a null could come from either side
        result = _all_columns((*before, (alias, columns)))
    same = dict(key.same)
    for name in using:
        holder = next((other for other, found in before if name in found), "")
        left = same.get(("", name), frozenset()) if not holder else frozenset(((holder.lower(), name),))
        right = frozenset(((alias.lower(), name),))
        same["", name] = {"": left | right, "LEFT": left, "RIGHT": right}.get(side, frozenset())
    return UniqueKey(result.places, result.is_declared, tuple(same.items()))
