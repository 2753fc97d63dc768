"""Projects that read and write a bucket of their own."""

from __future__ import annotations

import gzip
import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

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


def new_lake(server: ObjectServer, folder: Path, bucket: str, kind: type[Project] = Project) -> Lake:
    """A project in `folder`, and the bucket that it reads and writes, which is made where it is missing."""
    server.make_bucket(bucket)
    project = kind(folder)
    settings = f"s3: {{endpoint: '{server.url}', region: us-east-1, access_key: '${{LAKE_KEY}}', secret_key: '${{LAKE_SECRET}}'}}"
    project.write(
        "etlrun.yaml",
        f"storage: {{s3://{bucket}: {{{settings}}}}}\n"
        "profiles: {fast: {engine: {duckdb: {threads: 2}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}}\n",
    )
    return Lake(server, project, bucket)


def with_runs(lake: Lake) -> Lake:
    """Let a project keep its runs in its bucket."""
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    lake.project.write("etlrun.yaml", f"runs: s3://{lake.bucket}/runs\n{settings}")
    return lake


def another_machine(lake: Lake) -> Lake:
    """The same project on a machine whose disk has nothing else."""
    folder = lake.project.folder / "machines" / secrets.token_hex(4)
    project = Project(folder)
    for name in ("etlrun.yaml", "pipelines"):
        source = lake.project.folder / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder / name)
    return Lake(lake.server, project, lake.bucket)


def lines(*rows: tuple[str, object]) -> str:
    return "".join(json.dumps({"c": c, "s": s}) + "\n" for c, s in rows)
