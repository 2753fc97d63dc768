"""Check an expression against the columns it may see and give every node its type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from etlrun.diagnostics import nearest
from etlrun.language.columns import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    Columns,
    Type,
    TypeTextError,
    decimal,
)
from etlrun.language.expressions import TYPE, ExpressionError, Problem, column, span, type_from_tree, word
from etlrun.language.functions import FUNCTIONS, Function, as_decimal, common_type

Names = tuple[tuple[str, Columns], ...]  # the relations an expression sees, by alias, nearest first


def check_expression(tree: exp.Expr, names: Names, text: str = "") -> exp.Expr:
    """Resolve and type `tree` and return it; `expressions.type_of` tells its type.

    Column names are respelled as declared and every node's type is kept in its `meta`.
    Raises ExpressionError with every mistake found; offsets refer to `text`.
    """
    checker = _Checker(names, text or tree.sql(dialect="spark"))
    holder = exp.Paren(this=tree)
    checker.visit(holder.this)
    if checker.problems:
        raise ExpressionError(tuple(checker.problems))
    return holder.this.pop()


def has_aggregate(tree: exp.Expr) -> bool:
    """Whether `tree` calls an aggregate outside a window."""
    if isinstance(tree, exp.Window):
        return any(has_aggregate(child) for child in _window_children(tree))
    function = FUNCTIONS.get(tree.name.lower()) if isinstance(tree, exp.Anonymous) else None
    if function and function.kind == "aggregate":
        return True
    return any(has_aggregate(child) for child in tree.iter_expressions())


def has_window(tree: exp.Expr) -> bool:
    return tree.find(exp.Window) is not None


def _window_children(tree: exp.Window) -> list[exp.Expr]:
    function = tree.this
    inside = list(function.expressions) if isinstance(function, exp.Anonymous) else [function]
    order = tree.args.get("order")
    return [*inside, *tree.args.get("partition_by", ()), *(order.expressions if order else ())]


@dataclass
class _Checker:
    names: Names
    text: str
    problems: list[Problem] = field(default_factory=list)
    in_aggregate: bool = False
    in_window: bool = False

    def visit(self, node: exp.Expr) -> Type:
        rule = RULES.get(type(node))
        kind = rule(self, node) if rule else self.refuse(node)
        node.meta[TYPE] = kind
        return kind

    def complain(self, node: exp.Expr, code: str, message: str, fix: str = "", whole: bool = True) -> Type:
        start, end = span(node, self.text) if whole else word(node, self.text)
        self.problems.append(Problem(code, message, start, end, fix))
        return NULL

    def refuse(self, node: exp.Expr) -> Type:
        if isinstance(node, (exp.Query, exp.Exists)):
            return self.complain(node, "expression-not-allowed", "a subquery cannot stand in an expression", "use a `join` step")
        if isinstance(node, exp.Alias):
            return self.complain(node, "syntax", f"`as {node.alias}` has no place here: the key names the column")
        if isinstance(node, exp.Concat):
            return self.complain(node, "syntax", "two texts stand side by side", "a quote inside a text is written \\'")
        if isinstance(node, exp.Star):
            return self.complain(node, "expression-not-allowed", "`*` stands only in count(*)")
        return self.complain(node, "expression-not-allowed", f"`{node.sql(dialect='spark')}` is not part of the expression language")

    # names

    def visit_column(self, node: exp.Expr) -> Type:
        assert isinstance(node, exp.Column)
        parts = [part.name for part in node.parts]
        found = self.find(parts)
        if found is None:
            return self.unknown_column(node, parts)
        alias, columns, rest = found
        declared = columns.get(parts[rest - 1])
        assert declared is not None
        resolved: exp.Expr = column(declared.name, alias or None)
        resolved.meta[TYPE] = kind = declared.type
        for name in parts[rest:]:
            member = next((item for item in kind.fields if item[0].lower() == name.lower()), None)
            if member is None:
                names = [item[0] for item in kind.fields]
                return self.complain(node, "unknown-column", f"`{'.'.join(parts[:rest])}` has no field `{name}`", nearest(name, names))
            kind = member[1]
            resolved = exp.Dot(this=resolved, expression=exp.to_identifier(member[0], quoted=True))
            resolved.meta[TYPE] = kind
        if isinstance(resolved, exp.Column):
            node.set("this", resolved.this)
            node.set("table", resolved.args.get("table"))
        else:
            node.replace(resolved)
        return kind

    def find(self, parts: list[str]) -> tuple[str, Columns, int] | None:
        """The alias to write, the columns, and how many parts name the column."""
        if len(parts) > 1:
            for alias, columns in self.names:
                if alias.lower() == parts[0].lower() and parts[1] in columns:
                    return alias, columns, 2
        holders = [(alias, columns) for alias, columns in self.names if parts[0] in columns]
        if not holders:
            return None
        written = holders[0][0] if len(self.names) > 1 else ""
        return written, holders[0][1], 1

    def unknown_column(self, node: exp.Column, parts: list[str]) -> Type:
        name = parts[-1] if len(parts) == 1 or any(alias.lower() == parts[0].lower() for alias, _ in self.names) else parts[0]
        choices = [item.name for _, columns in self.names for item in columns]
        shown = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
        fix = nearest(name, choices) or (f"the columns here are {shown}" if choices else "")
        return self.complain(node, "unknown-column", f"there is no column `{name}` here", fix)

    # values

    def visit_literal(self, node: exp.Expr) -> Type:
        assert isinstance(node, exp.Literal)
        if node.is_string:
            return STRING
        text = node.this
        if "e" in text.lower():
            return DOUBLE
        if "." in text:
            digits = text.replace(".", "").lstrip("0")
            scale = len(text.split(".")[1])
            return decimal(max(len(digits), scale, 1), scale)
        value = int(text)
        if value > 2**63 - 1:
            return self.complain(node, "type-mismatch", f"{text} does not fit into bigint", "cast a text: cast('...' as decimal(20,0))")
        return INT if value <= 2**31 - 1 else BIGINT

    def visit_cast(self, node: exp.Expr) -> Type:
        assert isinstance(node, exp.Cast)
        source = self.visit(node.this)
        try:
            target = type_from_tree(node.to)
        except TypeTextError as error:
            return self.complain(node, "unknown-type", str(error))
        if not castable(source, target):
            return self.complain(node, "type-mismatch", f"a {source} cannot be cast to {target}")
        from etlrun.language.expressions import data_type

        node.set("to", data_type(target))
        return target

    # operators

    def visit_boolean(self, node: exp.Expr) -> Type:
        for child in node.iter_expressions():
            kind = self.visit(child)
            if kind not in (BOOLEAN, NULL):
                self.complain(child, "type-mismatch", f"`{_word_of(node)}` joins conditions, and this is {kind}")
        return BOOLEAN

    def visit_comparison(self, node: exp.Expr) -> Type:
        self.comparable([child for child in node.iter_expressions()], node)
        return BOOLEAN

    def comparable(self, operands: list[exp.Expr], node: exp.Expr) -> Type:
        """Type operands that are compared or chosen among; a text literal beside a date is read as a date."""
        types = [self.visit(operand) for operand in operands]
        moments = [kind for kind in types if kind in (DATE, TIMESTAMP)]
        if moments:
            types = [self.as_moment(operand, kind, moments[0]) for operand, kind in zip(operands, types, strict=True)]
        shared = common_type(types)
        if shared is None:
            names = " and ".join(dict.fromkeys(str(kind) for kind in types if kind != NULL))
            return self.complain(node, "type-mismatch", f"{names} do not compare", "cast one of them")
        return shared

    def as_moment(self, operand: exp.Expr, kind: Type, moment: Type) -> Type:
        if kind != STRING or not isinstance(operand, exp.Literal):
            return kind
        replacement = exp.Cast(this=operand.copy(), to=exp.DataType.build(str(moment).replace("timestamp", "timestamp_ntz"), dialect="spark"))
        replacement.this.meta[TYPE] = STRING
        replacement.meta[TYPE] = moment
        if not _is_moment(operand.this, moment):
            return self.complain(operand, "type-mismatch", f"'{operand.this}' is not a {moment}", f"write it as {_EXAMPLES[moment]}")
        operand.replace(replacement)
        return moment

    def visit_arithmetic(self, node: exp.Expr) -> Type:
        left, right = self.visit(node.this), self.visit(node.expression)
        for child, kind in ((node.this, left), (node.expression, right)):
            if not kind.is_numeric and kind != NULL:
                fix = "use date_add or datediff" if kind in (DATE, TIMESTAMP) else "cast it to a number"
                return self.complain(child, "type-mismatch", f"arithmetic needs numbers, and this is {kind}", fix)
        if isinstance(node, exp.Div):
            return DOUBLE
        shared = common_type((left, right)) or NULL
        if isinstance(node, exp.IntDiv):
            return BIGINT
        if shared.name == "decimal":
            return _decimal_arithmetic(node, as_decimal(left), as_decimal(right))
        return shared

    def visit_negation(self, node: exp.Expr) -> Type:
        kind = self.visit(node.this)
        if not kind.is_numeric:
            return self.complain(node, "type-mismatch", f"`-` needs a number, and this is {kind}")
        return kind

    def visit_bitwise(self, node: exp.Expr) -> Type:
        types = [self.visit(child) for child in node.iter_expressions()]
        if not all(kind.is_integer for kind in types):
            return self.complain(node, "type-mismatch", "bitwise operators need integers")
        return common_type(types) or types[0]

    def visit_text(self, node: exp.Expr) -> Type:
        for child in node.iter_expressions():
            kind = self.visit(child)
            if kind not in (STRING, NULL):
                self.complain(child, "type-mismatch", f"text is wanted here, and this is {kind}", "cast it to string")
        return STRING if isinstance(node, exp.DPipe) else BOOLEAN

    def visit_pattern(self, node: exp.Expr) -> Type:
        self.visit_text(node)
        if not isinstance(node.expression, (exp.Literal, exp.RawString)):
            self.complain(node, "expression-not-allowed", "a pattern must be a literal text")
        return BOOLEAN

    def visit_is(self, node: exp.Expr) -> Type:
        kind = self.visit(node.this)
        if not isinstance(node.expression, exp.Null) and kind not in (BOOLEAN, NULL):
            return self.complain(node, "type-mismatch", f"`is true` needs a condition, and this is {kind}")
        self.visit(node.expression)
        return BOOLEAN

    def visit_in(self, node: exp.Expr) -> Type:
        if node.args.get("query") or node.args.get("field") or node.args.get("unnest"):
            return self.complain(node, "expression-not-allowed", "`in` takes a list of values", "use a `join` step for a relation")
        self.comparable([node.this, *node.expressions], node)
        return BOOLEAN

    def visit_case(self, node: exp.Expr) -> Type:
        assert isinstance(node, exp.Case)
        branches = list(node.args["ifs"])
        if node.this:
            self.comparable([node.this, *(branch.this for branch in branches)], node)
        else:
            for branch in branches:
                kind = self.visit(branch.this)
                if kind not in (BOOLEAN, NULL):
                    self.complain(branch.this, "type-mismatch", f"`when` needs a condition, and this is {kind}")
        results = [branch.args["true"] for branch in branches]
        default = node.args.get("default")
        return self.comparable([*results, *([default] if default else [])], node)

    # calls

    def visit_call(self, node: exp.Expr) -> Type:
        assert isinstance(node, exp.Anonymous)
        function = FUNCTIONS.get(node.name.lower())
        if function is None:
            for argument in node.expressions:
                if not isinstance(argument, (exp.Star, exp.Lambda, exp.Distinct)):
                    self.visit(argument)
            return self.unknown_function(node)
        if function.kind == "window" and not self.in_window:
            self.complain(node, "not-allowed-here", f"`{function.name}` needs `over (order by ...)`", whole=False)
        if function.kind == "aggregate" and self.in_aggregate and not self.in_window:
            self.complain(node, "not-allowed-here", f"`{function.name}` stands inside another aggregate", whole=False)
        return self.typed_call(node, function)

    def typed_call(self, node: exp.Anonymous, function: Function) -> Type:
        arguments = list(node.expressions)
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            if not function.distinct:
                self.complain(node, "not-allowed-here", f"`{function.name}` has no `distinct`", whole=False)
            arguments = list(arguments[0].expressions)
        if function.name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            return BIGINT
        outside, in_window = self.in_aggregate, self.in_window
        self.in_aggregate, self.in_window = outside or (function.kind == "aggregate" and not in_window), False
        types = self.argument_types(node, function, arguments)
        self.in_aggregate, self.in_window = outside, in_window
        if types is None:
            return NULL
        return function.gives if isinstance(function.gives, Type) else function.gives(types)

    def argument_types(self, node: exp.Anonymous, function: Function, arguments: list[exp.Expr]) -> tuple[Type, ...] | None:
        wanted = _expand(function.takes, len(arguments))
        if wanted is None:
            self.complain(node, "wrong-arguments", f"`{function.name}` takes {_signature(function)}, not {len(arguments)} arguments", whole=False)
            return None
        same = [argument for argument, kind in zip(arguments, wanted, strict=True) if kind == "same"]
        before = len(self.problems)
        if same:
            self.comparable(same, node)
        for argument, kind in zip(arguments, wanted, strict=True):
            if kind == "same":
                continue
            if kind.startswith("=") and not isinstance(argument, (exp.Literal, exp.RawString, exp.Neg)):
                self.complain(argument, "wrong-arguments", f"`{function.name}` wants a literal here")
            found = self.visit(argument)
            if not _accepts(kind.lstrip("="), found):
                self.complain(argument, "type-mismatch", f"`{function.name}` needs {_A[kind.lstrip('=')]} here, and this is {found}")
        if len(self.problems) > before:
            return None
        current = node.expressions[0].expressions if node.expressions and isinstance(node.expressions[0], exp.Distinct) else node.expressions
        return tuple(argument.meta.get(TYPE, NULL) for argument in current)

    def unknown_function(self, node: exp.Anonymous) -> Type:
        name = node.name.lower()
        fix = nearest(name, tuple(FUNCTIONS)) or "`etlrun schema --functions` lists what there is"
        message = f"there is no function `{node.name}`"
        if name in NOT_DETERMINISTIC:
            message, fix = f"`{node.name}` gives another answer at every run", NOT_DETERMINISTIC[name]
        return self.complain(node, "unknown-function", message, fix, whole=False)

    def visit_window(self, node: exp.Expr) -> Type:
        assert isinstance(node, exp.Window)
        for part in node.args.get("partition_by", ()):
            self.visit(part)
        order = node.args.get("order")
        for item in order.expressions if order else ():
            self.visit(item.this)
        function = FUNCTIONS.get(node.this.name.lower()) if isinstance(node.this, exp.Anonymous) else None
        if function and function.ordered and not order:
            self.complain(node, "no-total-order", f"`{function.name}` needs `order by`: without it the answer depends on row order")
        self.in_window = True
        kind = self.visit(node.this)
        self.in_window = False
        return kind

    def visit_filter(self, node: exp.Expr) -> Type:
        condition = self.visit(node.expression.this)
        if condition not in (BOOLEAN, NULL):
            self.complain(node.expression, "type-mismatch", f"`filter (where ...)` needs a condition, and this is {condition}")
        return self.visit(node.this)

    def visit_index(self, node: exp.Expr) -> Type:
        kind = self.visit(node.this)
        for index in node.expressions:
            self.visit(index)
        if kind.element is None:
            return self.complain(node, "type-mismatch", f"`[...]` needs an array, and this is {kind}")
        return kind.element


def castable(source: Type, target: Type) -> bool:
    """Whether CAST means the same on both engines. Text of a double and boolean of a text do not."""
    if source == NULL or source == target:
        return True
    if target.name == "string":
        return source.name in ("boolean", "decimal", "date", "timestamp") or source.is_integer
    if target.is_numeric:
        return source.is_numeric or source.name in ("string", "boolean")
    if target.name in ("date", "timestamp"):
        return source.name in ("string", "date", "timestamp")
    return target.name == "boolean" and source.is_integer


def _expand(takes: tuple[str, ...], count: int) -> list[str] | None:
    wanted: list[str] = []
    for position, kind in enumerate(takes):
        if kind.endswith("*"):
            rest = len(takes) - position - 1
            wanted.extend([kind[:-1]] * max(0, count - len(wanted) - rest))
        elif not kind.endswith("?") or len(wanted) < count:
            wanted.append(kind.rstrip("?"))
    return wanted if len(wanted) == count else None


def _accepts(wanted: str, found: Type) -> bool:
    if wanted == "any" or found == NULL:
        return True
    if wanted == "integer":
        return found.is_integer
    if wanted == "numeric":
        return found.is_numeric
    if wanted == "moment":
        return found in (DATE, TIMESTAMP)
    if wanted == "orderable":
        return found.is_orderable
    return found.name == wanted


def _signature(function: Function) -> str:
    return "(" + ", ".join(kind.lstrip("=") for kind in function.takes) + ")"


def _word_of(node: exp.Expr) -> str:
    return {exp.And: "and", exp.Or: "or", exp.Not: "not"}.get(type(node), "condition")


def _decimal_arithmetic(node: exp.Expr, left: Type, right: Type) -> Type:
    """Spark's rules for +, -, * and % of decimals, cut at 38 digits."""
    if isinstance(node, exp.Mul):
        return decimal(min(38, left.precision + right.precision + 1), min(38, left.scale + right.scale))
    scale = max(left.scale, right.scale)
    whole = max(left.precision - left.scale, right.precision - right.scale)
    if isinstance(node, exp.Mod):
        return decimal(min(38, min(left.precision - left.scale, right.precision - right.scale) + scale), scale)
    return decimal(min(38, whole + scale + 1), scale)


