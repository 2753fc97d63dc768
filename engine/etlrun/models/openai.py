"""`openai` - any service that speaks the OpenAI chat API: vLLM, Ollama, gateways, OpenAI itself.

```yaml
profiles:
  local:
    models:
      categories:
        openai: {url: "http://127.0.0.1:11434/v1", model: qwen3, price: {input: 0, output: 0}}
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etlrun.enrich.model import Asker, Environment, LanguageModel, filled, secret_key, written_reference
from etlrun.secrets import Secret
from etlrun.spec.fields import key


@dataclass(frozen=True, kw_only=True)
class Openai(LanguageModel):
    """Any service that speaks the OpenAI chat API."""

    url: str = key("the address of the API, with its version: https://HOST/v1")
    api_key: str = key(
        "the API key, as a reference to the environment; services of one's own often take none", default=""
    )
    temperature: float = key("how freely it chooses among answers, from 0 to 2", default=0)
    thoughts: int = key("tokens that a thinking model may spend before it answers", default=0)

    def identity(self, root: Path, environment: Environment) -> Mapping[str, str]:
        name = self.model_name(environment)
        return {
            "provider": "openai",
            "url": environment(self.url),
            "model": name,
            "temperature": f"{self.temperature:g}",
        }

    def open(self, environment: Environment) -> Asker:
        secret = secret_key(self.api_key, environment) if self.api_key else Secret("")
        from etlrun.models._openai import OpenaiAsker, Settings

        url = filled(self.url, "url", environment)
        settings = Settings(
            self.model_name(environment),
            secret,
            written_reference(self.api_key),
            url,
            self.timeout,
            self.concurrency,
            self.temperature,
        )
        return OpenaiAsker(settings)

    def thought_tokens(self, name: str) -> int:
        return self.thoughts
