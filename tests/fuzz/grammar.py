"""Random expressions that pass the checker, grown from the function table and the operators: each new one is built of those before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from sqlglot import exp

from etlrun.language.calls import accepts
from etlrun.language.columns import BOOLEAN, NULL, STRING, Columns, Type
from etlrun.language.expressions import ExpressionError, parse, type_of
from etlrun.language.functions import ROWS, Function
from etlrun.language.type_texts import parse_type
from etlrun.language.typed import check_expression

from .rows import TEXTS

EXACT = tuple(row for row in ROWS if not row.tolerance)  # the others differ in their last digits
GROWING = ("lpad", "rpad", "repeat")  # whose length must be small, or the memory is full
INSIDE = ("element", "key")  # operands whose type is that of what the operand before them holds
LONGEST = 400  # characters of an expression
# A function or operator with the kinds of its operands, as the function table names them.
OPERATORS: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((f"{{}} {sign} {{}}", ("numeric", "numeric")) for sign in ("+", "-", "*", "/", "%")),
    ("{} div {}", ("integer", "integer")),
    *((f"{{}} {sign} {{}}", ("integer", "integer")) for sign in ("&", "|", "^")),
    ("~{}", ("integer",)),
    ("-{}", ("numeric",)),
    *((f"{{}} {sign} {{}}", ("same", "same")) for sign in ("=", "<>", "<", "<=", ">", ">=", "<=>")),
    ("{} between {} and {}", ("same", "same", "same")),
    ("{} not between {} and {}", ("same", "same", "same")),
    ("{} in ({}, {})", ("same", "same", "same")),
    ("{} not in ({}, {}, {})", ("same", "same", "same", "same")),
    ("{} in (" + ", ".join(["{}"] * 12) + ")", ("same",) * 13),
    ("{} and {}", ("boolean", "boolean")),
    ("{} or {}", ("boolean", "boolean")),
    ("not {}", ("boolean",)),
    ("{} is null", ("any",)),
    ("{} is not null", ("any",)),
    ("{} is true", ("boolean",)),
    ("{} is not false", ("boolean",)),
    ("{} || {}", ("string", "string")),
    ("{} like {}", ("string", "=string")),
    ("{} rlike {}", ("string", "=string")),
    ("case when {} then {} when {} then {} else {} end", ("boolean", "same", "boolean", "same", "same")),
    ("case when {} then {} end", ("boolean", "any")),
    ("case {} when {} then {} else {} end", ("orderable", "orderable", "any", "any")),
    ("{}[{}]", ("array", "integer")),
    ("{}[{}]", ("map", "key")),
    ("element_at({}, {})", ("map", "key")),
    ("try_element_at({}, {})", ("map", "key")),
    ("size({})", ("map",)),
    *((f"{{}}.{name}", ("struct",)) for name in ("a", "`b c`", "d", "e", "key", "value")),
    ("{} is distinct from {}", ("same", "same")),
    ("{} is not distinct from {}", ("same", "same")),
    *((f"{{}} + interval {span}", ("clock",)) for span in ("3 days", "36 hours", "-1 second")),
    *((f"{{}} - interval {span}", ("moment",)) for span in ("1 month", "2 years", "7 weeks")),
    *((f"extract({part} from {{}})", ("moment",)) for part in ("quarter", "week", "doy")),
)
TYPES = tuple(map(parse_type, ("boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal(10,2)", "decimal(38,10)", "decimal(38,0)", "decimal(5,5)", "decimal(38,37)", "string", "date", "timestamp", "timestamptz")))  # fmt: skip
PATTERNS = ("'[a-c]+'", "'(,|;)'", r"r'(\d)\d*'", r"r'\s'", "'(ế|🍥|.)'", "'(a)|b$'", "'^a'", "'é'", r"r'[\w-]{2}'", "'%a_'", "'a%'", r"'\\%%'", "'_'")  # fmt: skip
UNITS = ("'year'", "'quarter'", "'MONTH'", "'week'", "'day'", "'hour'", "'minute'", "'second'")
CLOCKS = ("'yyyy-MM-dd'", "'yyyyMMdd'", "'yyyy-MM-dd HH:mm:ss'", "'dd/MM/yyyy HH:mm'", "\"yyyy-MM-dd'T'HH:mm:ss\"", "'yyyy'", "'HH:mm yyyy'", "'yyyyMMddHHmmssSSS'", "'E d MMM yyyy'", "'yyyy-MM-dd HH:mm:ss.SSSSSS'", "'hh a DDD'")  # fmt: skip
ZONES = (
    "'UTC'",
    "'Asia/Ho_Chi_Minh'",
    "'Europe/Berlin'",
    "'America/New_York'",
    "'Australia/Lord_Howe'",
    "'Asia/Kathmandu'",
)
WHOLES = ("0", "1", "2", "3", "5", "7", "-1", "-2", "-7", "20", "31", "63", "64", "256", "100", "2147483647", "-2147483648", "9223372036854775807", "1Y", "1S", "1L")  # fmt: skip
OTHER_LITERALS = {
    "double": ("0D", "-0D", "1.5D", "1e300", "1e-310", "-2.5D", "cast('nan' as double)", "cast('-inf' as double)"),
    "decimal": ("0.0", "-0.5", "1.50", "99999999.99", "0.00001", "123456789012345678901234567890.5"),
    "boolean": ("true", "false"),
    "date": ("date'2024-02-29'", "date'0001-01-01'", "date'9999-12-31'", "date'2021-01-03'"),
    "timestamp": ("timestamp'2024-02-29 20:30:00'", "timestamp'0001-01-01 00:00:00'", "timestamp'9999-12-31 23:59:59.999999'"),
    "timestamptz": ("cast('2024-02-29 20:30:00+07:00' as timestamptz)", "cast('0001-01-02 00:00:00Z' as timestamptz)", "cast('9999-12-30 23:59:59.999999Z' as timestamptz)"),
    "map": ("cast(null as map<string, bigint>)", "cast(null as map<int, double>)"),
    "struct": ("cast(null as struct<a: int>)",),
    "array": ("array('a', null, '')", "array(1, 2, 2)", "array(0D, -0D)", "split('a,b,', ',')"),
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A checked expression: its text, its type and its tree."""

    text: str
    type: Type
    tree: exp.Expr

    def inside(self) -> str:
        """The text as part of another expression."""
        is_whole = re.fullmatch(r"\w+|\d+\.\d+|'[^'\\]*'|\w+\([^()]*\)", self.text)
        return self.text if is_whole else f"({self.text})"


