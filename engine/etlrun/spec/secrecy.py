"""Secrets in a project file: reports plain or visible secrets, and finds the lines that messages never show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from etlrun.diagnostics import Diagnostic
from etlrun.spec.located import Document, Keys

ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
# Words that mark a secret anywhere in a name; and words that do so only as a whole word (`monkey` and `compass` are not secrets).
_LONG = re.compile(r"(?i)password|passwd|passphrase|secret|token(?!s)|api_?key|credential")
_SHORT = {"pass", "pwd", "sas"}
_KINDS_OF_KEY = {"access", "account", "api", "encryption", "master", "private", "shared", "signing"}
# Last words of names that are about a secret but do not contain one: its file, its length, the class that reads it.
_ABOUT = {
    "algorithm",
    "bits",
    "class",
    "dir",
    "enabled",
    "endpoint",
    "file",
    "length",
    "path",
    "policy",
    "provider",
    "size",
    "store",
    "type",
    "uri",
    "url",
}
_USER_PART = re.compile(r"://[^/@\s:]*:([^@\s]+)@")
_IN_QUERY = re.compile(r"[?&;]([\w.-]+)=([^&;\s]+)")
_JAVA_OPTION = re.compile(r"-D([\w.-]+)=")
_REFERENCE = "\0"  # replaces values from the environment


def secret_mistakes(document: Document) -> Iterator[Diagnostic]:
    """Mistakes for secrets that are written in the project file without a reference, or where others can read them."""
    for where, text in document.scalars.items():
        name = str(where[-1]) if where else ""
        if where[:1] == ("vars",) and _is_written_out(name, text):
            message = (
                f"the variable `{name}` contains a secret in plain text, and values of variables are shown in records"
            )
            yield document.diagnose(
                where,
                "secret-literal",
                message,
                "remove the variable, and write ${NAME} under `profiles` where the secret is needed",
            )
        elif where[:1] in (("profiles",), ("storage",)):
            yield from _in_profile(document, where, name, text)


def _in_profile(document: Document, where: Keys, name: str, text: str) -> Iterator[Diagnostic]:
    if name.endswith("JavaOptions"):
        shown = next((option for option in _JAVA_OPTION.findall(text) if names_secret(option)), None)
        if shown is not None or ENVIRONMENT.search(text):
            what = f"`{shown}`" if shown is not None else "a value of the environment"
            message = f"`{name}` would show {what} to all users of the machine, because Java's options are part of its command line"
            yield document.diagnose(where, "secret-shown", message, "let Java read it from a file or a key store")
            return
    if _is_written_out(name, text):
        default = next((found for found in ENVIRONMENT.finditer(text) if found.group(2)), None)
        message, written = f"`{name}` contains a secret in plain text", "${NAME}"
        if default and names_secret(name):
            message, written = f"the default value of `{name}` is a secret in plain text", f"${{{default.group(1)}}}"
        yield document.diagnose(
            where, "secret-literal", message, f"write {written} and set {written[2:-1]} in the environment"
        )


def _is_written_out(name: str, text: str) -> bool:
    """Whether a text contains a secret, or a reference with a secret as default."""
    defaults = [found.group(2) for found in ENVIRONMENT.finditer(text) if found.group(2)]
    if names_secret(name) and text not in ("", "true", "false") and (defaults or "${" not in text):
        return True
    plain = ENVIRONMENT.sub(lambda found: found.group(2) or _REFERENCE, text)
    values = [found.group(1) for found in _USER_PART.finditer(plain)]
    values += [
        found.group(2)
        for found in _IN_QUERY.finditer(plain)
        if found.group(1).lower() in ("key", "sig") or names_secret(found.group(1))
    ]
    return not all(
        _REFERENCE in value or "${" in value for value in values
    )  # Spark has its own references: `${env:NAME}`


def names_secret(name: str) -> bool:
    """Whether a key, a setting or a variable of that name contains a secret: `spark.ssl.keyPassword` does, `spark.ssl.keyStoreType` does not.

    `key` counts with another word (`account.key`, `apiKey`) or at the end of a setting (`server-side-encryption.key`); `key` alone is a column.
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    lower = [word.lower() for word in words]
    if not lower or lower[-1] in _ABOUT or "ref" in lower:
        return False
    is_key = any(word == "key" and before in _KINDS_OF_KEY for before, word in pairwise(lower)) or (
        "." in name and lower[-1] == "key"
    )
    return bool(_LONG.search(name)) or not _SHORT.isdisjoint(lower) or is_key


# Strict, because hiding a line costs little: a name similar to that of a secret (misspelled ones included) with a value
# that is not only a reference; and in a URL, a user part, or such a name in the query.
_NAME = r"(?i:pas+w|pass|pwd|passphrase|secret|token(?!s)|key|credential|\bsas\b)"
_SECRET_LINE = re.compile(_NAME + r"""[^\s:=]*\s*[:=]\s*(?!["']?\$\{\w+\}["']?\s*(?:[,}\]#]|$))\S|://[^/\s]*@""")
_SECRET_BELOW = re.compile(_NAME + r"[^\s:=]*\s*:\s*[|>]?[-+]?\s*$")


def hide_lines(diagnostics: Iterable[Diagnostic], text: str) -> list[Diagnostic]:
    """Remove lines and values that may be secrets from the diagnostics of a project file."""
    lines = ["", *text.split("\n")]
    return [_hidden(found) if _holds_secret(lines, found.line) else found for found in diagnostics]


def _holds_secret(lines: list[str], number: int) -> bool:
    here, above = lines[number : number + 1], lines[number - 1 : number]
    return any(_SECRET_LINE.search(line) for line in here) or any(_SECRET_BELOW.search(line) for line in above)


def _hidden(found: Diagnostic) -> Diagnostic:
    return replace(found, source="", message=re.sub(r", not `.*`$", "", found.message, flags=re.DOTALL))
