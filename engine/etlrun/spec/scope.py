"""The context of one kind while it is checked and compiled: names, mappings and params, and the list for its mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sqlglot import exp

from etlrun.diagnostics import Diagnostic, SpecError, closest, nearest
from etlrun.language.checking import typed_null
from etlrun.language.columns import BOOLEAN, LABEL, NULL, SCALARS, Column, Columns, Group, Type
from etlrun.language.expressions import ExpressionError, bind, parse, parse_ordering, type_of
from etlrun.language.groups import spread_groups
from etlrun.language.reserved import reserved_columns
from etlrun.language.spans import mark_spans
from etlrun.language.type_names import type_fix
from etlrun.language.type_texts import SPELLINGS, TypeTextError, parse_type
from etlrun.language.typed import Names, check_expression, has_aggregate, has_window
from etlrun.spec.building import Origin
from etlrun.spec.fields import Expr
from etlrun.spec.located import Keys
from etlrun.spec.mappings import Mapping as LabelMapping
from etlrun.spec.paths import Places, where_to_put
from etlrun.spec.published import NO_PUBLISHERS, CircularPipelinesError, PublishedTable, Publishers
from etlrun.spec.sight import Sight

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")


def is_column_name(name: str) -> bool:
    """Whether a column may have this name."""
    is_ours = name.startswith(HIDDEN) or LABEL in name
    return 0 < len(name) <= 64 and not is_ours and all(ord(character) >= 32 for character in name)


HIDDEN = "__etlrun_"  # columns that the compiler adds to carry its own sums; no sink writes them
At = str | Keys


@dataclass
class Scope:
    """The context of one kind in its pipeline, and the list for its mistakes.

    `base` is the place of the kind in its file; `at` arguments are paths below it, in terms of fields.
    """

    origin: Origin
    base: Keys
    params: Mapping[str, Any]
    relations: Mapping[str, Columns]
    mappings: Callable[[str], LabelMapping | None]
    mapping_names: Callable[[], tuple[str, ...]] = tuple
    problems: list[Diagnostic] = field(default_factory=list)
    places: Places = Places(Path())
    relation_names: tuple[str, ...] = ()
    sight: Sight = field(default_factory=Sight)
    publishers: Publishers = NO_PUBLISHERS

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.places.project

    def below(self, *at: str | int) -> Scope:
        """The same scope, further down the file; problems go to the same list."""
        return replace(self, base=(*self.base, *at))

    def error(self, at: At, code: str, message: str, fix: str = "") -> None:
        if not self.sight.hides(code, message):
            self.problems.append(self.origin.document.diagnose(self.place(at), code, message, fix))

    def error_at_key(self, at: At, code: str, message: str, fix: str = "") -> None:
        if not self.sight.hides(code, message):
            self.problems.append(self.origin.document.diagnose_key(self.place(at), code, message, fix))

    def place(self, at: At) -> Keys:
        path = (at,) if isinstance(at, str) else at
        return self.origin.in_file((*self.base, *path) if at else self.base)

    def written(self, at: At) -> Any:
        """The value in the file at `at`."""
        value = self.origin.document.value
        for part in self.place(at):
            value = value[part]
        return value

    # names

    def column(self, columns: Columns, name: str, at: At) -> Column:
        """The column of that name. If it does not exist, report a mistake, and return the probable column or one of unknown type."""
        found = columns.get(name)
        if found and LABEL not in name:
            return found
        known = [known for known in columns.names if LABEL not in known]
        meant = columns.get(closest(name, known) or "")
        shown = ", ".join(columns.names[:12]) + (", ..." if len(columns) > 12 else "")
        fix = nearest(name, known) or (f"the columns here are {shown}" if shown else "")
        is_key = at[-1:] == (name,) and self.written(at) != name
        report = self.error_at_key if is_key else self.error
        report(at, "unknown-column", f"there is no column `{name}` here", fix)
        return replace(meant, misspelled=name) if meant else Column(name, NULL)

    def parts(self, columns: Columns, names: tuple[str, ...], at: str) -> tuple[Column, ...]:
        """The columns to group by, each named once; columns that cannot be compared are mistakes."""
        found = self.keys(columns, names, at)
        for index, item in enumerate(found):
            if not item.type.is_orderable:
                message = f"`{item.name}` is {item.type}, which cannot be compared for equality on every engine"
                self.error((at, index), "type-mismatch", message, "group by its elements or fields")
        return found

    def keys(self, columns: Columns, names: tuple[str, ...], at: str) -> tuple[Column, ...]:
        """The columns of a list of names; duplicates are mistakes."""
        seen = [name.lower() for name in names]
        for index, name in enumerate(seen):
            if name in seen[:index]:
                self.error((at, index), "column-exists", f"`{names[index]}` is defined twice", "remove one of them")
        return tuple(self.column(columns, name, (at, index)) for index, name in enumerate(names))

    def new_column(self, columns: Columns, name: str, at: At, *, is_key: bool = False) -> None:
        """Report a `name` of a new column that exists already, or is not valid."""
        report = self.error_at_key if is_key else self.error
        if not is_column_name(name):
            fix = "use 1 to 64 characters, without control characters"
            if LABEL in name:
                fix = f"leave `{LABEL}` out: it stands for the labels of a pivot"
            report(at, "bad-name", f"`{name}` cannot be the name of a column", fix)
        found = columns.get(name)
        if found and not found.misspelled:  # then the probable column is only a guess
            report(
                at,
                "column-exists",
                f"a column `{found.name}` already exists",
                "choose another name, or `drop` or `rename` the old column first",
            )

    def relation(self, name: str, at: At) -> Columns:
        """The columns of a relation. If it does not exist, report a mistake, and return those of the probable relation or none."""
        if name in self.relations:
            return self.relations[name]
        known = [found for found in self.relation_names or self.relations if self.base[:2] != ("steps", found)]
        fix = nearest(name, known) or ("the relations are " + ", ".join(known) if known else "")
        self.error(at, "unknown-relation", f"there is no source or step chain `{name}`", fix)
        meant = self.relations.get(closest(name, known) or "")
        self.sight.is_blind |= meant is None
        return meant or Columns(())

    def group(self, columns: Columns, name: str, at: At) -> Group | None:
        found = columns.group(name)
        if found is None:
            groups = tuple(group.name for group in columns.groups)
            fix = nearest(name, groups) or (
                f"the groups here are {', '.join(groups)}" if groups else "create one with `as:` in a `pivot`"
            )
            self.error(at, "unknown-group", f"there is no column group `{name}` here", fix)
        return found

    def mapping(self, name: str, at: At) -> LabelMapping | None:
        found = self.mappings(name)
        if found is None:
            names = self.mapping_names()
            fix = nearest(name, names) or where_to_put(name, "mappings", ".yaml")
            self.error(at, "unknown-mapping", f"there is no mapping `{name}`", fix)
            meant = closest(name, names)
            found = self.mappings(meant) if meant else None
            self.sight.is_blind |= found is None
        return found

    def published(self, pipeline: str, sink: str) -> PublishedTable | None:
        """The table that a sink of another pipeline publishes, or its only table; if there is none, a mistake at `pipeline` or `sink`."""
        before = len(self.problems)
        try:
            tables = self.publishers.tables_of(pipeline)
        except SpecError as error:
            self.problems.extend(error.diagnostics)
        except CircularPipelinesError as error:
            path = " -> ".join(f"`{name}`" for name in error.names)
            fix = (
                "name its connection, table and columns instead"
                if len(error.names) == 2
                else "read another table in one of them"
            )
            self.error("pipeline", "cycle", f"pipelines depend on each other: {path}", fix)
        else:
            if tables is None:
                known = self.publishers.names()
                fix = nearest(pipeline, known) or "the pipelines are " + (", ".join(known) or "none")
                self.error("pipeline", "unknown-pipeline", f"there is no pipeline `{pipeline}` in pipelines/", fix)
            elif not sink and len(tables) == 1:
                return next(iter(tables.values()))
            elif sink in tables:
                return tables[sink]
            else:
                message = (
                    f"`{pipeline}` has no sink `{sink}` that publishes a table"
                    if sink
                    else f"`{pipeline}` publishes {len(tables)} tables"
                )
                fix = nearest(sink, tables) or (
                    "its table sinks are " + ", ".join(tables) if tables else "add a sink `table` there"
                )
                self.error("sink" if sink else "pipeline", "unknown-sink", message, fix)
        self.sight.is_blind = len(self.problems) > before
        return None

    def type(self, text: str, at: At) -> Type:
        try:
            return parse_type(text)
        except TypeTextError as error:
            fix = nearest(error.name, (*SCALARS, *SPELLINGS)) or "the types are " + ", ".join(SCALARS)
            plain = fix if f"`{error.name}` is not a type" == str(error) else ""
            self.error(at, "unknown-type", str(error), type_fix(text) or type_fix(error.name) or plain)
            return NULL

    # expressions

    def tree(
        self,
        seen: Columns | Names,
        expression: Expr,
        at: At,
        *,
        may: Literal["scalar", "aggregate", "window"] = "scalar",
        adapt: Callable[[exp.Expr], exp.Expr] | None = None,
        wanted: Type | None = None,
    ) -> exp.Expr | None:
        """Parse, bind and type an expression; None if it has mistakes, which are reported at their words.

        `adapt` may change the parsed tree before its names and types are checked, and raise ExpressionError.
        """
        names: Names = (("", seen),) if isinstance(seen, Columns) else seen
        if LABEL in expression and any(columns.awaits_labels for _, columns in names):
            self.error(at, "unknown-column", f"no expression can use the columns of `{LABEL}`")
            return None
        try:
            bound = bind(parse(expression), self.params, expression)
            adapted = adapt(bound) if adapt else bound
            spread = spread_groups(adapted, names, over_rows=may != "scalar")
            tree = check_expression(spread, names, expression, wanted)
        except ExpressionError as error:
            self.report(error, at, expression, [columns for _, columns in names])
            return None
        if isinstance(tree, exp.Null):
            self.error(at, "type-mismatch", "`null` alone has no type", typed_null(wanted))
            return None
        mark_spans(tree, self.place(at), expression)
        return tree if self.may_stand(tree, at, may) else None

    def ordering(self, columns: Columns, expression: Expr, at: At) -> exp.Ordered | None:
        """Parse and type one `column desc`; None if it has mistakes."""
        try:
            ordered = parse_ordering(expression)
            bound = spread_groups(bind(ordered.this, self.params, expression), (("", columns),))
            ordered.set("this", check_expression(bound, (("", columns),), expression))
        except ExpressionError as error:
            self.report(error, at, expression, [columns])
            return None
        kind = type_of(ordered.this)
        if not kind.is_orderable or isinstance(ordered.this, exp.Null):
            self.error(at, "type-mismatch", f"{kind} has no order", "order by its elements or fields")
            return None
        mark_spans(ordered, self.place(at), expression)
        return ordered

    def report(self, error: ExpressionError, at: At, expression: str = "", seen: Iterable[Columns] = ()) -> None:
        """Report the mistakes of an expression over the columns `seen`."""
        place, columns = self.place(at), list(seen)
        for problem in error.problems:
            if self.sight.hides(problem.code, expression or problem.message):
                continue
            is_unread = problem.code in ("syntax", "expression-not-allowed")
            fix = (is_unread and reserved_columns(expression, columns)) or problem.fix
            self.problems.append(
                self.origin.document.diagnose_inside(
                    place, problem.start, problem.end, problem.code, problem.message, fix
                )
            )

    def may_stand(self, tree: exp.Expr, at: At, may: str) -> bool:
        if may != "aggregate" and has_aggregate(tree):
            self.error(at, "not-allowed-here", "an aggregate is not allowed here", "use an `aggregate` step")
            return False
        if may != "window" and has_window(tree):
            self.error(at, "not-allowed-here", "a window function is not allowed here", "use a `window` step")
            return False
        return True

    def condition(self, seen: Columns | Names, expression: Expr, at: At) -> exp.Expr | None:
        """Like `tree`, for an expression that must be true or false."""
        tree = self.tree(seen, expression, at, wanted=BOOLEAN)
        if tree is None or type_of(tree).name in ("boolean", "null"):
            return tree
        self.error(
            at,
            "type-mismatch",
            f"a condition is expected here, but this is {type_of(tree)}",
            "compare it with a value",
        )
        return None
