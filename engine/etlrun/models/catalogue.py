"""`catalogue` - a list of titles in a CSV file: free, immediate, and without an answer for texts that are not in it.

A text matches a title if they are the same except for letter case and missing diacritics, if it contains the whole
title plus words like `phim` or `tập 3`, or if one letter is wrong. Other texts get no answer; the next model of the
step, if there is one, is asked about them.

`words` is a second list, for genres and channels: `hài` answers `phim hài`, `vtv` answers `vtv3 trực tiếp`. A word is
used only if the rest of the text is a number or says how to watch.

The first column of each file has the titles or words; the other columns have the names of the outputs of the prompt.
The source of each answer names the title that matched.

```yaml
profiles:
  local:
    models:
      categories: {catalogue: {titles: mappings/titles.csv}}
```
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etlrun.contracts.model import Environment, Finder, LocalModel
from etlrun.spec.fields import key
from etlrun.spec.outputs import Output
from etlrun.spec.paths import refuse_outside
from etlrun.spec.yaml_reader import read_text

METHOD = "1"  # part of the identity: change it if the same file would give different answers


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

    def files(self) -> Mapping[str, str]:
        return {"titles": self.titles, **({"words": self.words} if self.words else {})}

    def identity(self, root: Path, environment: Environment) -> Mapping[str, str]:
        found = {"provider": "catalogue", "typos": str(self.typos), "method": METHOD}
        for name, file in self.files().items():
            path = self._file(root, file)
            found[name] = hashlib.sha256(read_text(path, os.path.relpath(path)).encode()).hexdigest()
        return found

    def open(self, root: Path, outputs: Sequence[Output]) -> Finder:
        from etlrun.models._catalogue import TitleFinder
        from etlrun.spec.answer_files import read_answers

        paths = [self._file(root, file) for file in self.files().values()]
        answered = [read_answers(path, os.path.relpath(path), outputs) for path in paths]
        return TitleFinder(*answered, has_typos=self.typos)

    def _file(self, root: Path, file: str) -> Path:
        """A file of titles or words. Raises SpecError if it is outside the project."""
        path = root / file
        refuse_outside(root, path, os.path.relpath(path))
        return path
