"""As-of join: for each row here, the last row there that is not later. It needs one sort and equality joins.

The times of both sides are combined and sorted in each group; the latest time of the other side so far is the match. No pair of rows is
compared, so a group with a million rows on both sides costs a sort.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.length import Length, read_length
from etlrun.contracts.ordering import over
from etlrun.contracts.relation import named, relation_table
from etlrun.language.columns import MOMENTS, NULL, Columns, Type
from etlrun.language.expressions import call, cast, column
from etlrun.language.functions import common_type
from etlrun.spec.fields import Described, key
from etlrun.spec.scope import HIDDEN, Scope

MOMENT, HELD = f"{HIDDEN}moment", f"{HIDDEN}held"


@dataclass(frozen=True)
class AsOf(Described):
    """The key `as_of` of a join: match only the row that was valid at a time."""

    short: ClassVar[str] = "columns"

    columns: Mapping[str, str] = key(
        "`column here: column of the other relation`; both are dates, timestamps or integers",
        example={"sold_at": "valid_from"},
    )
    direction: Literal["backward", "forward"] = key(
        "`backward` takes the last row at or before the time, `forward` the first row at or after it",
        default="backward",
    )
    tolerance: str = key(
        "the largest distance between the two, such as `7 days` or `30 minutes`", default="", example="7 days"
    )

    @property
    def here(self) -> str:
        return next(iter(self.columns))

    @property
    def there(self) -> str:
        return self.columns[self.here]

    def verify(self, columns: Columns, other: Columns, name: str, scope: Scope) -> None:
        """Report what is wrong; `name` is the other relation."""
        if len(self.columns) != 1:
            scope.error("columns", "wrong-value", "one column here is compared with one there", "write `{here: there}`")
        at = ("columns", self.here)
        one, two = scope.column(columns, self.here, at), scope.column(other, self.there, at)
        if NULL in (one.type, two.type):
            return
        if one.type != two.type or not _is_moment(one.type):
            message = f"`{one.name}` is {one.type} here and `{two.name}` is {two.type} in `{name}`"
            fix = "both must be dates, timestamps or integers of the same type: `cast` one of them first"
            scope.error(at, "type-mismatch", message, fix)
        if self.tolerance:
            read_length(self.tolerance, one, "tolerance", scope)

    def rows(self, here: str, columns: Columns, there: str, other: Columns, pairs: list[tuple[str, str]]) -> exp.Select:
        """The rows of `there` that are valid at a time of `here`, each with that time in the hidden column `MOMENT`."""
        groups = [f"{HIDDEN}group_{index}" for index in range(len(pairs))]
        kinds = [_common(columns, mine, other, theirs) for mine, theirs in pairs]
        held = other.get(self.there)
        assert held is not None, f"`{self.there}` was lowered without being checked"
        mine = _keys(groups, (name for name, _ in pairs), kinds)
        theirs = _keys(groups, (name for _, name in pairs), kinds)
        asked = _moments(here, mine, column(self.here), cast(exp.null(), held.type))
        known = _moments(there, theirs, column(self.there), column(self.there))
        found = self._found(exp.union(asked, known, distinct=False, copy=False), groups)
        equal = [
            exp.EQ(this=column(mine, "found"), expression=column(theirs, "held"))
            for mine, theirs in ((HELD, self.there), *zip(groups, (name for _, name in pairs), strict=True))
        ]
        join = exp.Join(this=relation_table(there, "held"), kind="INNER", on=exp.and_(*equal, copy=False))
        outputs = [column(item.name, "held") for item in other]
        return exp.select(*outputs, column(MOMENT, "found")).from_(found.subquery("found", copy=False)).join(join)

    def _found(self, moments: exp.Query, groups: list[str]) -> exp.Select:
        """For each time in each group, the time of the matching row."""
        is_forward = self.direction == "forward"
        order = exp.Ordered(this=column(MOMENT), desc=is_forward, nulls_first=not is_forward)
        nearest = over(call("min" if is_forward else "max", column(HELD)), groups, order)
        names = [*groups, MOMENT]
        running = exp.select(*map(column, names), named(nearest, HELD)).from_(moments.subquery("moments", copy=False))
        found = exp.select(*map(column, [*names, HELD])).distinct().from_(running.subquery("running", copy=False))
        known: list[exp.Expr] = [exp.Not(this=column(part).is_(exp.null())) for part in (MOMENT, HELD)]
        length = Length.of(self.tolerance)
        if length is not None and is_forward:
            last = exp.Add(this=column(MOMENT), expression=length.tree)
            known.append(exp.LTE(this=column(HELD), expression=last))
        elif length is not None:
            first = exp.Sub(this=column(MOMENT), expression=length.tree)
            known.append(exp.GTE(this=column(HELD), expression=first))
        return found.where(exp.and_(*known, copy=False))


def _common(columns: Columns, mine: str, other: Columns, theirs: str) -> Type:
    one, two = columns.get(mine), other.get(theirs)
    assert one is not None and two is not None, f"`{mine}` was lowered without being checked"
    return common_type((one.type, two.type)) or one.type


def _keys(groups: Iterable[str], names: Iterable[str], kinds: Iterable[Type]) -> list[exp.Expr]:
    """The columns of a group, cast to the common type of both sides."""
    return [named(cast(column(name), kind), group) for group, name, kind in zip(groups, names, kinds, strict=True)]


def _moments(relation: str, keys: list[exp.Expr], moment: exp.Expr, held: exp.Expr) -> exp.Select:
    return exp.select(*keys, named(moment, MOMENT), named(held, HELD)).from_(relation_table(relation))


def _is_moment(kind: Type) -> bool:
    return kind in MOMENTS or kind.is_integer
