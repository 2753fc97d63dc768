"""`join` - add the columns of another relation to the rows that it matches.

`on` names the columns to join on: a list if both relations use the same names, otherwise a mapping
`column here: column of the other relation`. The result has these columns once, with the names of this relation. A null
never matches, not even another null.

`how` is the type of join: `inner`, `left`, `right` and `full` as in SQL. `semi` keeps the rows of this relation that
have a match, each once; `anti` keeps those without a match; neither adds columns. `cross` combines every row with every
row of the other relation and takes no `on`.

If three rows of the other relation match, one row becomes three. With `expect: one`, `etlrun check` reports a mistake
if this could happen. The other relation must have at most one row for each key: because `aggregate`, `dedupe` or `top`
made it, or because its source declares a `key`.

`where` is an additional condition for a match, over the columns `here.x` and `there.x` of the two relations; if it is
null, the rows do not match. Example: `how: semi` with `where: here.supplier <> there.supplier` keeps the rows for which
another supplier exists.

`as_of: {day: valid_on}` matches, among the rows with equal `on`, only the one that was valid on `day`: the last row
whose `valid_on` is not after it. The long form
`as_of: {columns: {day: valid_on}, direction: forward, tolerance: 7 days}` matches the first row that is not before it,
and is at most 7 days after it. In the other relation, `on` and `valid_on` together must identify a row, so that at most
one row matches. A null on either side never matches.

```yaml
steps:
  in_euro:
    - from: orders
    - join: {with: rates, on: [currency], as_of: {day: valid_on}, how: left}
```

```rows
orders: {currency: string, day: date}
| currency | day        |
| usd      | 2024-01-05 |
| usd      | 2024-01-01 |
| chf      | 2024-01-05 |
rates: {currency: string key, valid_on: date key, rate: "decimal(6,2)"}
| currency | valid_on   | rate |
| usd      | 2024-01-02 | 0.90 |
| usd      | 2024-01-05 | 0.91 |
| usd      | 2024-01-06 | 0.92 |
| chf      | 2024-01-08 | 1.05 |
->
| currency | day        | valid_on   | rate |
| usd      | 2024-01-05 | 2024-01-05 | 0.91 |
| usd      | 2024-01-01 | null       | null |
| chf      | 2024-01-05 | null       | null |
```

If both relations have a column of the same name, that is an error. Use `columns` to choose columns of the other
relation (a list, or `new: old`), or `prefix` to put a text before their names.

```yaml
steps:
  homes:
    - from: cities
    - dedupe: {by: [city], order: [region]}
  named:
    - from: people
    - join: {with: homes, on: {home: city}, how: left, expect: one}
```

```rows
people: {name: string, home: string}
| name | home |
| An   | Hue  |
| Ba   | null |
| Chi  | Rome |
cities: {city: string, region: string}
| city | region |
| Hue  | middle |
| null | none   |
->
| name | home | region |
| An   | Hue  | middle |
| Ba   | null | null   |
| Chi  | Rome | null   |
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.as_of import MOMENT, AsOf
from etlrun.contracts.join_condition import HERE, THERE, as_keys, is_condition
from etlrun.contracts.relation import Input, named, relation_table
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, Column, Columns
from etlrun.language.expressions import call, column
from etlrun.language.functions import common_type
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class Join(Step):
    """Add the columns of another relation to the rows that it matches."""

    also: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("right", "other", "table", "to"), "with"),
        **dict.fromkeys(("type", "kind"), "how"),
        **dict.fromkeys(("using", "key", "keys", "by"), "on"),
        **dict.fromkeys(("condition", "filter"), "where"),
        **dict.fromkeys(("left_on", "right_on"), "write `on: {column here: column of the other relation}`"),
        "suffix": "prefix",
    }

    with_: str = key("the other relation: a source or a chain", yaml="with")
    on: tuple[str, ...] | Mapping[str, str] = key(
        "the columns to join on: a list if they have the same names, otherwise `column here: column of the other "
        "relation`. Required, except for `how: cross`",
        default=(),
    )
    how: Literal["inner", "left", "right", "full", "semi", "anti", "cross"] = key("the type of join", default="inner")
    where: Expr | None = key(
        "an additional condition for a match, over `here.x` and `there.x`",
        default=None,
        example="there.valid_from <= here.day",
    )
    as_of: AsOf | None = key(
        "`column here: column of the other relation`: match only the row that was valid at that time", default=None
    )
    columns: tuple[str, ...] | Mapping[str, str] | None = key(
        "the columns to take from the other relation: a list, or `new name: column`",
        default=None,
        example=("name", "city"),
    )
    prefix: str = key("a prefix for the names of the columns of the other relation", default="", example="shop_")
    expect: Literal["one", "many"] = key(
        "`one`: report a mistake unless at most one row of the other relation can match", default="many"
    )

    def reads(self) -> Iterable[tuple[str, At]]:
        return [(self.with_, "with")]

    def output(self, columns: Columns, scope: Scope) -> Columns:
        other = scope.relation(self.with_, "with")
        if self.with_ not in scope.relations or self._on_is_condition(columns, other, scope):
            return columns
        for here, there, at in self._keys():
            self._compare(columns, here, other, there, at, scope)
        self._check_condition(columns, other, scope)
        self._check_as_of(columns, other, scope)
        one = self._is_one(other)
        if self.expect == "one" and not one:
            names = ", ".join(f"`{there}`" for _, there, _ in self._keys())
            scope.error(
                "expect",
                "no-total-order",
                f"`{self.with_}` may have several rows with the same {names}",
                "reduce them to one row first, with `aggregate`, `dedupe` or `top`",
            )
        result = self._here(columns, other)
        if self.how in ("semi", "anti"):
            if self.columns is not None or self.prefix:
                scope.error(
                    "columns" if self.columns is not None else "prefix",
                    "wrong-value",
                    f"`how: {self.how}` adds no columns",
                    "leave this out",
                )
            return result
        brought = {old.lower(): new for new, old, _ in self._brings(other)}
        for group in other.keep(brought).renamed(brought).groups:
            result = result.with_group(group) if result.group(group.name) is None else result
        for new, old, at in self._brings(other):
            found = scope.column(other, old, at)
            self._must_be_new(result, new, at, scope)
            result = result.with_column(
                replace(found, name=new, nullable=found.nullable or self.how in ("left", "full"))
            )
        return result.with_unique(self._unique(columns, other, one=one))

    def _on_is_condition(self, columns: Columns, other: Columns, scope: Scope) -> bool:
        """Report a condition in `on`, which takes names of columns. The columns of the join are then unknown."""
        found = [(here, at) for here, there, at in self._keys() if here == there and is_condition(here)]
        for here, at in found[:1]:
            if here in columns:
                return False
            fix = as_keys(" and ".join(self.on), columns, other, self.with_)
            scope.error(at, "wrong-value", "`on` names columns, and this is a condition", fix)
            scope.sight.is_blind = True
        return bool(found)

    def _check_condition(self, columns: Columns, other: Columns, scope: Scope) -> None:
        if self.how == "cross" and self.on:
            scope.error("on", "wrong-value", "`how: cross` compares no columns", "remove `on`, or remove `how`")
        elif self.how != "cross" and not self.on and not self.as_of:
            fix = "add `on: [...]`, or write `how: cross` to join every row with every row"
            scope.error((), "missing-key", "`on` is missing here", fix)
        if self.where is not None and self.how in ("right", "full"):
            fix = "put a `filter` into a chain, and join that chain"
            scope.error("where", "not-allowed-here", f"`where` is not allowed with `how: {self.how}`", fix)
        elif self.where is not None:
            scope.condition(((HERE, columns), (THERE, other)), self.where, "where")

    def _check_as_of(self, columns: Columns, other: Columns, scope: Scope) -> None:
        if self.as_of is None:
            return
        if self.how not in ("inner", "left") or self.where is not None:
            place, what = ("how", f"how: {self.how}") if self.how not in ("inner", "left") else ("where", "where")
            fix = "use `inner` or `left`, and a `filter`"
            scope.error(place, "not-allowed-here", f"`{what}` is not allowed with `as_of`", fix)
        self.as_of.verify(columns, other, self.with_, scope.below("as_of"))
        if not self._is_one(other) and self.as_of.there in other:
            names = ", ".join(f"`{name}`" for name in (*(there for _, there, _ in self._keys()), self.as_of.there))
            fix = "add a `key` to it, or reduce the rows to one first with `aggregate`, `dedupe` or `top`"
            scope.error("as_of", "no-total-order", f"`{self.with_}` may have several rows with the same {names}", fix)

    def _compare(self, columns: Columns, here: str, other: Columns, there: str, at: At, scope: Scope) -> None:
        one, two = scope.column(columns, here, at), scope.column(other, there, at)
        if NULL in (one.type, two.type):
            return
        if common_type((one.type, two.type)) is None or not (one.type.is_orderable and two.type.is_orderable):
            message = f"`{one.name}` is {one.type} here and `{two.name}` is {two.type} in `{self.with_}`"
            scope.error(at, "type-mismatch", message, "`cast` one of them first")

    def _is_one(self, other: Columns) -> bool:
        keys = {there.lower() for _, there, _ in self._keys()} | ({self.as_of.there.lower()} if self.as_of else set())
        return other.unique is not None and all(name.lower() in keys for name in other.unique)

    def _unique(self, columns: Columns, other: Columns, *, one: bool) -> tuple[str, ...] | None:
        """The key of the result: that of the side whose rows match at most one row of the other side; otherwise both keys together."""
        if columns.unique is None or self.how not in ("inner", "left", "cross"):
            return None
        if one:
            return columns.unique
        if other.unique is None:
            return None
        names = {there.lower(): here for here, there, _ in self._keys()}
        names = {**{old.lower(): new for new, old, _ in self._brings(other)}, **names}
        if any(name.lower() not in names for name in other.unique):
            return None
        theirs = [names[name.lower()] for name in other.unique]
        equated = {here.lower() for here, _, _ in self._keys()}
        if self.how == "inner" and all(name.lower() in equated for name in columns.unique):
            return tuple(theirs)
        return tuple(dict.fromkeys((*columns.unique, *theirs)))

    def _here(self, columns: Columns, other: Columns) -> Columns:
        """The columns of this side. For a row of only the other side, the join columns come from there."""
        if self.how in ("semi", "anti", "inner", "left"):
            return columns
        keys = {here.lower(): there for here, there, _ in self._keys()}
        items = []
        for item in columns:
            match = other.get(keys.get(item.name.lower(), "")) if item.name.lower() in keys else None
            kind = common_type((item.type, match.type)) if match else None
            items.append(Column(item.name, kind or item.type) if match else replace(item, nullable=True))
        return replace(columns, items=tuple(items))

    def _keys(self) -> Iterator[tuple[str, str, At]]:
        if isinstance(self.on, tuple):
            yield from ((name, name, ("on", index)) for index, name in enumerate(self.on))
        else:
            yield from ((here, there, ("on", here)) for here, there in self.on.items())

    def _brings(self, other: Columns) -> Iterator[tuple[str, str, At]]:
        """The new name, the old name and the place of every column of the other side."""
        if isinstance(self.columns, tuple):
            yield from ((self.prefix + name, name, ("columns", index)) for index, name in enumerate(self.columns))
        elif self.columns is not None:
            yield from ((self.prefix + new, old, ("columns", new)) for new, old in self.columns.items())
        else:
            keys = {there.lower() for _, there, _ in self._keys()}
            yield from ((self.prefix + item.name, item.name, "with") for item in other if item.name.lower() not in keys)

    def _must_be_new(self, result: Columns, name: str, at: At, scope: Scope) -> None:
        if name in result and at == "with":
            scope.error(
                at,
                "column-exists",
                f"both sides have a column `{name}`",
                "list the columns of the other relation in `columns: [...]`, or add a `prefix:`",
            )
        else:
            scope.new_column(result, name, at)

    def lower(self, relation: Input) -> exp.Query:
        other = relation.scope.relations[self.with_]
        keys = {here.lower(): (here, there) for here, there, _ in self._keys()}
        outputs: list[exp.Expr] = []
        for item in relation.columns:
            if item.name.lower() in keys and self.how in ("right", "full"):
                there = keys[item.name.lower()][1]
                outputs.append(named(call("coalesce", column(item.name, HERE), column(there, THERE)), item.name))
            else:
                outputs.append(column(item.name, HERE))
        if self.how not in ("semi", "anti"):
            outputs.extend(named(column(old, THERE), new) for new, old, _ in self._brings(other))
        equal = [exp.EQ(this=column(here, HERE), expression=column(there, THERE)) for here, there in keys.values()]
        conditions: list[exp.Expr] = [*equal]
        theirs: exp.Expr = relation_table(self.with_, THERE)
        if self.as_of is not None:
            names = [(here, there) for here, there, _ in self._keys()]
            theirs = self.as_of.rows(relation.name, relation.columns, self.with_, other, names).subquery(
                THERE, copy=False
            )
            conditions.append(exp.EQ(this=column(self.as_of.here, HERE), expression=column(MOMENT, THERE)))
        if self.where is not None:
            tree = relation.scope.condition(((HERE, relation.columns), (THERE, other)), self.where, "where")
            assert tree is not None, f"`{self.where}` was lowered without being checked"
            conditions.append(exp.paren(tree, copy=False) if isinstance(tree, exp.Or) else tree)
        how = "inner" if self.how == "cross" and conditions else self.how
        kind, side = ("", how) if how in ("left", "right", "full") else (how, "")
        join = exp.Join(this=theirs, kind=kind.upper(), side=side.upper())
        if conditions:
            join.set("on", exp.and_(*conditions, copy=False))
        return exp.select(*outputs).from_(relation_table(relation.name, HERE)).join(join)
