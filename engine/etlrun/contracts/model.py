"""The interface of models: the settings in the profile, and the client that answers questions.

There are two kinds. A *language model* is asked over the network, with many keys in a request, and costs money. A *finder*
looks up each key on this machine, at once and free.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from etlrun.secrets import Secret
from etlrun.spec.fields import Described, key
from etlrun.spec.outputs import Output, Value

Ending = Literal["complete", "truncated", "blocked"]
Cause = Literal["rate", "day", "service", "unreadable", "refused", "access", "model", "setup"]
Counted = Literal["requests", "tokens", "input tokens"]
Environment = Callable[[str], str]


@dataclass(frozen=True)
class Request:
    """One question to a language model: rules, one JSON document of keys, and the JSON Schema of the answer."""

    system: str
    user: str
    schema: Mapping[str, Any]
    max_output_tokens: int

    @cached_property
    def most_input(self) -> int:
        """Tokens of input that it cannot exceed: a token is at least a byte of what is sent."""
        return len(self.system.encode()) + len(self.user.encode()) + len(str(self.schema).encode()) + 64


@dataclass(frozen=True)
class Usage:
    """Tokens of one request as the service counted them. `output` includes the `thoughts`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    thoughts: int = 0


@dataclass(frozen=True)
class Allowance:
    """What a service still takes: so much of a limit is `left`, and all of it is there again in so many `seconds`.

    `tokens` are those of the input and of the answer's room.
    """

    counted: Counted
    limit: int
    left: int
    seconds: float


@dataclass(frozen=True)
class ModelReply:
    """What came back: the text, how it ended (`reason` is the service's word for it), and what it took.

    `usage` is None where the service did not say. `allowances` are what it said of its limits.
    """

    text: str
    ending: Ending
    reason: str
    usage: Usage | None
    version: str = ""
    allowances: tuple[Allowance, ...] = ()


class ModelError(Exception):
    """A request without an answer.

    `rate` and `day` are quotas, `service` an outage or a lost connection, `unreadable` a reply that is no reply, `refused` a
    request the service does not take, `access` a key it does not take, `model` a name it does not know, `setup` a mistake
    found before anything was sent. `wait` is how many seconds the service asks to wait; `may_be_billed` says that it may
    have done the work.
    """

    def __init__(
        self, cause: Cause, message: str, fix: str = "", *, wait: float | None = None, may_be_billed: bool = False
    ) -> None:
        super().__init__(message)
        self.cause: Cause = cause
        self.message = message
        self.fix = fix
        self.wait = wait
        self.may_be_billed = may_be_billed


