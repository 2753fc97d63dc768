"""Secrets: a key or password that never shows itself, and the environment that holds it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secret:
    """A text that prints as `***`; only `reveal` gives it, at the moment it is sent."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")

    def hide_in(self, text: str) -> str:
        """`text` with the secret, where it occurs, replaced by `***`."""
        return text.replace(self._text, "***") if self._text else text
