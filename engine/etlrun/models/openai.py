"""`openai` - any service that speaks the OpenAI chat API: Ollama and vLLM on a machine of one's own, gateways, OpenAI itself.

A server of one's own takes no key and is not in the price list: `price: {input: 0, output: 0}` says that it is free, so that budgets hold
without a question. `model` is the name under which the server knows the model: that of `ollama list`, or of `vllm serve`, or what
`--served-model-name` gives it.

A model that thinks spends the room of its answer on that: `reasoning_effort` says how much it thinks, `thoughts` how many tokens are left for it.

`mode: batch` hands requests in as jobs of the Batch API, where the service has it: half the price, answers within a day (see `gemini`).

```yaml
profiles:
  local:
    models:
      categories:
        openai: {url: "http://127.0.0.1:11434/v1", model: "qwen3:8b", price: {input: 0, output: 0}}     # Ollama
  gpu:
    models:
      categories:
        openai: {url: "http://127.0.0.1:8000/v1", model: Qwen/Qwen3-8B, price: {input: 0, output: 0}}   # vLLM
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from etlrun.contracts.model import Environment, LanguageModel, ModelClient, filled, secret_key, written_reference
from etlrun.models._effort import ROOM_OF_EFFORT, Effort, effort_of
from etlrun.secrets import Secret
from etlrun.spec.fields import key


@dataclass(frozen=True, kw_only=True)
class Openai(LanguageModel):
    """Any service that speaks the OpenAI chat API."""

    url: str = key("the URL of the API with its version: `https://HOST/v1`")
    api_key: str = key(
        "the API key, as a reference to an environment variable; a server on your own machine often needs none",
        default="",
        example="${SERVICE_API_KEY}",
    )
    reasoning_effort: Effort = key(
        "how much the model thinks: `lowest` is the lowest level of a model that etlrun knows, and sends nothing for "
        "other models; `default` sends nothing",
        default="lowest",
    )

    takes_jobs: ClassVar[bool] = True
    more_room: ClassVar[str] = (
        "raise `thoughts` of the model, or set a lower `reasoning_effort`, such as `none` or `low`"
    )

    def identity(self, root: Path, environment: Environment) -> Mapping[str, str]:
        name = self.model_name(environment)
        found = {
            "provider": "openai",
            "url": environment(self.url),
            "model": name,
            "temperature": f"{self.temperature or 0:g}",  # left out counts as 0, which was sent before: answers stay known
        }
        effort = effort_of(name, self.reasoning_effort)
        return {**found, "reasoning_effort": effort} if effort else found

    def open(self, environment: Environment) -> ModelClient:
        secret = secret_key(self.api_key, environment) if self.api_key else Secret("")
        from etlrun.models._openai import OpenaiSettings
        from etlrun.models._openai_jobs import OpenaiJobs

        url = filled(self.url, "url", environment)
        settings = OpenaiSettings(
            self.model_name(environment),
            secret,
            written_reference(self.api_key),
            url,
            self.timeout,
            self.concurrency,
            self.temperature,
            effort_of(self.model_name(environment), self.reasoning_effort),
            self.service_tier,
        )
        return OpenaiJobs(settings)

    def thought_tokens(self, name: str) -> int:
        return ROOM_OF_EFFORT[effort_of(name, self.reasoning_effort)] if self.thoughts is None else self.thoughts