class Grammar:
    """Grows pieces over the columns of a relation."""

    def __init__(self, random: Random, columns: Columns) -> None:
        self.random = random
        self.columns = columns
        self.pieces: list[Piece] = []
        for item in columns:
            self.pieces.extend(self.made(item.name))
        self.leaves = list(self.pieces)

    def grow(self, count: int) -> list[Piece]:
        """Up to `count` new scalar expressions; the later ones are the deeper ones."""
        made: list[Piece] = []
        for _ in range(count * 4):
            if len(made) >= count:
                break
            made.extend(self.made(self._scalar()))
            self.pieces[len(self.leaves) :] = made
        return made

    def aggregates(self, count: int) -> list[Piece]:
        """Expressions of whole groups; sums of doubles only where their digits do not depend on the order of rows."""
        made = self._calls(count, "aggregate", self._aggregate)
        outer = Grammar(self.random, Columns(()))
        outer.pieces, outer.columns = list(made), self.columns
        return [*made, *(piece for piece in outer.grow(count // 2) if piece.tree.find(exp.Anonymous, exp.Filter))]

    def windows(self, count: int) -> list[Piece]:
        """Expressions of the rows around a row, under an order without ties."""
        return self._calls(count, "", self._window)

    def conditions(self) -> list[str]:
        return [piece.text for piece in self.pieces if piece.type == BOOLEAN] or ["true"]

    def _calls(self, count: int, kind: str, make: Callable[[Function], str]) -> list[Piece]:
        rows = [row for row in EXACT if row.kind != "scalar" and (not kind or row.kind == kind)]
        made: list[Piece] = []
        for _ in range(count * 4):
            if len(made) >= count:
                break
            made.extend(self.made(make(self.random.choice(rows))))
        return made

    def _scalar(self) -> str:
        if self.random.random() < 0.5:
            row = self.random.choice([row for row in EXACT if row.kind == "scalar"])
            return self.call(row)
        if self.random.random() < 0.3:
            word = self.random.choice(("cast", "try_cast"))
            return f"{word}({self._operand('any', []).text} as {self.random.choice(TYPES)})"
        template, kinds = self.random.choice(OPERATORS)
        return template.format(*self._operands(kinds))

    def call(self, row: Function, null_at: int = -1) -> str:
        """A call of a function, under one of its names; with a null at one place, where that is asked for."""
        kinds: list[str] = []
        for kind in row.takes:
            few = [1] if null_at >= 0 else [0, 1, 2] if kind.endswith("*") else [0, 1, 1]
            kinds.extend([kind.rstrip("*?")] * (self.random.choice(few) if kind[-1] in "*?" else 1))
        operands = self._operands(kinds)
        if row.name in GROWING:
            operands[1] = self.random.choice(["0", "1", "3", "-1", "7", "null"])
        if 0 <= null_at < len(operands):
            operands[null_at] = "null"
        return f"{self.random.choice((row.name, *row.aliases))}({', '.join(operands)})"

    def whole_call(self, row: Function, null_at: int = -1, over: str = "") -> str:
        """A call as it can stand alone, over a window or not."""
        if row.kind != "aggregate":
            return self.call(row, null_at) + over
        text = self._aggregate(row, null_at)
        return f"{text.removesuffix(')')}{over})" if row.name.startswith("collect") else text + over

    def _aggregate(self, row: Function, null_at: int = -1) -> str:
        text = self.call(row, null_at)
        if row.name == "count" and text.endswith("()"):
            text = "count(*)"
        if row.distinct and self.random.random() < 0.3 and text != "count(*)":
            text = text.replace("(", "(distinct ", 1)
        if row.name in ("sum", "avg"):
            text = re.sub(r"\(.*\)", lambda found: self._exact(found.group()), text, flags=re.DOTALL)
        if self.random.random() < 0.2:
            text = f"{text} filter (where {self.random.choice(self.conditions())})"
        return f"sort_array({text})" if row.name.startswith("collect") else text

    def _exact(self, inside: str) -> str:
        """The operand of a sum; column `e` where it could be a double of many digits."""
        try:
            kind = type_of(check_expression(parse(inside.replace("(distinct ", "(")), (("", self.columns),)))
        except ExpressionError:
            return inside
        return inside if kind.name not in ("double", "float") or "e" not in self.columns else "(e)"

    def _window(self, row: Function) -> str:
        text = self._aggregate(row) if row.kind == "aggregate" else self.call(row)
        if row.name.startswith("collect"):
            text = text.removeprefix("sort_array(").removesuffix(")")
        text = text.replace("(distinct ", "(")
        keys = [piece.text for piece in self.pieces if piece.type.is_orderable and piece.type != NULL]
        part = f"partition by {self.random.choice(keys)} " if self.random.random() < 0.7 else ""
        turn = self.random.choice(["", " desc", " asc nulls last", " desc nulls first"])
        order = (
            f"order by {self.random.choice(keys)}{turn}, k"
            if row.kind == "window" or self.random.random() < 0.7
            else ""
        )
        frames = ["", "", "rows between 2 preceding and 1 following", "rows between unbounded preceding and current row", "rows between 1 following and 3 following"]  # fmt: skip
        frame = self.random.choice(frames) if order and (row.kind == "aggregate" or row.name.endswith("_value")) else ""
        skips = " ignore nulls" if row.skips_nulls and self.random.random() < 0.4 else ""
        whole = f"{text}{skips} over ({part}{order} {frame})"
        return f"sort_array({whole})" if row.name.startswith("collect") else whole

    def _operands(self, kinds: Iterable[str]) -> list[str]:
        chosen: list[Piece] = []
        like: Piece | None = None
        for kind in kinds:
            piece = self._operand(kind, [like] if kind == "same" and like else chosen[-1:] if kind in INSIDE else [])
            like = piece if kind == "same" and like is None else like
            chosen.append(piece)
        return [piece.inside() for piece in chosen]

    def _operand(self, kind: str, like: list[Piece]) -> Piece:
        if kind.startswith("="):
            return self._plain(self.literal(kind[1:]), NULL)
        if self.random.random() < 0.06:
            return self._plain("null", NULL)
        wanted = like[0].type if like else None
        if kind in INSIDE and wanted is not None:
            inside = wanted.entry[0] if wanted.entry is not None else wanted.element
            wanted, kind = inside or STRING, "any"
        if kind == "same":
            kind = "any"
        found = [
            piece
            for piece in (self.leaves if self.random.random() < 0.5 else self.pieces) or self.pieces
            if accepts(kind, piece.type) and (wanted is None or piece.type == wanted or self.random.random() < 0.05)
        ]
        if found and self.random.random() < 0.8:
            return self.random.choice(found)
        return self._plain(self.literal(wanted.name if wanted else kind), NULL)

    def literal(self, kind: str) -> str:
        """A literal for an operand of a kind."""
        kind = {"moment": "timestamp", "numeric": "decimal", "float": "double", "utc": "timestamptz"}.get(kind, kind)
        if kind == "clock":
            kind = self.random.choice(["timestamp", "timestamptz"])
        if kind in ("tinyint", "smallint", "int", "bigint", "integer"):
            return self.random.choice(WHOLES)
        if kind in OTHER_LITERALS:
            return self.random.choice(OTHER_LITERALS[kind])
        if kind == "string":
            return self.random.choice([*PATTERNS, *UNITS, *CLOCKS, *ZONES, *map(quoted, self.random.sample(TEXTS, 12))])
        return self.random.choice([*WHOLES, *(text for texts in OTHER_LITERALS.values() for text in texts)])

    def _plain(self, text: str, kind: Type) -> Piece:
        return Piece(text, kind, exp.Null())

    def made(self, *texts: str) -> list[Piece]:
        """The texts that pass the checker, as pieces."""
        made = []
        for text in texts:
            if len(text) > LONGEST:
                continue
            try:
                tree = check_expression(parse(text), (("", self.columns),), text)
            except ExpressionError:
                continue
            if NULL not in (type_of(tree), type_of(tree).element):
                made.append(Piece(text, type_of(tree), tree))
        return made


def quoted(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
