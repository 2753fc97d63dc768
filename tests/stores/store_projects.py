"""Projects that read and write a bucket of their own."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

from object_server import ObjectServer
from projects import Project, Result

FILES = """sources:
  s: {KIND: {path: "PATH", columns: {c: string, s: bigint}}}
sinks:
  out: {files: {from: s, path: out.csv}}
"""


@dataclass(frozen=True)
class Lake:
    """A project that reads a bucket of its own."""

    server: ObjectServer
    project: Project
    bucket: str

    def put(self, key: str, text: str) -> None:
        content = text.encode()
        self.server.put(self.bucket, key, gzip.compress(content) if key.endswith(".gz") else content)

    def run(self, *arguments: str) -> Result:
        return self.project.run(*arguments, LAKE_KEY="key", LAKE_SECRET="secret")

    def files(self, path: str, kind: str = "json") -> str:
        """A pipeline of one source at `path` of the bucket."""
        return self.project.pipeline(FILES.replace("PATH", f"s3://{self.bucket}/{path}").replace("KIND", kind), "files")

    def rows(self) -> list[str]:
        return (self.project.folder / "out.csv").read_text().splitlines()[1:]


def lines(*rows: tuple[str, object]) -> str:
    return "".join(json.dumps({"c": c, "s": s}) + "\n" for c, s in rows)
