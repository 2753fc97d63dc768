"""`gemini` - Gemini of Google, over the Gemini API.

`thinking` is how much the model thinks before it answers. etlrun translates it to what the model needs: a token budget
for Gemini 2.5, a level for later models. `off` is the lowest setting of the model (`minimal`, if it has that level).
`default` uses the default of the service. Thinking tokens are billed as output tokens.

`mode: batch` sends requests as jobs of the Batch API, which answers within a day at half the price. After a run has
submitted a job, it ends with exit code 4; with `--wait 4h` it waits for the answers instead. The next run takes the
answers and submits nothing twice. `etlrun llm jobs` lists the jobs.

```yaml
profiles:
  prod:
    models:
      categories: {gemini: {model: "${GEMINI_MODEL}", api_key: "${GEMINI_API_KEY}"}}
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from etlrun.contracts.model import Environment, LanguageModel, ModelClient, key_fix, secret_key
from etlrun.models._gemini_thinking import Thinking, room_for
from etlrun.spec.fields import key


@dataclass(frozen=True, kw_only=True)
class Gemini(LanguageModel):
    """Google's Gemini, over the Gemini API."""

    api_key: str = key("the API key, as a reference to an environment variable", default="${GEMINI_API_KEY}")
    url: str = key(
        "the URL of the service, if it is not the standard one, such as a gateway",
        default="",
        example="https://gateway.example/v1",
    )
    thinking: Thinking = key("how much the model thinks before it answers", default="off")

    takes_jobs: ClassVar[bool] = True
    provider: ClassVar[str] = "gcp.gemini"
    operation: ClassVar[str] = "generate_content"
    more_room: ClassVar[str] = "raise `thoughts` of the model, or set a lower `thinking`, if it is not `off`"

    def identity(self, root: Path, environment: Environment) -> Mapping[str, str]:
        name = self.model_name(environment)
        temperature = f"{self.temperature or 0:g}"  # no value counts as 0, which earlier versions sent, so that stored answers stay valid
        return {"provider": "gemini", "model": name, "thinking": self.thinking, "temperature": temperature}

    def open(self, environment: Environment) -> ModelClient:
        secret = secret_key(self.api_key, environment)
        from etlrun.models._gemini import GeminiSettings
        from etlrun.models._gemini_jobs import GeminiJobs

        settings = GeminiSettings(
            self.model_name(environment),
            secret,
            key_fix(self.api_key),
            environment(self.url),
            self.timeout,
            self.concurrency,
            self.temperature,
            self.thinking,
            self.service_tier,
        )
        return GeminiJobs(settings)

    def thought_tokens(self, name: str) -> int:
        return room_for(name, self.thinking) if self.thoughts is None else self.thoughts
