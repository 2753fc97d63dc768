"""A project with built dashboards, and the servers that hold their rows."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mysql.server import Server
from postgres.server import PostgresProcess
from projects import Project


def content(characters: str) -> bytes:
    """What a block of a page holds: low bits of all bytes, then high bits."""
    codes = [ord(character) & 127 for character in characters]
    part = -(-len(codes) // 8)
    low, high = codes[:-part], codes[-part:]
    return zlib.decompress(bytes(code | (high[at % part] >> at // part & 1) << 7 for at, code in enumerate(low)))


@dataclass(frozen=True)
class Built:
    """A project whose dashboards are built: one for each sink, and Power BI projects of those that can have one."""

    project: Project
    server: Server
    postgres: PostgresProcess

    def page(self, sink: str = "out") -> Path:
        return self.project.folder / "build" / "dashboards" / f"{sink}.html"

    def data(self, sink: str = "out") -> dict[str, Any]:
        """What the page holds."""
        text = self.page(sink).read_bytes().decode()
        packed = text.split('id="data">')[1].split("</script>")[0]
        found: dict[str, Any] = json.loads(content(packed))
        return found
