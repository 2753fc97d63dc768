"""The interface of steps: a step gives its output columns when it is checked, and a SELECT when it is compiled.

A step builds SQL trees and runs nothing. Work that SQL cannot do is an `Apply`, a `ReadTexts` or an `Ask`, which the run carries out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.check import Check
from etlrun.contracts.label_source import LabelSource
from etlrun.contracts.relation import Input
from etlrun.language.columns import Columns
from etlrun.spec.fields import Described
from etlrun.spec.normal_form import MAX_CHARACTERS
from etlrun.spec.scope import HIDDEN, At, Scope

if TYPE_CHECKING:
    from etlrun.spec.personal_kinds import Policy


class Step(Described):
    """One verb of a chain."""

    keeps_rows: ClassVar[bool] = False  # every row of the input becomes exactly one row of the output
    groups_rows: ClassVar[bool] = (
        False  # one GROUP BY in which every row of the input has its group; more aggregates may ride along
    )
    place_in_chain: ClassVar[Literal["first", "later", "anywhere"]] = "later"  # where in a chain the step may stand

    def output(self, columns: Columns, scope: Scope) -> Columns:
        """The output columns for the input `columns`; mistakes go to `scope`, and the best guess is returned."""
        raise NotImplementedError

    def lower(self, relation: Input) -> exp.Query | Apply | ReadTexts | Ask:
        """The step as one SELECT over `relation`, or the work outside of SQL that computes its rows."""
        raise NotImplementedError

    def reads(self) -> Iterable[tuple[str, At]]:
        """The other relations this step reads, each with the place that names it."""
        return ()

    def models(self) -> Iterable[tuple[str, At]]:
        """The models of the profile that this step asks, each with the place that names it."""
        return ()

    def prompts(self) -> Iterable[str]:
        """The prompts that this step uses."""
        return ()

    def functions(self) -> Iterable[str]:
        """The Python functions that this step calls."""
        return ()

    def check_of_rows(self, relation: Input) -> tuple[str, Check] | None:
        """A check of the rows that this step reads, and the key of the step that requests it; None if there is none."""
        return None

    def label_source(self) -> LabelSource | None:
        """The column that holds the labels of the step, where only a run knows them."""
        return None

    def with_labels(self, labels: tuple[str, ...]) -> Step:
        """The step of a run that has read these labels from its `label_source`."""
        raise NotImplementedError

    def alias(self) -> str:
        """The relation whose rows this step returns unchanged; empty if it computes rows."""
        return ""


@dataclass(frozen=True)
class Apply:
    """A relation made by a Python function from another relation's rows, as Arrow."""

    function: str
    columns: Columns
    batches: bool = False
    on_executors: bool = False  # of the engine, if it has any: once for each partition


@dataclass(frozen=True)
class ReadTexts:
    """A relation with additional columns that are parsed from a text column: `read` gives the values of a text, in the order of `names`.

    It raises BrokenRecordError for a text that cannot be read; `bad_rows` says what becomes of its row, and the column `reason`, if there
    is one, says why.
    """

    column: str
    names: tuple[str, ...]
    columns: Columns
    read: Callable[[str | None], tuple[Any, ...]]
    bad_rows: Literal["fail", "keep", "drop"]
    reason: str = ""

    @property
    def function(self) -> str:
        """The name of the function that makes the rows, for messages."""
        return f"the JSON texts of `{self.column}`"


WHOLE_KEY = f"{HIDDEN}key"


@dataclass(frozen=True)
class Ask:
    """Columns that models answer: each distinct key, which the columns `parts` hold, is asked once, and the answers join the rows by it.

    `key` is the column that holds the whole key; of several parts, it is one that `plan` adds while the rows are on their way.

    `answers` are the columns of the relation of answers, which has the values under `key`; `adds` names what each new column
    takes from it. `models` are names of the profile, asked in this order until one knows; where `agree`, the first two are asked together, and
    an answer of theirs counts where it is the same. `usd`, `keys` and `requests` are what a run may
    spend, and `min_coverage` is the share of rows that must have an answer. The share of
    right answers for the keys in the file `golden` must reach `min_accuracy` before anything else is asked. A model sees so many
    `characters` of a key, and of those that hold what is `personal` nothing, the rest or all. `allowed` are the columns tagged `pii` that may be sent.
    """

    parts: tuple[str, ...]
    prompt: str
    models: tuple[str, ...]
    answers: Columns
    adds: Mapping[str, str]
    usd: float | None = None
    keys: int | None = None
    min_coverage: float = 0.0
    requests: int | None = None
    golden: str = ""
    min_accuracy: float = 0.0
    characters: int = MAX_CHARACTERS
    personal: Policy = "refuse"
    allowed: tuple[str, ...] = ()
    agree: bool = False

    @property
    def key(self) -> str:
        return self.parts[0] if len(self.parts) == 1 else WHOLE_KEY
