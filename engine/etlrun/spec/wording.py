"""Explains mistakes found by a JSON Schema in terms of YAML: what is wrong, at which word, and what to write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from etlrun.diagnostics import Diagnostic, closest, nearest
from etlrun.spec.fields import Expr, Schema, schema_of
from etlrun.spec.located import Document, Keys, Span
from etlrun.spec.other_tools import near_word, word_here
from etlrun.spec.registry import Family, kinds
from etlrun.spec.value_wording import forms, keys_of, known_keys, phrase

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_KINDS = {
    **{f"{kind}s": kind for kind in ("source", "step", "check", "sink", "connection", "model")},
    "engine": "engine",
    "page": "card",
}


class Mistake(NamedTuple):
    """A diagnostic with the path of the wrong value. `is_misplaced`: the value below that path belongs elsewhere."""

    where: Keys
    diagnostic: Diagnostic
    is_misplaced: bool = False


def explain(document: Document, error: ValidationError) -> Iterator[Mistake]:
    """The mistakes for one error of the schema; empty if another error reports the same."""
    where: Keys = tuple(error.absolute_path)
    rule, schema = str(error.validator), _schema(error)
    if rule == "anyOf" and "x-form" not in schema:
        yield from _explain_choice(document, error, where)
    elif rule == "additionalProperties":
        yield from _explain_unknown_keys(document, error, where)
    elif rule == "required":
        yield from _explain_missing(document, error, where)
    elif rule in ("maxProperties", "minProperties"):
        yield from _explain_kind_count(document, error, where)
    elif error.instance is None and (beside := _keys_beside(document, schema, where)):
        yield from _explain_misplaced(document, where, beside)
    elif error.instance is None and where and (cut := _cut_off(document, where)):
        where = (*where[:-1], cut)
        message = f"`{cut}` has no value: inside `{{...}}` a `,` ends the value before it"
        yield Mistake(where, document.diagnose_key(where, "wrong-value", message, "put the whole expression in quotes"))
    else:
        yield Mistake(where, document.diagnose(where, "wrong-value", *phrase(error, schema)))


def _explain_choice(document: Document, error: ValidationError, where: Keys) -> Iterator[Mistake]:
    """Follow the alternative that the value resembles; if it resembles none, list them."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    for inners in sorted(branches.values(), key=len):
        if not any(_is_outer_mismatch(inner, error) for inner in inners):
            for inner in inners:
                yield from explain(document, inner)
            return
    beside = _keys_beside(document, _schema(error), where) if error.instance is None else []
    if beside:
        yield from _explain_misplaced(document, where, beside)
    else:
        yield Mistake(where, document.diagnose(where, "wrong-value", *phrase(error, _schema(error))))


def _is_outer_mismatch(inner: ValidationError, outer: ValidationError) -> bool:
    """Whether an alternative fails on the value itself rather than on something inside it."""
    same_place = len(inner.absolute_path) == len(outer.absolute_path)
    if inner.validator == "anyOf" and same_place:
        return all(_is_outer_mismatch(deeper, outer) for deeper in inner.context or ())
    return same_place and inner.validator in ("type", "enum", "pattern", "const")


def _explain_unknown_keys(document: Document, error: ValidationError, where: Keys) -> Iterator[Mistake]:
    schema, given = _schema(error), _given(error)
    known: Schema = schema.get("properties", {})
    is_kind = schema.get("x-kind")
    names = [part for part in where if isinstance(part, str)]
    place = f"`{names[-1]}`" if names else schema.get("x-place", "a pipeline")
    empty = [name for name, value in given.items() if name in known and value is None]
    for name in given:
        inside = (*where, name)
        if name in known or any(name in keys_of(known[other]) for other in empty):
            continue  # a key that belongs into an empty value next to it is reported there
        if is_kind:
            inner = next((other for other in given if other in known and name in keys_of(known[other])), None)
            beside = f"it is a key of `{inner}`: write it inside the braces of `{inner}`" if inner else ""
            beside = beside or next((_tried(known[other], name) for other in given if other in known), "")
            family = _family(where)
            fix = beside or _in_a_plugin(where, name) or word_here(name, family) or _of_another_family(where, name)
            fix = fix or near_word(name, family, known) or "choose one of " + ", ".join(known)
            yield Mistake(inside, document.diagnose_key(inside, "unknown-kind", f"there is no {family} `{name}`", fix))
        else:
            # A name that differs only by an `s` is a slip, not a word of another tool.
            is_slip = closest(name, known) in (f"{name}s", name.removesuffix("s"))
            word = "" if is_slip else word_here(name)
            fix = _tried(schema, name) or word or nearest(name, known)
            fix = fix or _new_column(known, name, given[name]) or known_keys(known)
            message = f"`{name}` is not a key of {place}"
            yield Mistake(inside, document.diagnose_key(inside, "unknown-key", message, fix))


