"""Finds the partition folders beside a file, such as `dt=2024-01-01`, for `etlrun new`."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from etlrun.reading.folder_values import NULL

PARTITION = re.compile(r"([A-Za-z_]\w*)=.+")  # the name of a folder
MOST = 5_000  # folders of one column that are looked at


def partition_folders(folder: Path, root: Path) -> tuple[Path, dict[str, list[str]]]:
    """`folder` as a pattern that also matches the partitions beside it, and the values of each partition column that exist there.

    `folder` is relative to `root`, or absolute. A folder that marks rows without a value gives none.
    """
    pattern, folders, values = Path(), [root], dict[str, list[str]]()
    for part in folder.parts:
        found = PARTITION.fullmatch(part)
        if found is None:
            pattern, folders = pattern / part, [inside for one in folders if (inside := one / part).is_dir()]
            continue
        start = f"{found[1]}="
        beside = (inside for one in folders for inside in sorted(one.glob(f"{start}*")) if inside.is_dir())
        pattern, folders = pattern / f"{start}*", list(islice(beside, MOST))
        texts = (one.name.removeprefix(start) for one in folders)
        values[found[1]] = [unquote(text) for text in texts if text != NULL]
    return pattern, values
