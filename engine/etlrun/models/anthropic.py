"""`anthropic` - Claude of Anthropic, over the Messages API.

`effort` is how much the model thinks before it answers: `lowest` is the lowest level of the model, `none` turns
thinking off if the model allows that. `temperature` is for older models; newer models reject it.

A JSON Schema (`output_config.format`) restricts the answer to the labels. You do not need the official client of
Anthropic; the extra `etlrun[anthropic]` installs an HTTP client.

`mode: batch` submits requests as Message Batches at half the price; the answers come within a day (see `gemini`). If a
run is killed while it submits a batch, etlrun does not know whether the service got it, because a Message Batch has no
name that the client chooses. The job then stays `intended`, and the next runs submit nothing for its keys: they wait
until the open batches of the same size have ended, and look for it in their results. So nothing is paid twice.

```yaml
profiles:
  prod:
    models:
      categories: {anthropic: {model: claude-haiku-5-5, api_key: "${ANTHROPIC_API_KEY}"}}
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from etlrun.contracts.model import Environment, LanguageModel, ModelClient, key_fix, secret_key
from etlrun.models._effort import ROOM_OF_EFFORT, effort_of
from etlrun.spec.fields import key

SERVICE = "https://api.anthropic.com"


@dataclass(frozen=True, kw_only=True)
class Anthropic(LanguageModel):
    """Anthropic's Claude, over the Messages API."""

    api_key: str = key("the API key, as a reference to an environment variable", default="${ANTHROPIC_API_KEY}")
    url: str = key(
        "the URL of the service, if it is not the standard one, such as a gateway",
        default="",
        example="https://gateway.example",
    )
    effort: Literal["lowest", "default", "none", "low", "medium", "high", "xhigh", "max"] = key(
        "how much the model thinks: `lowest` is the lowest level of a model that etlrun knows, and sends nothing for "
        "other models; `none` turns thinking off; `default` sends nothing",
        default="lowest",
    )
    service_tier: Literal["standard"] = key("the only tier that is supported", default="standard")

    more_room: ClassVar[str] = "raise `thoughts` of the model, or set a lower `effort`, such as `none` or `low`"

    def identity(self, root: Path, environment: Environment) -> Mapping[str, str]:
        name = self.model_name(environment)
        found = {"provider": "anthropic", "model": name, "effort": effort_of(name, self.effort)}
        return found if self.temperature is None else {**found, "temperature": f"{self.temperature:g}"}

    def open(self, environment: Environment) -> ModelClient:
        secret = secret_key(self.api_key, environment)
        from etlrun.models._anthropic import AnthropicSettings
        from etlrun.models._anthropic_jobs import AnthropicJobs

        name = self.model_name(environment)
        settings = AnthropicSettings(
            name,
            secret,
            key_fix(self.api_key),
            environment(self.url) or SERVICE,
            self.timeout,
            self.concurrency,
            self.temperature,
            effort_of(name, self.effort),
        )
        return AnthropicJobs(settings)

    def thought_tokens(self, name: str) -> int:
        return ROOM_OF_EFFORT[effort_of(name, self.effort)] if self.thoughts is None else self.thoughts