def _is_moment(text: str, moment: Type) -> bool:
    import datetime

    try:
        (datetime.date if moment == DATE else datetime.datetime).fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10 or moment == TIMESTAMP


_EXAMPLES = {DATE: "'2022-04-30'", TIMESTAMP: "'2022-04-30 20:15:00'"}
_A = {
    "string": "text", "integer": "a whole number", "numeric": "a number", "boolean": "a condition", "date": "a date",
    "timestamp": "a timestamp", "moment": "a date or timestamp", "array": "an array", "orderable": "a value that has an order",
}  # fmt: skip
NOT_DETERMINISTIC = {
    "rand": "", "random": "", "uuid": "", "shuffle": "", "monotonically_increasing_id": "",
    "current_date": "declare a param of type date and use $name", "now": "declare a param of type timestamp and use $name",
    "current_timestamp": "declare a param of type timestamp and use $name",
    "first": "use `max_by`, `min_by` or a `top` step, which say which row comes first", "last": "use `max_by` or `min_by`",
    "first_value": "use `min_by(value, order)`", "last_value": "use `max_by(value, order)`", "any_value": "use `min` or `max`",
    "collect_list": "use `sort_array(collect_set(x))`",
}  # fmt: skip

Rule = Callable[[_Checker, exp.Expr], Type]
RULES: dict[type[exp.Expr], Rule] = {
    exp.Column: _Checker.visit_column,
    exp.Literal: _Checker.visit_literal,
    exp.RawString: lambda checker, node: STRING,
    exp.Boolean: lambda checker, node: BOOLEAN,
    exp.Null: lambda checker, node: NULL,
    exp.Paren: lambda checker, node: checker.visit(node.this),
    exp.Cast: _Checker.visit_cast,
    exp.TryCast: _Checker.visit_cast,
    exp.Case: _Checker.visit_case,
    exp.Is: _Checker.visit_is,
    exp.In: _Checker.visit_in,
    exp.Neg: _Checker.visit_negation,
    exp.DPipe: _Checker.visit_text,
    exp.Like: _Checker.visit_pattern,
    exp.RegexpLike: _Checker.visit_pattern,
    exp.Anonymous: _Checker.visit_call,
    exp.Window: _Checker.visit_window,
    exp.Filter: _Checker.visit_filter,
    exp.Bracket: _Checker.visit_index,
    **dict.fromkeys((exp.And, exp.Or, exp.Not), _Checker.visit_boolean),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between), _Checker.visit_comparison),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod), _Checker.visit_arithmetic),
    **dict.fromkeys((exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot), _Checker.visit_bitwise),
}  # fmt: skip
