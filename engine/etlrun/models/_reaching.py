"""The settings that the clients of all model services share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etlrun.contracts.model import ModelError
from etlrun.secrets import Secret

LONGEST_PAUSE = 3600.0  # the most seconds that a run waits because a service asks for it


@dataclass(frozen=True)
class ServiceSettings:
    """How to reach a model and how it answers. `key_fix` says what to do if the key is rejected; `timeout` is in seconds."""

    name: str
    secret: Secret
    key_fix: str
    url: str
    timeout: float
    concurrency: int
    temperature: float | None

    def sent(self) -> Mapping[str, str]:
        """The fix if the service refuses a setting, by setting, for those that are sent."""
        return {} if self.temperature is None else {"temperature": "remove `temperature` from the model in etlrun.yaml"}


def too_many_requests(message: str, wait: float | None) -> ModelError:
    """The error for a 429: a pause of `wait` seconds, or the end of asking if the pause is too long for a run."""
    if wait is None or wait <= LONGEST_PAUSE:
        return ModelError("rate", message, wait=wait)
    asked = f"{message} (the service asks to wait for {wait / 3600:,.0f} hours)"
    return ModelError("day", asked, "run again then; the answers so far are stored")
