"""`azure` - blobs of Azure Storage and Data Lake Storage Gen2.

Without a key, the credentials of the machine are used: its managed identity, or `AZURE_CLIENT_ID` and similar
environment variables.

```yaml
storage:
  abfss://raw@acct.dfs.core.windows.net: {azure: {}}
  abfss://old@other.dfs.core.windows.net: {azure: {account_key: "${AZURE_KEY}"}}
```

To read, the account needs the role `Storage Blob Data Reader` on the container. Sinks need
`Storage Blob Data Contributor`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from etlrun.contracts.storage import Storage, delta_timeouts, filled_secret
from etlrun.spec.fields import key
from etlrun.spec.urls import Url

if TYPE_CHECKING:
    import pyarrow.fs

_FORM = "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/KEY"


@dataclass(frozen=True)
class Azure(Storage):
    """Blobs of Azure Storage and of Data Lake Storage Gen2."""

    schemes: ClassVar[tuple[str, ...]] = ("abfss",)
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("wasbs", "wasb", "abfs", "adl", "az", "azure"), f"write it as {_FORM}"
    )

    account_key: str = key("the account key, as `${NAME}`", default="")
    sas_token: str = key("a shared access signature, as `${NAME}`", default="", example="${AZURE_SAS}")
    endpoint: str = key(
        "the address of another server than Azure: `http://HOST:PORT`", default="", example="http://127.0.0.1:10000"
    )

    @classmethod
    def wrong_authority(cls, authority: str) -> tuple[str, str] | None:
        if re.fullmatch(r"[a-z0-9$-]+@[a-z0-9]+(\.(dfs|blob)\.[a-z0-9.-]+)?", authority):
            return None
        return "the URL has no container or no account", f"write it as {_FORM}"

    def mistakes(self) -> tuple[tuple[str, str, str], ...]:
        if self.account_key and self.sas_token:
            return (("sas_token", "`sas_token` and `account_key` cannot be used together", "leave one of them out"),)
        return ()

    def container(self, authority: str) -> str:
        return authority.partition("@")[0]

    def filesystem(self, url: Url, environment: Callable[[str], str]) -> pyarrow.fs.FileSystem:
        from pyarrow.fs import AzureFileSystem

        account, _, domain = url.authority.partition("@")[2].partition(".")
        scheme, _, host = environment(self.endpoint).rpartition("://")
        host, suffix = host.rstrip("/"), domain.partition(".")[2]
        settings: dict[str, Any] = {
            "account_key": filled_secret(self.account_key, environment),
            "sas_token": filled_secret(self.sas_token, environment).removeprefix("?"),
            "blob_storage_authority": host or (f".blob.{suffix}" if suffix else ""),
            "dfs_storage_authority": host or (f".dfs.{suffix}" if suffix else ""),
            "blob_storage_scheme": scheme,
            "dfs_storage_scheme": scheme,
        }
        return AzureFileSystem(account, **{name: value for name, value in settings.items() if value})

    def delta_options(self, url: Url, environment: Callable[[str], str]) -> Mapping[str, str] | None:
        account = url.authority.partition("@")[2].partition(".")[0]
        endpoint = environment(self.endpoint).rstrip("/")
        settings = {
            "azure_storage_account_name": account,
            "azure_storage_account_key": filled_secret(self.account_key, environment),
            "azure_storage_sas_token": filled_secret(self.sas_token, environment).removeprefix("?"),
            "azure_endpoint": f"{endpoint}/{account}" if endpoint else "",
            "azure_allow_http": "true" if endpoint.startswith("http://") else "",
        }
        return {**{name: value for name, value in settings.items() if value}, **delta_timeouts(_TIMEOUT)}


_TIMEOUT = 60
