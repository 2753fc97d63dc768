"""The interface of storages: a kind that opens the objects below a URL, with configured credentials or those of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from etlrun.secrets import Secret
from etlrun.spec.fields import Described
from etlrun.spec.urls import Url

if TYPE_CHECKING:
    import pyarrow.fs


MOST_SECONDS = 86_400  # that a request may take


class Storage(Described):
    """A store of objects. `schemes` begin its URLs, the first of them is shown; `refused` are schemes that people try, each with what to write instead."""

    schemes: ClassVar[tuple[str, ...]]
    refused: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def wrong_authority(cls, authority: str) -> tuple[str, str] | None:
        """The mistake in the bucket part of a URL, and the fix; None if it is valid. The part is never shown, because it may contain a secret."""
        raise NotImplementedError

    def mistakes(self) -> tuple[tuple[str, str, str], ...]:
        """The wrong keys, each with its mistake and the fix."""
        return ()

    def container(self, authority: str) -> str:
        """The name, in the file system, of the bucket or container."""
        return authority

    def filesystem(self, url: Url, environment: Callable[[str], str]) -> pyarrow.fs.FileSystem:
        """The file system that holds `url`; `environment` fills `${NAME}` into settings. Raises RunFailure."""
        raise NotImplementedError

    def delta_options(self, url: Url, environment: Callable[[str], str]) -> Mapping[str, str] | None:
        """The options of the Delta library for `url`; None if it cannot use the store. Raises RunFailure."""
        return None


def filled_secret(text: str, environment: Callable[[str], str]) -> str:
    """A setting with `${NAME}` replaced, which is never shown in a message."""
    found = environment(text)
    Secret(found)
    return found


def delta_timeouts(seconds: int) -> Mapping[str, str]:
    """For the library of Delta tables, how long a request may take; what fails is tried for as long, not for minutes."""
    return {"timeout": f"{seconds}s", "connect_timeout": "10s", "max_retries": "3", "retry_timeout": f"{seconds}s"}


def wrong_timeout(seconds: int) -> tuple[tuple[str, str, str], ...]:
    """The mistake in `timeout` if it is not a valid number of seconds for a request."""
    if 0 < seconds <= MOST_SECONDS:
        return ()
    return (("timeout", f"`timeout` is {seconds:,}", f"write a number of seconds from 1 to {MOST_SECONDS:,}"),)
