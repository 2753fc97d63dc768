"""`s3` - objects of Amazon S3 and compatible stores, such as MinIO.

Without keys, the credentials of the machine are used: AWS environment variables, the AWS profile, or the role of the
instance or container. `s3a://` is the same as `s3://`.

```yaml
storage:
  s3://lake: {s3: {region: eu-west-1}}
  s3://old: {s3: {endpoint: "http://minio.example.com:9000", access_key: "${MINIO_KEY}", secret_key: "${MINIO_SECRET}"}}
  s3://partner/out: {s3: {region: us-east-1, role: "arn:aws:iam::123456789012:role/reader"}}
```

To read, the account needs `s3:ListBucket` on the bucket and `s3:GetObject` on the objects below the prefix. Sinks also
need `s3:PutObject` and `s3:DeleteObject` there. A lifecycle rule that aborts incomplete uploads after a day removes the
parts that a killed run has sent.

All objects of a source are copied into the run's folder before they are read, so its disk needs room for them. If a
source reads up to eight days, the objects of each day are listed with one request. If it reads more, the folder that
contains all days is listed once; folders for years and months (`{date:yyyy/MM/dd}`) keep this list short. A pipeline
may read only what `storage`, `data` and `roots` of `etlrun.yaml` name, even if the credentials allow more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from etlrun.contracts.storage import Storage, delta_timeouts, filled_secret, wrong_timeout
from etlrun.spec.fields import key
from etlrun.spec.urls import Url

if TYPE_CHECKING:
    import pyarrow.fs


@dataclass(frozen=True)
class S3(Storage):
    """Objects of Amazon S3, and of stores that speak its protocol."""

    schemes: ClassVar[tuple[str, ...]] = ("s3", "s3a", "s3n")

    region: str = key("the region of the bucket; default: the region in the settings of the machine", default="")
    endpoint: str = key(
        "the address of another store than Amazon S3: `https://HOST:PORT`",
        default="",
        example="http://minio.example.com:9000",
    )
    access_key: str = key("the access key, as `${NAME}`", default="")
    secret_key: str = key("the secret key, as `${NAME}`", default="")
    session_token: str = key(
        "the session token of temporary keys, as `${NAME}`", default="", example="${AWS_SESSION_TOKEN}"
    )
    role: str = key("the ARN of a role to assume", default="")
    anonymous: bool = key("`true`: objects are read without credentials", default=False)
    timeout: int = key("timeout of one request in seconds", default=60)

    @classmethod
    def wrong_authority(cls, authority: str) -> tuple[str, str] | None:
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", authority):
            return None
        return (
            "the URL has no bucket with a valid name",
            "write it as s3://BUCKET/KEY, and access keys under `storage:`",
        )

    def mistakes(self) -> tuple[tuple[str, str, str], ...]:
        found = list(wrong_timeout(self.timeout))
        if bool(self.access_key) != bool(self.secret_key):
            given, missing = ("access_key", "secret_key") if self.access_key else ("secret_key", "access_key")
            found.append((given, f"`{given}` also needs `{missing}`", f"add `{missing}: ${{NAME}}`"))
        if self.session_token and not (self.access_key and self.secret_key):
            fix = "add `access_key: ${NAME}` and `secret_key: ${NAME}`"
            found.append(("session_token", "`session_token` needs `access_key` and `secret_key`", fix))
        if self.anonymous and (self.access_key or self.role):
            fix = "remove `anonymous`, or remove the keys and the role"
            found.append(("anonymous", "`anonymous` cannot be used together with keys or a role", fix))
        return tuple(found)

    def filesystem(self, url: Url, environment: Callable[[str], str]) -> pyarrow.fs.FileSystem:
        from pyarrow.fs import S3FileSystem

        scheme, _, host = environment(self.endpoint).rpartition("://")
        settings: dict[str, Any] = {
            "region": environment(self.region),
            "endpoint_override": host.rstrip("/"),
            "scheme": scheme,
            "access_key": environment(self.access_key),
            "secret_key": filled_secret(self.secret_key, environment),
            "session_token": filled_secret(self.session_token, environment),
            "role_arn": environment(self.role),
            "anonymous": self.anonymous,
        }
        given = {name: value for name, value in settings.items() if value}
        # A delayed open writes a small object with one request instead of the three of a multipart upload.
        kept = {"connect_timeout": 10, "request_timeout": self.timeout, "background_writes": False}
        return S3FileSystem(**given, **kept, allow_delayed_open=True)

    def delta_options(self, url: Url, environment: Callable[[str], str]) -> Mapping[str, str] | None:
        endpoint = environment(self.endpoint).rstrip("/")
        if endpoint and "://" not in endpoint:
            endpoint = f"https://{endpoint}"
        settings = {
            "aws_region": environment(self.region),
            "aws_endpoint_url": endpoint,
            "aws_access_key_id": environment(self.access_key),
            "aws_secret_access_key": filled_secret(self.secret_key, environment),
            "aws_session_token": filled_secret(self.session_token, environment),
            "aws_iam_role_arn": environment(self.role),
            "aws_allow_http": "true" if endpoint.startswith("http://") else "",
            "aws_skip_signature": "true" if self.anonymous else "",
        }
        return {**{name: value for name, value in settings.items() if value}, **delta_timeouts(self.timeout)}