def _of_another_family(where: Keys, name: str) -> str:
    """Where a kind below the wrong key belongs; empty for an unknown kind."""
    families: tuple[Family, ...] = ("sources", "steps", "checks", "sinks")
    found = [family for family in families if name in kinds(family)]
    return f"it is a {found[0].removesuffix('s')}: write it below `{found[0]}`" if len(found) == 1 else ""


def _new_column(known: dict[str, Schema], name: str, value: Any) -> str:
    """What to write for an expression that is next to `columns` and belongs into it."""
    columns = known.get("columns", {})
    takes_expressions = columns.get("additionalProperties") == schema_of(Expr)
    is_short = isinstance(value, str) and "\n" not in value
    return (
        f"write new columns below `columns`: `columns: {{{name}: {value}}}`" if takes_expressions and is_short else ""
    )


def _tried(schema: Schema, name: str) -> str:
    """What to write instead of a key that users often try there; empty for other keys."""
    known = [form for form in forms(schema) if name in form.get("x-also", ())]
    meant = known[0]["x-also"][name] if known else ""
    return f"write `{meant}`" if meant in keys_of(schema) else meant


def _explain_missing(document: Document, error: ValidationError, where: Keys) -> Iterator[Mistake]:
    """The missing keys, without those that are only misspelled."""
    properties: Schema = _schema(error).get("properties", {})
    wanted, given = cast("list[str]", error.validator_value), _given(error)
    also = _schema(error).get("x-also", {})
    meant = {also.get(name) or closest(name, properties) for name in given if name not in properties}
    missing = [name for name in wanted if name not in given and name not in meant]
    if not missing:
        return
    names = ", ".join(f"`{name}`" for name in missing)
    message = f"{names} {'is' if len(missing) == 1 else 'are'} missing here"
    detail = properties[missing[0]].get("description", "")
    fix = f"`{missing[0]}:` {detail}" if detail else ""
    if where or where in document.keys:
        yield Mistake(where, document.diagnose_key(where, "missing-key", message, fix))
    else:
        yield Mistake((missing[0],), document.at_span(Span(0, 0), "missing-key", message, fix))


def _explain_kind_count(document: Document, error: ValidationError, where: Keys) -> Iterator[Mistake]:
    schema, given = _schema(error), list(_given(error))
    if not given:
        message, fix = "this must not be empty", "add a value, or remove the key"
        if "x-kind" in schema:
            message, fix = f"a {_family(where)} is missing here", "write one of " + ", ".join(schema["properties"])
        yield Mistake(where, document.diagnose(where, "missing-key", message, fix))
    elif all(name in schema.get("properties", {}) for name in given):
        names = " and ".join(f"`{name}`" for name in given)
        second = (*where, given[1])
        fix = (
            f"write each as its own list item: `- {given[1]}: ...`"
            if isinstance(where[-1], int)
            else "leave one of them"
        )
        yield Mistake(second, document.diagnose_key(second, "wrong-value", f"one item has {names}", fix))


def _schema(error: ValidationError) -> Schema:
    return error.schema if isinstance(error.schema, dict) else {}


def _given(error: ValidationError) -> dict[str, Any]:
    return cast("dict[str, Any]", error.instance)


def _family(where: Keys) -> str:
    return next((_KINDS[str(part)] for part in reversed(where) if part in _KINDS), "kind")


def _in_a_plugin(where: Keys, name: str) -> str:
    from etlrun.spec.plugins import how_to_switch_on

    return how_to_switch_on(f"{_family(where)}s", name)


def _keys_beside(document: Document, schema: Schema, where: Keys) -> list[str]:
    """The keys of an empty value that are next to it, because they are not indented."""
    parent: Any = document.value
    for part in where[:-1]:
        parent = parent[part]
    return [name for name in parent if name in keys_of(schema)] if isinstance(parent, dict) else []


def _explain_misplaced(document: Document, where: Keys, beside: list[str]) -> Iterator[Mistake]:
    for name in beside:
        inside = (*where[:-1], name)
        message, fix = f"`{name}` is next to `{where[-1]}`, not inside it", f"indent it deeper than `{where[-1]}`"
        diagnostic = document.diagnose_key(inside, "unknown-key", message, fix)
        yield Mistake(where, diagnostic)
        yield Mistake(inside, diagnostic, is_misplaced=True)


def _cut_off(document: Document, where: Keys) -> str:
    """The last part of an expression that commas split into keys without values, if this is one of them; empty otherwise."""
    parent: Any = document.value
    for part in where[:-1]:
        parent = parent[part]
    absent = [str(name) for name, value in parent.items() if value is None] if isinstance(parent, dict) else []
    return next((name for name in reversed(absent) if _is_cut(name)), "")


def _is_cut(name: str) -> bool:
    """Whether a key is the rest of an expression that a comma has split."""
    return name.count(")") > name.count("(") or name.count("'") % 2 == 1
