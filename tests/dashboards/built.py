"""A project with built dashboards, and the servers that hold their rows."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mysql.server import Server
from postgres.server import PostgresProcess
from projects import Project


def content(packed: str) -> bytes:
    """The JSON of a page's data."""
    return zlib.decompress(base64.b64decode(packed))


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
        text = self.page(sink).read_text(encoding="utf-8")
        packed = text.split('id="data">')[1].split("</script>")[0]
        found: dict[str, Any] = json.loads(content(packed))
        return found