class ModelClient(ABC):
    """An open language model. Every method raises ModelError and nothing else that a service can cause."""

    @abstractmethod
    async def answer(self, request: Request) -> ModelReply:
        """Send one request, once."""

    @abstractmethod
    async def count_tokens(self, request: Request) -> int | None:
        """The input tokens of a request; None where the service cannot count without answering."""

    @abstractmethod
    async def check(self) -> str:
        """The name of the model at the service; raises ModelError if the key or the name is wrong."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

    @property
    def address(self) -> str:
        """The URL of the service, where it is known."""
        return ""


@dataclass(frozen=True)
class LookupResult:
    """What a finder knows of a key: the answer by output column, and why."""

    answer: Mapping[str, Value]
    reason: str


class Searched(NamedTuple):
    """A key of a run, its number of rows, and its stored answer as JSON with the reason; `answer` is empty if there is none."""

    key: str
    text: str
    rows: int
    answer: str
    reason: str


class Finder(ABC):
    """An open model that looks keys up by itself."""

    compares_keys: bool = False  # whether `find_among` may find more than `find`

    @abstractmethod
    def find(self, text: str) -> LookupResult | None:
        """The answer for one key; None where it does not know."""

    def find_among(self, searched: Sequence[Searched]) -> Mapping[str, LookupResult]:
        """The answers for keys without one, which follow from all keys of a run."""
        return {}


@dataclass(frozen=True)
class Price(Described):
    """What a model costs, in US dollars per million tokens."""

    input: float = key("US dollars per million input tokens", example=0.1)
    output: float = key("US dollars per million output tokens, thinking tokens included", example=0.4)


@dataclass(frozen=True)
class Model(Described):
    """A model of a profile."""

    def identity(self, root: Path, environment: Environment) -> Mapping[str, str]:
        """Everything about the model that can change an answer; a change asks again. Raises ModelError."""
        raise NotImplementedError

    def files(self) -> Mapping[str, str]:
        """The files of the project that the model reads, by the key that names each."""
        return {}


@dataclass(frozen=True, kw_only=True)
class LanguageModel(Model):
    """A model that is asked over the network, with the limits its account has."""

    model: str = key("the name of the model at the service")
    accept: tuple[str, ...] = key(
        "other models whose answers are accepted if the service uses one instead; `unnamed` accepts replies without a "
        "model name",
        default=(),
        example=("unnamed",),
    )
    batch: int = key("the number of keys in one request, at most 100", default=50)
    concurrency: int = key("the number of requests at the same time", default=16)
    requests_per_minute: int | None = key("the largest number of requests per minute", default=None, example=300)
    tokens_per_minute: int | None = key("the largest number of input tokens per minute", default=None, example=100000)
    timeout: float = key("timeout of one request in seconds", default=120)
    price: Price | None = key(
        "the price of the model, if it is not in the built-in price list or has changed; `mode: batch` costs half of it",
        default=None,
        example={"input": 0.1, "output": 0.4},
    )
    temperature: float | None = key(
        "the sampling temperature, from 0 to 2; default: that of the service, because newer models reject this setting",
        default=None,
        example=0.2,
    )
    thoughts: int | None = key(
        "the number of tokens of an answer that are reserved for thinking; default: what the thinking level needs",
        default=None,
        example=1024,
    )
    service_tier: Literal["standard", "flex", "priority"] = key(
        "`flex` costs half and may be slow; `priority` costs up to twice as much", default="standard"
    )

    mode: Literal["direct", "batch"] = key(
        "`batch` sends requests as batch jobs: half the price, answers within a day; `direct` sends them at once",
        default="direct",
    )

    takes_jobs: ClassVar[bool] = False
    provider: ClassVar[str] = ""  # the service's name in OpenTelemetry's conventions for GenAI; else the kind's
    operation: ClassVar[str] = "chat"  # what a request is there
    more_room: ClassVar[str] = (
        "raise `thoughts` of the model"  # what to do where thinking leaves no room for the answer
    )

    def open(self, environment: Environment) -> ModelClient:
        """A client that is ready for requests; `environment` replaces `${NAME}`. Raises ModelError with the cause `setup`."""
        raise NotImplementedError

    def thought_tokens(self, name: str) -> int:
        """Tokens that the model, called `name` at its service, may spend on thinking before it answers."""
        return 0

    def price_factor(self, environment: Environment) -> float:
        """The factor for prices of the list at the location where the model is used."""
        return 1.0

    def model_name(self, environment: Environment) -> str:
        """The model name for requests; raises ModelError if it refers to a variable that is not set."""
        return filled(self.model, "model", environment)


@dataclass(frozen=True)
class LocalModel(Model):
    """A model that looks up keys in files of the project, such as a catalogue."""

    def open(self, root: Path, outputs: Sequence[Output]) -> Finder:
        """A finder for these outputs. Raises SpecError with every mistake in its files."""
        raise NotImplementedError


def refused_setting(message: str, sent: Mapping[str, str]) -> ModelError | None:
    """The mistake behind a refusal that names a setting of the model: `sent` has what to do by setting, for those that were sent."""
    plain = message.lower().replace("_", "").replace(" ", "")
    for setting, fix in sent.items():
        if setting.replace("_", "") in plain:
            return ModelError("setup", f"the service does not take `{setting}` for this model: {message}", fix)
    return None


def filled(text: str, field: str, environment: Environment) -> str:
    """`text` with every `${NAME}` replaced. Raises ModelError if a variable is not set, or if the result is empty."""
    from etlrun.spec.environment import MissingVariable

    try:
        found = environment(text)
    except MissingVariable as missing:
        name = str(missing)
        raise ModelError(
            "setup",
            f"`{field}` of the model is `${{{name}}}`, but the environment variable `{name}` is not set",
            f"set it: export {name}=...",
        ) from None
    if not found:
        raise ModelError(
            "setup", f"`{field}` is empty", "give it a value, or refer to an environment variable: ${NAME}"
        )
    return found


def secret_key(text: str, environment: Environment) -> Secret:
    """The key that `api_key` refers to. Raises ModelError where it refers to nothing, or to what is no key: it goes into a header as it is."""
    found = Secret(filled(text, "api_key", environment))
    if not (found.reveal().isascii() and found.reveal().isprintable()):
        message = "`api_key` has a character that keys cannot have: a line break, a letter with an accent or a typographic quote"
        raise ModelError("setup", message, "copy the key again, without any other text")
    return found


def key_fix(text: str) -> str:
    """What to do if a service rejects the key that `api_key` refers to; never the key itself."""
    if not text:
        return (
            'the service needs a key: add `api_key: "${SERVICE_API_KEY}"` to the model, and export SERVICE_API_KEY=...'
        )
    if text.startswith("${") and text.endswith("}"):
        return f"set the environment variable to a valid key: export {text[2:-1].partition(':-')[0]}=..."
    return "set `api_key` of the model to a valid key"
