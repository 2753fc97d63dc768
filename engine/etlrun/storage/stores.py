"""Opens the store of a URL, with the credentials of the longest matching prefix under `storage:`, or else those of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etlrun.failures import RunFailure
from etlrun.spec.project import Profile, Project, Use
from etlrun.spec.registry import kinds
from etlrun.spec.urls import Url, kind_of_scheme
from etlrun.storage.object_store import ObjectStore, StoreError


@dataclass
class Stores:
    """The stores of a profile, each opened when it is first used."""

    uses: Mapping[Url, Use] = field(default_factory=dict)
    environment: Callable[[str], str] = str  # fills `${NAME}` into settings
    _open: dict[tuple[Url, str], ObjectStore] = field(default_factory=dict)

    def of(self, url: Url) -> ObjectStore:
        """The store that contains `url`. Raises StoreError."""
        prefix = max(filter(url.is_below, self.uses), key=lambda one: len(one.parts), default=Url(url.scheme, ""))
        place = prefix, url.authority
        if place not in self._open:
            storage = self._storage(url)
            self._open[place] = ObjectStore(self._filesystem(storage, url), storage.container(url.authority))
        return self._open[place]

    def delta_options(self, url: Url) -> Mapping[str, str]:
        """The options of the Delta library for a table at `url`. Raises StoreError."""
        storage = self._storage(url)
        try:
            found: Mapping[str, str] | None = storage.delta_options(url, self.environment)
        except RunFailure as failure:
            raise StoreError(failure.code, failure.message, failure.fix) from failure
        if found is None:
            message = f"{url}: Delta tables cannot be used with these settings of `storage:`"
            raise StoreError("storage-failed", message, "remove `impersonate`, or choose a folder or another store")
        return found

    def _storage(self, url: Url) -> Any:
        prefix = max(filter(url.is_below, self.uses), key=lambda one: len(one.parts), default=None)
        return _usual(url) if prefix is None else self.uses[prefix].value

    def _filesystem(self, storage: Any, url: Url) -> Any:
        import pyarrow as pa

        try:
            return storage.filesystem(url, self.environment)
        except RunFailure as failure:
            raise StoreError(failure.code, failure.message, failure.fix) from failure
        except (OSError, pa.ArrowException, ValueError) as error:
            error_text = " ".join(str(error).split())[:300]
            fix = "correct its settings under `storage:` in etlrun.yaml"
            raise StoreError("storage-failed", f"{url}: the store cannot be opened ({error_text})", fix) from error


def open_stores(project: Project, profile: Profile, environment: Callable[[str], str]) -> Stores:
    """The stores of a profile; `environment` fills `${NAME}` into their settings."""
    return Stores({**project.storage, **profile.storage}, environment)


def _usual(url: Url) -> Any:
    return kinds("storages")[kind_of_scheme(url.scheme)]()
