"""`gcs` - objects of Google Cloud Storage.

The credentials of the machine are used: the service account of the instance, or the key file in
`GOOGLE_APPLICATION_CREDENTIALS`. `gcs://` is the same as `gs://`.

```yaml
storage:
  gs://logs: {gcs: {}}
  gs://partner/out: {gcs: {impersonate: reader@project.iam.gserviceaccount.com}}
```

To read, the account needs the role `roles/storage.objectViewer` on the bucket. Sinks need `roles/storage.objectUser`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from etlrun.contracts.storage import Storage, delta_timeouts, wrong_timeout
from etlrun.spec.fields import key
from etlrun.spec.urls import Url

if TYPE_CHECKING:
    import pyarrow.fs


@dataclass(frozen=True)
class Gcs(Storage):
    """Objects of Google Cloud Storage."""

    schemes: ClassVar[tuple[str, ...]] = ("gs", "gcs")

    impersonate: str = key("a service account to impersonate", default="")
    endpoint: str = key(
        "the address of another server than Google: `https://HOST:PORT`", default="", example="http://127.0.0.1:4443"
    )
    anonymous: bool = key("`true`: objects are read without credentials", default=False)
    timeout: int = key("the number of seconds for which a failing request is repeated", default=60)

    @classmethod
    def wrong_authority(cls, authority: str) -> tuple[str, str] | None:
        if re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,221}", authority):
            return None
        return "the URL has no bucket with a valid name", "write it as gs://BUCKET/KEY"

    def mistakes(self) -> tuple[tuple[str, str, str], ...]:
        found = wrong_timeout(self.timeout)
        if self.anonymous and self.impersonate:
            fix = "leave one of them out"
            return (*found, ("anonymous", "`anonymous` and `impersonate` cannot be used together", fix))
        return found

    def filesystem(self, url: Url, environment: Callable[[str], str]) -> pyarrow.fs.FileSystem:
        from pyarrow.fs import GcsFileSystem

        scheme, _, host = environment(self.endpoint).rpartition("://")
        settings: dict[str, Any] = {
            "target_service_account": environment(self.impersonate),
            "endpoint_override": host.rstrip("/"),
            "scheme": scheme,
            "anonymous": self.anonymous,
        }
        given = {name: value for name, value in settings.items() if value}
        return GcsFileSystem(**given, retry_time_limit=timedelta(seconds=self.timeout))

    def delta_options(self, url: Url, environment: Callable[[str], str]) -> Mapping[str, str] | None:
        if self.impersonate:
            return None
        endpoint = environment(self.endpoint).rstrip("/")
        settings = {
            "google_base_url": endpoint,
            "google_skip_signature": "true" if self.anonymous else "",
            "allow_http": "true" if endpoint.startswith("http://") else "",
        }
        return {**{name: value for name, value in settings.items() if value}, **delta_timeouts(self.timeout)}
