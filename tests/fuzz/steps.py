"""A random step behind the columns that a chain has: each kind that runs in SQL, with fields that the checker mostly takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from etlrun.language.columns import STRING, Column, Columns

from .grammar import TYPES, Grammar
from .queries import random_query

MAPPING = {"letters": 'A: [a, A]\n"two words": ["a,,b", "ab,c", 12]\n"é": ["é", "1.5"]'}
JSON_PATHS = ["a", "b", "b[0]", "b.a", "$", "$[1]"]
JSON_TYPES = [
    "int",
    "string",
    "double",
    "decimal(5,2)",
    "timestamptz",
    "array<int>",
    "map<string, string>",
    "struct<a int>",
]
LABELS = ["a", "A", "", "ab,c", "é", "12", "true", "1", "2", "it's"]


@dataclass(frozen=True)
class Chain:
    """Where a step is to stand: the columns so far, and the other relations by name."""

    columns: Columns
    others: Mapping[str, Columns]


def random_step(random: Random, chain: Chain) -> dict[str, Any]:
    """One step as YAML has it."""
    name = random.choice(list(MAKERS))
    return {name.rstrip("_"): MAKERS[name](random, chain)}


def random_sources(random: Random, others: Mapping[str, Columns]) -> dict[str, Any]:
    """The `from` of a chain: one relation, or two that differ."""
    if random.random() < 0.75:
        return {"from": random.choice(list(others))}
    names = random.sample(list(others), 2)
    return {"from": names if random.random() < 0.3 else {"relations": names, "missing": None}}


def _new(random: Random) -> str:
    return random.choice(["n", "new", "Total", "mới", "a b", "select", 'q"']) + str(random.randint(0, 99))


def _some(random: Random, columns: list[str], least: int = 1) -> list[str]:
    return random.sample(columns, min(len(columns), random.randint(least, 3)))


def _names(chain: Chain, of: Callable[[Column], bool] = lambda item: True) -> list[str]:
    return [item.name for item in chain.columns if of(item)] or ["k"]


def _plain(chain: Chain) -> list[str]:
    return _names(chain, lambda item: item.type.is_orderable)


def _scalars(random: Random, chain: Chain, count: int) -> list[str]:
    grammar = Grammar(random, chain.columns)
    found = grammar.grow(count * 4)
    return [piece.text for piece in random.sample(found, min(count, len(found)))] or ["1"]


def _order(random: Random, names: list[str]) -> list[str]:
    return [_name(name) + random.choice(["", "", " desc", " desc nulls first", " asc nulls last"]) for name in names]


def _name(name: str) -> str:
    return name if name.isidentifier() and name.isascii() and name != "select" else "`" + name.replace("`", "``") + "`"


def _filter(random: Random, chain: Chain) -> Any:
    grammar = Grammar(random, chain.columns)
    grammar.grow(12)
    return random.choice(grammar.conditions())


def _derive(random: Random, chain: Chain) -> Any:
    return {_new(random): text for text in _scalars(random, chain, 3)}


def _replace(random: Random, chain: Chain) -> Any:
    return dict(zip(_some(random, _names(chain, lambda item: item.name not in ("e", "k"))), _scalars(random, chain, 3)))


def _select(random: Random, chain: Chain) -> Any:
    if random.random() < 0.4:
        return list(dict.fromkeys(["k", *random.sample(_names(chain), len(chain.columns) // 2)]))
    kept = {name: _name(name) for name in _some(random, _names(chain))}
    return {"k": "k", **kept, **_derive(random, chain)} if "k" in chain.columns else {**kept, **_derive(random, chain)}


def _rename(random: Random, chain: Chain) -> Any:
    return {_new(random): name for name in _some(random, _names(chain, lambda item: item.name not in ("e", "k")))}


def _drop(random: Random, chain: Chain) -> Any:
    return _some(random, _names(chain))


def _cast(random: Random, chain: Chain) -> Any:
    return {name: str(random.choice(TYPES)) for name in _some(random, _plain(chain))}


def _aggregates(random: Random, chain: Chain, count: int) -> list[str]:
    grammar = Grammar(random, chain.columns)
    grammar.grow(10)
    found = [piece.text for piece in grammar.aggregates(count * 3) if not _is_loose_sum(piece.text, chain)]
    return random.sample(found, min(count, len(found))) or ["count(*)"]


def _is_loose_sum(text: str, chain: Chain) -> bool:
    """Whether it may add up doubles whose digits depend on the order of rows."""
    return "e" not in chain.columns and any(word in text for word in ("sum(", "avg(", "mean("))


def _aggregate(random: Random, chain: Chain) -> Any:
    step: dict[str, Any] = {"by": _some(random, _plain(chain), 0)}
    step["columns"] = {_new(random): text for text in _aggregates(random, chain, 3)}
    if random.random() < 0.4:
        column = random.choice(_plain(chain))
        step["pivot"] = {
            "column": column,
            "labels": _pivot_labels(random, chain),
            "value": random.choice(_aggregates(random, chain, 2)),
            "name": random.choice(["{label}", "x_{label}", "{label}_é"]),
            "as": "totals",
        }
        if random.random() < 0.6:
            step["pivot"]["fill"] = random.choice([0, "''", "date'2024-01-01'", 1.5, "0D", "false"])
        if random.random() < 0.4:
            step["pivot"]["other"] = _new(random)
    return step


def _pivot_labels(random: Random, chain: Chain) -> Any:
    """A mapping, a list, or a text column of another relation."""
    texts = [f"{name}.{item.name}" for name, columns in chain.others.items() for item in columns if item.type == STRING]
    if texts and random.random() < 0.3:
        return {"from": random.choice(texts)}
    return "letters" if random.random() < 0.3 else random.sample(LABELS, 3)


def _dedupe(random: Random, chain: Chain) -> Any:
    if random.random() < 0.3:
        return {}
    return {"by": _some(random, _plain(chain)), "order": _order(random, _total(random, chain))}


def _total(random: Random, chain: Chain) -> list[str]:
    plain = _plain(chain)
    random.shuffle(plain)
    return [*plain[:2], "k"] if random.random() < 0.6 and "k" in chain.columns else plain


def _top(random: Random, chain: Chain) -> Any:
    return {
        "n": random.choice([1, 2, 3]),
        "per": _some(random, _plain(chain), 0),
        "order": _order(random, _total(random, chain)),
    }


def _window(random: Random, chain: Chain) -> Any:
    grammar = Grammar(random, chain.columns)
    grammar.grow(8)
    found = [piece.text.split(" over (")[0] for piece in grammar.windows(8) if not _is_loose_sum(piece.text, chain)]
    step = {
        "per": _some(random, _plain(chain), 0),
        "columns": {_new(random): text for text in found[:3] or ["count(*)"]},
    }
    if random.random() < 0.2:
        return step
    moments = _names(chain, lambda item: item.type.name in ("date", "timestamp", "timestamptz"))
    if random.random() < 0.3:
        length = f"{random.choice([1, 2, 7, 400])} {random.choice(['days', 'weeks', 'hours', 'minutes'])}"
        return {**step, "order": _order(random, moments[:1]), "frame": length}
    frame = random.choice([{}, {}, {"frame": f"{random.randint(1, 4)} rows"}, {"frame": "unbounded"}])
    return {**step, **frame, "order": _order(random, _total(random, chain))}


def _fill_days(random: Random, chain: Chain) -> Any:
    at = random.choice(_names(chain, lambda item: item.type.name == "date"))
    step: dict[str, Any] = {"at": at, "by": _some(random, _plain(chain), 0)}
    step["every"] = random.choice(["day", "week", "month"])
    if random.random() < 0.5:
        step["from"] = random.choice(["date '2024-02-27'", "date '2023-12-31'"])
    if random.random() < 0.5:
        step["to"] = random.choice(["date '2024-03-02'", "date '2024-02-29'"])
    grammar = Grammar(random, chain.columns)
    step["columns"] = {item.name: grammar.literal(item.type.name) for item in random.sample(list(chain.columns), 1)}
    return step


def _unpivot(random: Random, chain: Chain) -> Any:
    step = {"name": _new(random), "value": _new(random), "nulls": random.choice(["keep", "drop"])}
    if chain.columns.groups and random.random() < 0.7:
        return {**step, "over": chain.columns.groups[0].name}
    kind = random.choice(chain.columns.items).type
    return {**step, "columns": _names(chain, lambda item: item.type == kind)[:3]}


def _explode(random: Random, chain: Chain) -> Any:
    step = {
        "column": random.choice(_names(chain, lambda item: item.type.element is not None)),
        "empty": random.choice(["drop", "keep"]),
    }
    extra = {"as": _new(random), "position": _new(random)}
    return {**step, **{key: value for key, value in extra.items() if random.random() < 0.5}}


def _parse(random: Random, chain: Chain) -> Any:
    read = {
        _new(random): {"path": random.choice(JSON_PATHS), "type": random.choice(JSON_TYPES)}
        for _ in range(random.randint(1, 3))
    }
    column = random.choice(_names(chain, lambda item: item.type == STRING))
    step = {"column": column, "as": read, "bad_rows": random.choice(["keep", "keep", "drop", "fail"])}
    return {**step, "reason": _new(random)} if step["bad_rows"] == "keep" and random.random() < 0.5 else step


def _join(random: Random, chain: Chain) -> Any:
    name = random.choice(list(chain.others))
    other = chain.others[name]
    pairs = [
        (here.name, there.name)
        for here in chain.columns
        for there in other
        if here.type == there.type and here.type.is_orderable
    ]
    same = [(here, there) for here, there in pairs if here == there] or pairs
    chosen = random.sample(same if random.random() < 0.7 else pairs, min(len(same), random.randint(1, 2)))
    how = random.choice(["inner", "left", "right", "full", "semi", "anti"])
    step: dict[str, Any] = {"with": name, "on": dict(chosen), "how": how}
    if how not in ("semi", "anti"):
        step["prefix"] = random.choice(["o_", "other ", "x"]) + str(random.randint(0, 99))
    return step


def _join_as_of(random: Random, chain: Chain) -> Any:
    """Of the rows there that share a column, the one that held; the last column of a key tells them apart."""
    name = random.choice(list(chain.others))
    pairs = [
        (here.name, there.name) for here in chain.columns for there in chain.others[name] if here.type == there.type
    ]
    moment = random.choice(
        [pair for pair in pairs if pair[1] in (chain.others[name].unique or ())] or pairs or [("k", "k")]
    )
    on = random.sample(pairs, min(len(pairs), random.choice([0, 1, 1, 2])))
    as_of: dict[str, Any] = {"columns": dict([moment]), "direction": random.choice(["backward", "forward"])}
    if random.random() < 0.2:
        as_of["tolerance"] = random.choice(["1 day", "7 days", "30 minutes", "1000000 weeks"])
    how = random.choice(["inner", "left"])
    return {"with": name, "on": dict(on), "as_of": as_of, "how": how, "prefix": f"o_{random.randint(0, 99)}"}


def _history(random: Random, chain: Chain) -> Any:
    by, at = _some(random, _plain(chain)), random.choice(["k", *_plain(chain)])
    track = [name for name in _some(random, _plain(chain)) if name not in by]
    return {"by": by, "at": at, "track": track or _some(random, _plain(chain))}


def _sessions(random: Random, chain: Chain) -> Any:
    at = random.choice(_names(chain, lambda item: item.type.name in ("date", "timestamp", "timestamptz")))
    gap = random.choice(["30 minutes", "1 second", "1 day", "2 weeks", "1000000 weeks", "999999 days", "48 hours"])
    return {"by": _some(random, _plain(chain)), "at": at, "gap": gap, "as": _new(random)}


def _carry(random: Random, chain: Chain) -> Any:
    step = {"columns": _some(random, _plain(chain)), "order": _order(random, _total(random, chain))}
    return {**step, "per": _some(random, _plain(chain))} if random.random() < 0.6 else step


def _compare(random: Random, chain: Chain) -> Any:
    plain = _plain(chain)
    shown = {_new(random): name for name in _some(random, plain)}
    step: dict[str, Any] = {
        "by": _some(random, plain),
        "period": random.choice(_names(chain, lambda item: item.type.name in ("string", "int", "date"))),
        "periods": {f"P{at}": label for at, label in enumerate(random.sample([*LABELS, 1, 2, 3], 2))},
        "columns": shown,
        "keep": random.choice(["both", "any"]),
    }
    if random.random() < 0.5:
        step["trend"] = {"of": next(iter(shown)), "as": "moved", "change": "change"}
    return step


def _bucket(random: Random, chain: Chain) -> Any:
    item = random.choice(chain.columns.items)
    grammar = Grammar(random, chain.columns)
    literals = [grammar.literal(item.type.name) for _ in range(4)]
    cases = {
        "low": f"< {literals[0]}",
        "same": f"in ({literals[1]}, {literals[2]})",
        "rest": random.choice([f">= {literals[3]}", "is not null", f"between {literals[0]} and {literals[3]}"]),
    }
    return {
        "column": item.name,
        "as": _new(random),
        "cases": cases,
        **({"else": "none"} if random.random() < 0.5 else {}),
    }


def _lookup(random: Random, chain: Chain) -> Any:
    return {
        "column": random.choice(_names(chain, lambda item: item.type == STRING)),
        "map": "letters",
        "as": _new(random),
        "unmatched": random.choice(["drop", "null", "other"]),
    }


def _group(chain: Chain) -> str:
    return chain.columns.groups[0].name if chain.columns.groups else "totals"


def _argmax(random: Random, chain: Chain) -> Any:
    return {"over": _group(chain), "as": _new(random)}


def _labels(random: Random, chain: Chain) -> Any:
    where = random.choice(["> 0", "is null", "is not null", "<> ''", "= true", ">= 1.5"])
    return {"over": _group(chain), "where": where, "as": _new(random)}


def _sql(random: Random, chain: Chain) -> Any:
    return random_query(random, {"input": chain.columns, **dict(list(chain.others.items())[:2])})


MAKERS: dict[str, Callable[[Random, Chain], Any]] = {
    "filter": _filter,
    "derive": _derive,
    "replace": _replace,
    "select": _select,
    "rename": _rename,
    "drop": _drop,
    "cast": _cast,
    "aggregate": _aggregate,
    "aggregate_": _aggregate,
    "dedupe": _dedupe,
    "top": _top,
    "window": _window,
    "window_": _window,
    "fill_days": _fill_days,
    "carry": _carry,
    "unpivot": _unpivot,
    "explode": _explode,
    "parse": _parse,
    "join": _join,
    "join_": _join,
    "join__": _join_as_of,
    "history": _history,
    "sessions": _sessions,
    "compare": _compare,
    "bucket": _bucket,
    "lookup": _lookup,
    "argmax": _argmax,
    "labels": _labels,
    "sql": _sql,
}
