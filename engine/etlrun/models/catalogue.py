"""`catalogue` - a list of titles in a CSV file: free, immediate, and without an answer for texts that are not in it.

A text matches a title in one of three cases:

* they are the same, except for letter case and missing diacritics;
* the text contains the whole title, and other words only such as `phim` or `tập 3`;
* one letter of a long title is wrong.

Other texts get no answer; the next model of the step, if there is one, is asked about them.

`words` is a second list, for genres and channels: `hài` answers `phim hài`, `vtv` answers `vtv3 trực tiếp`. A word is
used only if the rest of the text is a number, or words about how to watch, such as `trực tiếp` (live).

`beginnings` also answers texts that are the beginning of a title, such as `conan th`. The rows of the same run decide:
at least `min_rows` of them must have longer texts with the same answer, and these must be at least `min_agreement` of
all rows with longer texts. A text needs four letters besides words like `phim`. Such an answer depends on what else is
searched for in the run; the label store keeps the first one, so that later runs do not change it. Texts without an
answer are compared again in each run.

The first column of each file has the titles or words; the other columns have the names of the outputs of the prompt.
The source of each answer names the title that matched.

```yaml
profiles:
  local:
    models:
      categories: {catalogue: {titles: mappings/titles.csv}}
      searches: {catalogue: {titles: mappings/titles.csv, beginnings: {min_rows: 20, min_agreement: 80%}}}
```
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etlrun.contracts.model import Environment, Finder, LocalModel, ModelError
from etlrun.spec.fields import Described, Percent, key
from etlrun.spec.outputs import Output
from etlrun.spec.paths import refuse_outside
from etlrun.spec.yaml_reader import read_text

METHOD = "1"  # part of the identity: change it if the same file would give different answers


@dataclass(frozen=True)
class Beginnings(Described):
    """When a text that is the beginning of others gets their answer."""

    min_rows: int = key("the smallest number of rows with longer texts that have the answer", default=20)
    min_agreement: Percent = key(
        "the smallest share of these among all rows with longer texts, above 50%", default=Percent(0.8)
    )


@dataclass(frozen=True)
class Catalogue(LocalModel):
    """A list of titles of the project: free, immediate, and without an answer for other texts."""

    titles: str = key("a CSV file: titles in the first column, and one column for each output of the prompt")
    words: str = key(
        "a CSV file: words for genres and channels in the first column, and one column for each output of the prompt",
        default="",
        example="mappings/words.csv",
    )
    typos: bool = key("whether a title with one wrong letter is accepted", default=True)
    beginnings: Beginnings | None = key(
        "also answer texts that are the beginning of a title, if most rows of the run agree",
        default=None,
        example={"min_rows": 20, "min_agreement": "80%"},
    )

    def files(self) -> Mapping[str, str]:
        return {"titles": self.titles, **({"words": self.words} if self.words else {})}

    def identity(self, root: Path, environment: Environment) -> Mapping[str, str]:
        found = {"provider": "catalogue", "typos": str(self.typos), "method": METHOD}
        if self.beginnings:
            found["beginnings"] = _identity(self.beginnings)
        for name, file in self.files().items():
            path = self._file(root, file)
            found[name] = hashlib.sha256(read_text(path, os.path.relpath(path)).encode()).hexdigest()
        return found

    def open(self, root: Path, outputs: Sequence[Output]) -> Finder:
        from etlrun.models._catalogue import TitleFinder
        from etlrun.spec.answer_files import read_answers

        paths = [self._file(root, file) for file in self.files().values()]
        answered = [read_answers(path, os.path.relpath(path), outputs) for path in paths]
        finder = TitleFinder(*answered, has_typos=self.typos)
        if self.beginnings is None:
            return finder
        from etlrun.models._beginnings import BeginningFinder

        return BeginningFinder(finder, self.beginnings.min_rows, self.beginnings.min_agreement)

    def _file(self, root: Path, file: str) -> Path:
        """A file of titles or words. Raises SpecError if it is outside the project."""
        path = root / file
        refuse_outside(root, path, os.path.relpath(path))
        return path


def _identity(beginnings: Beginnings) -> str:
    """The settings as a part of the model's identity. Raises ModelError if one is out of range."""
    if beginnings.min_rows < 1:
        raise ModelError("setup", f"`min_rows: {beginnings.min_rows}` is out of range", "give at least 1")
    if not 0.5 < beginnings.min_agreement <= 1:
        share = f"{beginnings.min_agreement:.0%}"
        raise ModelError("setup", f"`min_agreement: {share}` is out of range", "write a share above 50%, up to 100%")
    return f"{beginnings.min_rows} rows, {float(beginnings.min_agreement)}"
