"""Verifies that the connections and models that a pipeline names are in its profile."""

from __future__ import annotations

from etlrun.contracts.sink import Sink
from etlrun.diagnostics import nearest
from etlrun.spec.project import Profile, Use
from etlrun.spec.registry import kinds
from etlrun.spec.scope import Scope


def verify_connection(profile: Profile, use: Use, scope: Scope) -> None:
    """Report the connection of a source or sink if it is not in the profile, or of the wrong kind."""
    connection = getattr(use.value, "connection", "")
    if connection and connection not in profile.connections:
        fix = _what_to_do(profile, "connections", connection, tuple(profile.connections))
        scope.error("connection", "unknown-connection", f"there is no connection `{connection}`", fix)
        return
    there = profile.connections.get(connection)
    if there is not None and there.value.holds != use.value.connects_to:
        _refuse_connection(profile, connection, there, use, scope)


def verify_models(profile: Profile, use: Use, scope: Scope) -> None:
    """Report models of a step that are not in the profile."""
    for name, at in use.value.models():
        if name not in profile.models:
            fix = _what_to_do(profile, "models", name, tuple(profile.models))
            scope.error(at, "unknown-model", f"there is no model `{name}`", fix)
        elif at[0] == "agree" and len(profile.models[name]) > 1:
            message = f"`{name}` is a list of models, but `agree` needs two single models"
            scope.error(at, "wrong-value", message, "give each model its own name in the profile")


def _refuse_connection(profile: Profile, name: str, there: Use, use: Use, scope: Scope) -> None:
    """Report a connection of the wrong kind for the source or sink."""
    fitting = [other for other, one in profile.connections.items() if one.value.holds == use.value.connects_to]
    fix = (
        f"use another connection: {', '.join(fitting)}"
        if fitting
        else f"add a connection for {use.value.connects_to} to the profile `{profile.name}`"
    )
    if there.kind in kinds("sinks" if isinstance(use.value, Sink) else "sources"):
        fix = f"write `{there.kind}` instead of `{use.kind}`, or {fix}"
    message = f"`{use.kind}` needs {use.value.connects_to}, and connection `{name}` holds {there.value.holds}"
    scope.error("connection", "wrong-value", message, fix)


def _what_to_do(profile: Profile, part: str, name: str, known: tuple[str, ...]) -> str:
    """The fix for a name that is missing in a part of the profile."""
    if known:
        return nearest(name, known) or f"the profile `{profile.name}` has: {', '.join(known)}"
    return f"the profile `{profile.name}` has none: add `{part}: {{{name}: ...}}` to it in etlrun.yaml"
