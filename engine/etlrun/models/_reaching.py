"""How to reach a model of a service, whatever the service: what the settings of all clients have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etlrun.secrets import Secret


@dataclass(frozen=True)
class ServiceSettings:
    """How to reach a model and how it answers. `key_reference` is what the project file says in place of the key; `timeout` is in seconds."""

    name: str
    secret: Secret
    key_reference: str
    url: str
    timeout: float
    concurrency: int
    temperature: float | None

    def sent(self) -> Mapping[str, str]:
        """What to do where the service refuses a setting, by setting, for those that are sent."""
        return {} if self.temperature is None else {"temperature": "leave out `temperature` of the model"}
