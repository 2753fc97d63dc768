"""Replaces QUALIFY and named windows by what they mean, so that no engine needs to know them.

`select a from t qualify C` is `select a from (select a, C as hidden from t) where hidden`.
"""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.checking import own_nodes
from etlrun.language.expressions import column
from etlrun.language.grouping import inner_of, replace_aliases
from etlrun.language.typed import Names

_INSIDE = ("from_", "joins", "where", "group", "having")
_HIDDEN = "__etlrun_qualify"


def without_qualify(query: exp.Select, names: Names) -> None:
    """Put a SELECT around the rows of `query`, in place, which keeps those that fulfil its condition. It has no stars; `names` are its relations."""
    qualify = query.args["qualify"]
    replace_aliases(query, own_nodes(qualify), names)
    condition = qualify.this
    inner = exp.Select(**{clause: query.args.get(clause) for clause in _INSIDE})
    outputs = [_name(item) for item in query.expressions]
    inner.set("expressions", [*query.expressions, exp.alias_(condition, _HIDDEN, quoted=True)])
    for clause in (*_INSIDE, "qualify"):
        query.set(clause, None)
    hidden = column(_HIDDEN)
    hidden.this.meta.update(next((node.meta for node in condition.walk() if "start" in node.meta), {}))
    alias = names[0][0] if len(names) == 1 and names[0][0] else "qualified"
    query.set("expressions", [column(name) for name in outputs if name])
    query.set("from_", exp.From(this=inner.subquery(exp.to_identifier(alias, quoted=True), copy=False)))
    query.set("where", exp.Where(this=hidden))


def _name(item: exp.Expr) -> str:
    """The name of an output column; empty if it has none, which is a mistake that the check of its SELECT reports."""
    inner = inner_of(item)
    return item.alias or (inner.name if isinstance(inner, (exp.Column, exp.Dot)) else "")
