"""The names of the commands, in the order of the help text: one file is one command."""

from __future__ import annotations

COMMANDS = (
    "run",
    "check",
    "plan",
    "compile",
    "lineage",
    "show",
    "query",
    "diff",
    "explain",
    "test",
    "dashboard",
    "docs",
    "deploy",
    "pack",
    "warm-up",
    "runs",
    "resume",
    "retry",
    "migrate",
    "rollback",
    "doctor",
    "llm",
    "schema",
    "init",
    "new",
    "sample-data",
)
