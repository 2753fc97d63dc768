"""`openai` - any service with the OpenAI chat API: OpenAI, gateways, or Ollama and vLLM on your own machine.

Your own server usually needs no API key. It is not in the price list: with `price: {input: 0, output: 0}` the cost is
zero, so a run does not ask for a confirmation of the cost. `model` is the name of the model on the server: as in
`ollama list`, in `vllm serve`, or in its option `--served-model-name`.
Stored answers belong to `model` and `url`: if the server moves to another URL, all keys are asked again.

A model that thinks uses tokens of its answer for it: `reasoning_effort` sets how much the model thinks, and `thoughts`
sets how many tokens are reserved for it.

`mode: batch` sends requests as jobs of the Batch API, if the service has it: half the price, answers within a day (see
`gemini`).

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

from etlrun.contracts.model import Environment, LanguageModel, ModelClient, filled, key_fix, secret_key
from etlrun.models._effort import ROOM_OF_EFFORT, Effort, effort_of
from etlrun.secrets import Secret
from etlrun.spec.fields import key


@dataclass(frozen=True, kw_only=True)
class Openai(LanguageModel):
    """Any service with the OpenAI chat API."""

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
            "temperature": f"{self.temperature or 0:g}",  # no value counts as 0, which earlier versions sent, so that stored answers stay valid
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
            key_fix(self.api_key),
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
