"""`sql` queries over random tables: joins, groups, set operations, CTEs and LIMIT, run on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from sqlglot import exp

from etlrun.language.columns import Columns
from etlrun.language.dialects import duckdb_sql, spark_sql
from etlrun.language.expressions import ExpressionError, parse_select
from etlrun.language.queries import check_query

from .engines import Engines, arrow_table, is_of_data, is_sum_on_the_way
from .grammar import Grammar, Piece
from .rows import COLUMNS, random_rows
from .trials import Trial

AT_ONCE = 10  # queries over the same rows
SOME = ("k", "g", "n", "m", "x", "e", "p", "s", "t", "b", "d", "z", "i", "u", "c", "o", "ao")


def try_some(seed: int, engines: Engines) -> Trial:
    """Compare some queries; those that the checker refuses do not count."""
    random = Random(seed)
    relations = {}
    for name in ("one", "two"):
        columns = COLUMNS.keep(["k", *random.sample(SOME[1:], 6)])
        relations[name] = columns
        engines.take({name: arrow_table(columns, random_rows(random, random.choice([0, 3, 8, 12]), columns))})
    tried, failed, findings = 0, 0, []
    for sql, tree in _checked(random, relations):
        tried += 1
        spark = engines.rows(engines.spark, spark_sql(tree))
        duck = engines.rows(engines.duckdb, duckdb_sql(tree))
        failed += is_of_data(spark) and is_of_data(duck)
        if spark == duck and not isinstance(spark, str) or is_of_data(spark) and is_of_data(duck):
            continue
        if is_sum_on_the_way(tree, spark) or is_sum_on_the_way(tree, duck):
            continue
        one_fails = is_of_data(spark) != is_of_data(duck)
        if not (
            one_fails
            and any(engines.fail_inside(tree, f"(select * from {name}) {alias}") for name, alias in _sources(tree))
        ):
            findings.append(f"{sql}\n  spark  {spark}\n  duckdb {duck}")
    return Trial(tried, tuple(findings), failed)


def _checked(random: Random, relations: Mapping[str, Columns]) -> Iterator[tuple[str, exp.Query]]:
    """Queries that pass the checker, with their trees."""
    made = 0
    for _ in range(AT_ONCE * 6):
        sql = random_query(random, relations)
        try:
            tree, _columns = check_query(parse_select(sql), relations, sql)
        except ExpressionError:
            continue
        yield sql, tree
        made += 1
        if made == AT_ONCE:
            return


def _sources(tree: exp.Query) -> Iterator[tuple[str, str]]:
    for table in tree.find_all(exp.Table):
        yield table.name, table.alias_or_name


def random_query(random: Random, relations: Mapping[str, Columns]) -> str:
    """The text of a query over some of the relations."""
    shape = random.random()
    if shape < 0.15:
        word = random.choice(["union all", "union", "intersect", "except"])
        return f"{_select(random, relations, few=True)} {word} {_select(random, relations, few=True)}"
    if shape < 0.3:
        return f"with c as ({_select(random, relations)}) select c.* from c where {random.choice(['true', 'o0 is not null'])}"
    if shape < 0.4:
        return f"select distinct u.* from ({_select(random, relations)}) u"
    return _select(random, relations)


def _select(random: Random, relations: Mapping[str, Columns], few: bool = False) -> str:
    names = list(relations)
    one = random.choice(names)
    if random.random() < 0.4:
        return _joined(random, relations, one, random.choice(names), few)
    grammar = Grammar(random, relations[one])
    scalars = grammar.grow(16)
    if random.random() < 0.4:
        return _grouped(random, grammar, one, few)
    pool = [*grammar.leaves, *scalars, *grammar.windows(4)]
    items = _items(random, pool, few)
    where = f" where {random.choice(grammar.conditions())}" if random.random() < 0.5 else ""
    tail = f" order by k limit {random.randint(0, 5)}" if random.random() < 0.3 and "k" in relations[one] else ""
    return f"select {items} from {one}{where}{tail}"


def _items(random: Random, pool: list[Piece], few: bool) -> str:
    chosen = random.sample(pool, min(len(pool), 2 if few else random.randint(1, 5)))
    return ", ".join(f"{piece.text} as o{at}" for at, piece in enumerate(chosen))


def _grouped(random: Random, grammar: Grammar, name: str, few: bool) -> str:
    keys = [piece for piece in grammar.pieces if piece.type.is_orderable]
    by = random.sample(keys, min(len(keys), random.randint(0, 2)))
    sums = grammar.aggregates(4)
    items = _items(random, [*by, *sums], few)
    group = f" group by {', '.join(piece.text for piece in by)}" if by else ""
    having = (
        f" having {random.choice(['count(*) > 1', 'max(k) > 2', 'min(k) is not null'])}"
        if random.random() < 0.3
        else ""
    )
    where = f" where {random.choice(grammar.conditions())}" if random.random() < 0.3 else ""
    return f"select {items} from {name}{where}{group}{having}"


def _joined(random: Random, relations: Mapping[str, Columns], one: str, two: str, few: bool) -> str:
    how = random.choice(
        ["join", "left join", "right join", "full join", "left semi join", "left anti join", "cross join"]
    )
    shared = [item.name for item in relations[one] if item.name in relations[two] and item.type.is_orderable]
    names = [f"l.{name}" for name in shared] + (
        [] if "semi" in how or "anti" in how else [f"r.{name}" for name in shared]
    )
    items = ", ".join(
        f"{name} as o{at}" for at, name in enumerate(random.sample(names, min(len(names), 2 if few else 4)))
    )
    key = random.choice(shared or ["k"])
    if how == "cross join":
        return f"select {items} from {one} l cross join {two} r"
    if random.random() < 0.3 and "semi" not in how and "anti" not in how:
        return f"select {key} as o0, {', '.join(f'{name} as o{at}' for at, name in enumerate(names[-2:], 1))} from {one} l {how} {two} r using ({key})"
    condition = random.choice(
        [f"l.{key} = r.{key}", f"l.{key} = r.{key} and l.k < r.k", f"l.{key} <=> r.{key}", "l.k <= r.k + 1"]
    )
    return f"select {items} from {one} l {how} {two} r on {condition}"
