"""What a part depends on: its file, the settings of the source that affect its records, and the versions of the reader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from etlrun.contracts.source import InputFile
from etlrun.language.columns import Columns
from etlrun.reading.fingerprint import reader_fingerprint
from etlrun.reading.source import DeclaredColumn, FileSource, TextSource

AT_REST = 5_000_000_000  # ns; a file that changed later may change again within the tick of the disk's clock
# Settings of a source that do not affect its records; every other key is part of the name of a part.
OF_NO_RECORD = {item.name for item in fields(FileSource)} - {"columns"} | {"max_bad_rows"}


def name_of(file: InputFile, identity: str) -> str:
    """The name of the part of a file."""
    facts = (identity, file.path, repr(file.constants), str(file.size), str(file.modified), file.state)
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def is_at_rest(file: InputFile, listed: int) -> bool:
    """Whether a file had not changed for a while when the files were `listed`."""
    return listed - file.modified >= AT_REST


def identity_of(name: str, source: TextSource, columns: Columns, *code: Path) -> str:
    """All settings that affect the records of a source, as text that can be hashed; `code` are the files that write and read its parts."""
    settings = {
        item.name: _plain(getattr(source, item.name)) for item in fields(source) if item.name not in OF_NO_RECORD
    }
    typed = [(item.name, str(item.type), item.nullable) for item in columns]
    return json.dumps([name, settings, typed, reader_fingerprint(type(source), *code)])


def _plain(value: Any) -> Any:
    """A value of a spec for JSON; a mapping becomes a list of pairs, so that its order counts."""
    if isinstance(value, DeclaredColumn):
        return _plain({key: found for key, found in vars(value).items() if key not in ("description", "tags")})
    if is_dataclass(value):
        return _plain(vars(value))
    if isinstance(value, Mapping):
        return [[str(key), _plain(found)] for key, found in value.items()]
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(repr(item) for item in value)
    return repr(value)
