"""Compile a checked pipeline into a plan: each relation as one SQL tree, in the order of execution."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from sqlglot import exp

from etlrun.compiler.check import Checked
from etlrun.compiler.conserve import Carried, carry_sums
from etlrun.compiler.rewrites import rewrite
from etlrun.contracts.label_source import LabelSource
from etlrun.contracts.relation import Input, named, relation_table
from etlrun.contracts.step import WHOLE_KEY, Apply, Ask, ReadTexts
from etlrun.language.columns import STRING, Column, Columns
from etlrun.language.copies import copied
from etlrun.language.dialects import duckdb_sql, spark_sql
from etlrun.language.expressions import call, column, literal
from etlrun.language.queries import check_query, tables_in
from etlrun.spec.normal_form import PART
from etlrun.spec.project import Use

DIALECTS = {"spark": spark_sql, "duckdb": duckdb_sql}
ANSWERS = "_answers"  # after the step that asks: the relation of its answers
HERE, THERE = "asked", "answers"  # the two sides of their join


@dataclass(frozen=True)
class Piece:
    """A step as SQL: its name inside the statement, the position of the step in its chain, its tree, and its columns."""

    name: str
    step: int
    tree: exp.Query
    columns: Columns


@dataclass(frozen=True)
class Relation:
    """A relation and how it is computed: from files (`source`), by SQL (`pieces`), by a function (`apply`) or by models (`ask`).

    Each piece reads the ones before it; the last one gives the relation's rows.
    """

    name: str
    columns: Columns
    source: Use | None = None
    pieces: tuple[Piece, ...] = ()
    apply: Apply | ReadTexts | None = None
    ask: Ask | None = None
    step: int = 0
    reads: tuple[str, ...] = ()

    @property
    def is_made_outside(self) -> bool:
        """Whether its rows are computed by something other than SQL."""
        return bool(self.source or self.apply or self.ask)

    @property
    def tree(self) -> exp.Query | None:
        """The relation as one SELECT with a CTE for each piece except the last; None if it is not computed by SQL."""
        if not self.pieces:
            return None
        tree = copied(self.pieces[-1].tree)
        for piece in self.pieces[:-1]:
            tree = tree.with_(exp.to_identifier(piece.name, quoted=True), copied(piece.tree), copy=False)
        return tree


@dataclass(frozen=True)
class Plan:
    """Every relation of a pipeline, each after the relations that it reads, and the hidden sums for `conserved` checks.

    `unread` are columns of sources that a run does not read: they are null there, and nothing is computed from them.
    """

    checked: Checked
    relations: tuple[Relation, ...]
    carried: tuple[Carried, ...] = ()
    unread: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def relation(self, name: str) -> Relation:
        return next(relation for relation in self.relations if relation.name == name)

    def needed(self, names: Iterable[str], given: Container[str] = ()) -> tuple[Relation, ...]:
        """The relations that `names` need, including themselves, in order; relations in `given` need nothing."""
        wanted = set(names)
        for relation in reversed(self.relations):
            if relation.name in wanted and relation.name not in given:
                wanted.update(relation.reads)
        return tuple(relation for relation in self.relations if relation.name in wanted)


@lru_cache(maxsize=256)
def make_plan(checked: Checked) -> Plan:
    """Compile every step of a checked pipeline. The plan is cached, so its trees must not be changed."""
    carried = carry_sums(checked)
    relations: list[Relation] = []
    for name in checked.order:
        if name in checked.pipeline.sources:
            relations.append(Relation(name, checked.columns[name], source=checked.pipeline.sources[name]))
        else:
            relations.extend(_Chain(checked, name, carried).lower())
    return Plan(checked, tuple(relations), carried)


def prefix(checked: Checked, name: str, steps: int) -> Checked:
    """The pipeline in which the chain `name` ends after `steps` steps, without everything that reads it: to show its rows there."""
    chains = {**checked.pipeline.chains, name: checked.pipeline.chains[name][:steps]}
    columns = {**checked.columns, name: checked.steps[name][steps - 1]}
    order = checked.order[: checked.order.index(name) + 1]
    return replace(checked, pipeline=replace(checked.pipeline, chains=chains), columns=columns, order=order)


def awaited(use: Use) -> LabelSource | None:
    """The column from which a run has to read the labels of a step."""
    source: LabelSource | None = use.value.label_source()
    return source if source is not None and source.found is None else None


class _Chain:
    """Lowers one chain: SQL steps become one statement with a CTE for each step. A `python` or `enrich` step ends a statement and starts the next."""

    def __init__(self, checked: Checked, name: str, carried: tuple[Carried, ...]) -> None:
        self.checked = checked
        self.name = name
        self.carried = tuple(sum_ for sum_ in carried if sum_.chain == name)
        self.uses = checked.pipeline.chains[name]
        self.current = ""  # the relation or CTE that the next step reads
        self.columns = Columns(())
        self.pieces: list[Piece] = []
        self.done: list[Relation] = []
        self.asked: dict[str, Columns] = {}  # relations of answers

    def lower(self) -> list[Relation]:
        for index, use in enumerate(self.uses):
            self.lower_step(index, use)
        if not self.pieces and not self.done:
            tree = exp.select(*(column(item.name) for item in self.columns)).from_(relation_table(self.current))
            self.add(f"{self.name}.0", 0, tree, {self.current: self.columns})
        self.finish(self.name)
        return self.done

    def lower_step(self, index: int, use: Use) -> None:
        alias = use.value.alias()
        if alias:
            self.current, self.columns = alias, self.checked.columns[alias]
            return
        scope = self.checked.scope(use.where)
        if (
            use.value.check_of_rows(Input(self.current, self.columns, scope)) is not None
        ):  # it reads what the step reads
            self.close(index)
        lowered = use.value.lower(Input(self.current, self.columns, scope))
        if isinstance(lowered, (Apply, ReadTexts)):
            self.apply(index, lowered)
            return
        if isinstance(lowered, Ask):
            lowered = self.ask(index, lowered)
        for sum_ in self.carried:
            lowered = sum_.ride_along(index, lowered)
        relations = {self.current: self.columns, **self.checked.columns, **self.asked}
        name = f"{self.name}.{index}_{use.kind}"
        self.add(name, index, rewrite(lowered, self.columns, scope), relations)
        output = use.value.output(self.columns, scope)
        for sum_ in self.carried:
            output = sum_.follow(index, output)
        self.current, self.columns = name, output

    def add(self, name: str, index: int, tree: exp.Query, relations: Mapping[str, Columns]) -> None:
        typed, columns = check_query(tree, relations)
        self.pieces.append(Piece(name, index, typed, columns))

    def apply(self, index: int, apply: Apply | ReadTexts) -> None:
        """End the current statement with its own name, and add the function after it."""
        self.close(index)
        is_last = index == len(self.uses) - 1
        name = self.name if is_last else f"{self.name}.{index + 1}"
        self.done.append(Relation(name, apply.columns, apply=apply, step=index, reads=(self.current,)))
        self.current, self.columns = name, apply.columns

    def ask(self, index: int, ask: Ask) -> exp.Query:
        """End the current statement, add the relation of answers after it, and continue with the join of both."""
        columns = self.columns
        if len(ask.parts) > 1:
            self.add_key(index, ask.parts)
        self.close(index)
        self.asked[self.current], self.columns = self.columns, columns
        answers = f"{self.name}.{index}{ANSWERS}"
        self.done.append(Relation(answers, ask.answers, ask=ask, step=index, reads=(self.current,)))
        self.asked[answers] = ask.answers
        outputs = [column(item.name, HERE) for item in self.columns]
        added = [named(column(old, THERE), new) for new, old in ask.adds.items()]
        equal = exp.EQ(this=column(ask.key, HERE), expression=column("key", THERE))
        join = exp.Join(this=relation_table(answers, THERE), side="LEFT", on=equal)
        return exp.select(*outputs, *added).from_(relation_table(self.current, HERE)).join(join)

    def add_key(self, index: int, parts: Sequence[str]) -> None:
        """Add a column with the whole key, which is null if all of its parts are null."""
        texts = [
            call("coalesce", call("replace", column(name), literal(PART), literal(" ")), literal("")) for name in parts
        ]
        is_there = exp.or_(*(exp.Not(this=exp.Is(this=column(name), expression=exp.null())) for name in parts))
        whole = exp.Case(ifs=[exp.If(this=is_there, true=call("concat_ws", literal(PART), *texts))])
        tree = exp.select(*(column(item.name) for item in self.columns), named(whole, WHOLE_KEY))
        relations = {**self.checked.columns, self.current: self.columns}
        name = f"{self.name}.{index}_key"
        self.add(name, index, tree.from_(relation_table(self.current)), relations)
        self.current, self.columns = name, self.columns.with_column(Column(WHOLE_KEY, STRING))

    def close(self, index: int) -> None:
        """End the current statement, which then has its own name."""
        if self.pieces:
            self.finish(f"{self.name}.{index}")
            self.current = f"{self.name}.{index}"

    def finish(self, name: str) -> None:
        if not self.pieces:
            return
        inside = {piece.name for piece in self.pieces}
        tables = (name for piece in self.pieces for name, _ in tables_in(piece.tree))
        labels = [source.relation for piece in self.pieces if (source := awaited(self.uses[piece.step])) is not None]
        reads = dict.fromkeys((*(name for name in tables if name not in inside), *labels))
        self.done.append(Relation(name, self.columns, pieces=tuple(self.pieces), reads=tuple(reads)))
        self.pieces = []
