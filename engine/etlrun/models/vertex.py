"""`vertex` - Gemini on Vertex AI, with a Google Cloud project instead of an API key.

etlrun signs in with Application Default Credentials: on a laptop run `gcloud auth application-default login`; elsewhere
use `GOOGLE_APPLICATION_CREDENTIALS` or the service account of the machine. The account needs the role Vertex AI User in
the project.

`thinking` and the prices are the same as for `gemini`; a location other than `global` costs 10% more. Set `price` if
your account pays something else. `mode: batch` is not supported, because batch jobs of Vertex AI read and write a
bucket; use `gemini` for it.

```yaml
profiles:
  prod:
    models:
      categories: {vertex: {model: gemini-3.5-flash-lite, project: "${GOOGLE_CLOUD_PROJECT}", location: europe-west4}}
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from etlrun.contracts.model import Environment, LanguageModel, ModelClient, filled
from etlrun.models._gemini_thinking import Thinking, room_for
from etlrun.models._known_models import location_factor
from etlrun.spec.fields import key


@dataclass(frozen=True, kw_only=True)
class Vertex(LanguageModel):
    """Google's Gemini on Vertex AI."""

    project: str = key("the Google Cloud project that is billed", default="${GOOGLE_CLOUD_PROJECT}")
    location: str = key("the location of the model: a region, `us`, `eu`, or `global`", default="global")
    url: str = key(
        "the URL of the service, if it is not the standard one, such as a gateway",
        default="",
        example="https://gateway.example/vertex",
    )
    thinking: Thinking = key("how much the model thinks before it answers", default="off")
    service_tier: Literal["standard"] = key("the only tier that is supported", default="standard")
    mode: Literal["direct"] = key(
        "requests are sent at once: batch jobs of Vertex AI need a bucket; for `mode: batch` use `gemini`",
        default="direct",
    )

    provider: ClassVar[str] = "gcp.vertex_ai"
    operation: ClassVar[str] = "generate_content"
    more_room: ClassVar[str] = "raise `thoughts` of the model, or set a lower `thinking`, if it is not `off`"

    def identity(self, root: Path, environment: Environment) -> Mapping[str, str]:
        found = {"provider": "vertex", "model": self.model_name(environment), "thinking": self.thinking}
        return found if self.temperature is None else {**found, "temperature": f"{self.temperature:g}"}

    def open(self, environment: Environment) -> ModelClient:
        name = self.model_name(environment)
        project, location = (filled(getattr(self, field), field, environment) for field in ("project", "location"))
        from etlrun.models._gemini import GeminiSettings
        from etlrun.models._vertex import VertexClient
        from etlrun.secrets import Secret

        settings = GeminiSettings(
            name,
            Secret(""),
            "",
            environment(self.url),
            self.timeout,
            self.concurrency,
            self.temperature,
            self.thinking,
            self.service_tier,
        )
        return VertexClient(settings, project, location)

    def price_factor(self, environment: Environment) -> float:
        return location_factor(filled(self.location, "location", environment))

    def thought_tokens(self, name: str) -> int:
        return room_for(name, self.thinking) if self.thoughts is None else self.thoughts
