"""Walks the project of this repository through its days on a cluster whose machines share no disk: `python tests/stores/walk_on_a_cluster.py`.

With `days` or `faults` it makes a part of them. It needs root (see `apart.py`). The runs publish to Delta tables of a store: the first days, the
next day, a day that is corrected, the month again, two runs at once, a worker that is killed. After each, the tables are those that DuckDB
publishes from the same files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

import pyarrow as pa
from deltalake import DeltaTable
from store_projects import Lake, new_lake, with_runs
from test_cluster_without_disk import bare_python, kill_at_upload, profile_of

from apart import DRIVER, WORKERS, Apart, ApartProject, apart_cluster, can_open, why_not
from object_server import ObjectServer, object_server
from projects import Result

HOME = Path(__file__).resolve().parent.parent.parent
BUCKET = "walk"
SINKS = {"interaction": "profile", "behavior": "behavior"}
MODELS = "models: {categories: {catalogue: {titles: mappings/titles.csv, words: mappings/words.csv}}}"


@dataclass
class Walk:
    """A project on a cluster, and the folder of the files that are in its store."""

    lake: Lake
    cluster: Apart
    files: Path
    wrong: int = 0

    def make(self, *arguments: str) -> None:
        """Write sample files."""
        command = [sys.executable, "-m", "etlrun", "sample-data", str(self.files), "--force", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=300)

    def upload(self, *patterns: str) -> None:
        for path in sorted(path for pattern in patterns for path in self.files.glob(pattern)):
            self.lake.server.put(BUCKET, f"raw/{path.relative_to(self.files).as_posix()}", path.read_bytes())

    def run(self, pipeline: str, profile: str) -> Result:
        """Run a pipeline; DuckDB publishes to tables of its own."""
        text = (HOME / "pipelines" / f"{pipeline}.yaml").read_text().replace("missing: fail", "missing: skip")
        sink = f"delta: {{from: {SINKS[pipeline]}, path: 's3://{BUCKET}/{profile}/{pipeline}', write: replace}}"
        text = re.sub(r"    table: .*", f"    {sink}", text).replace(f"pipeline: {pipeline}\n", "")
        path = self.lake.project.pipeline(text, f"{pipeline}_{profile}")
        return self.lake.run("run", path, "--profile", profile, "-q")

    def table(self, pipeline: str, profile: str) -> pa.Table:
        options = {
            "aws_endpoint_url": self.lake.server.url,
            "aws_region": "us-east-1",
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "aws_allow_http": "true",
        }
        found = DeltaTable(f"s3://{BUCKET}/{profile}/{pipeline}", storage_options=options).to_pyarrow_table()
        return found.sort_by([(name, "ascending") for name in found.column_names])

    def compare(self, title: str, run: Callable[[str], list[Result]], *pipelines: str) -> None:
        """Publish by Spark, then by DuckDB, and say whether both tables have the same rows."""
        for pipeline in pipelines or SINKS:
            began = time.monotonic()
            results = run(pipeline)
            took = time.monotonic() - began
            expected = self.run(pipeline, "fast")
            assert expected.code == 0, expected.err
            here, there = self.table(pipeline, "apart"), self.table(pipeline, "fast")
            failed = [result.err for result in results if result.code]
            is_right = here.equals(there) and not failed
            self.say(f"{title}: {pipeline}: {there.num_rows} rows, {took:.0f} s", is_right, *failed)

    def say(self, text: str, is_right: bool, *more: str) -> None:
        self.wrong += not is_right
        sys.stdout.write("\n".join([f"{'ok   ' if is_right else 'WRONG'} {text}", *more]) + "\n")
        sys.stdout.flush()

    def once(self, pipeline: str) -> list[Result]:
        return [self.run(pipeline, "apart")]

    def twice_at_once(self, pipeline: str) -> list[Result]:
        """Two runs at the same time; the second may say that a newer run has published."""
        results: list[Result] = []
        threads = [threading.Thread(target=lambda: results.append(self.run(pipeline, "apart"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [result for result in results if "newer" not in result.err]

    def while_a_worker_dies(self, pipeline: str) -> list[Result]:
        self.lake.server.fail({f"/stage/{SINKS[pipeline]}": "slow"})
        self.lake.server.log()
        killing = threading.Thread(target=kill_at_upload, args=(self.lake, self.cluster, SINKS[pipeline]))
        killing.start()
        found = self.once(pipeline)
        killing.join()
        self.lake.server.fail({})
        assert len(self.cluster.workers) == len(WORKERS) - 1
        self.cluster.start_worker(WORKERS[-1])
        return found


def new_walk(server: ObjectServer, cluster: Apart) -> Walk:
    lake = with_runs(new_lake(server, cluster.folder / DRIVER, BUCKET, ApartProject))
    project = lake.project
    for name in ("mappings", "prompts"):
        shutil.copytree(HOME / name, project.folder / name)
    profiles = [
        profile_of(cluster, name, read, conf).replace(", CATALOG", "")
        for name, read, conf in (("apart", "tasks", ""), ("bare", "driver", ", spark.executorEnv.PYTHONPATH: /nowhere"))
    ]
    settings = (project.folder / "etlrun.yaml").read_text()
    settings = settings.replace("profiles: {", f"data: s3://{BUCKET}/raw\nprofiles: {{{', '.join(profiles)}, ")
    project.write("etlrun.yaml", settings.replace("connections:", f"{MODELS}, connections:"))
    return Walk(lake, cluster, cluster.folder / "files")


def days(found: Walk, contracts: str, users: str) -> None:
    """The first days, and what happens to data after them."""
    found.upload("log_content/2022040*.json", "log_content/2022041*.json", "log_content/2022042*.json")
    found.upload("log_search/**/*.parquet")
    found.compare("the first days", found.once)
    found.upload("log_content/20220430.json")
    found.compare("the next day", found.once, "interaction")
    found.make("--contracts", contracts, "--users", users, "--seed", "2")
    found.upload("log_content/20220415.json", "log_search/20220605/*.parquet")
    found.compare("a day is corrected", found.once)
    found.upload("log_content/*.json")
    found.compare("the month again", found.once, "interaction")
    found.compare("the same again", found.once, "interaction")


def faults(found: Walk) -> None:
    """Two runs at once, a worker that dies, and a cluster that lacks a package."""
    found.upload("log_content/*.json")
    found.compare("two runs at once", found.twice_at_once, "interaction")
    found.compare("a worker is killed", found.while_a_worker_dies, "interaction")
    able = found.lake.run("doctor", "--profile", "apart")
    found.say("doctor", "ok       executors: they can read files like this machine and write to" in able.out, able.out)
    lacking = bare_python(found.cluster.folder / "bare")
    lack = found.lake.project.run("doctor", "--profile", "bare", PYSPARK_PYTHON=lacking)
    found.say("doctor without a package", "the package pyarrow is missing" in lack.out, lack.out)


def walk(found: Walk, part: str, contracts: str, users: str) -> None:
    """All steps, one after the other, or a part of them."""
    people = (DRIVER, *WORKERS)
    opened = [(one, other) for one in people for other in people if can_open(one, found.cluster.folder / other)]
    found.say("only its user can open the folder of a machine", all(one == other for one, other in opened))
    found.make("--contracts", contracts, "--users", users, "--broken", "20")
    if part in ("all", "days"):
        days(found, contracts, users)
    if part in ("all", "faults"):
        faults(found)
    listed = found.lake.server.ask("GET", f"/{BUCKET}?list-type=2&prefix=runs/").decode()
    left = {name.partition("/")[2].partition("/")[0] for name in re.findall("<Key>runs/([^<]+/[^<]+)</Key>", listed)}
    found.say(f"in the store of runs: {', '.join(sorted(left))}", left <= {"run.json", "inputs.json", "quarantine"})


def main(part: str = "all", contracts: str = "2000", users: str = "500") -> int:
    """The exit code is 1 if anything was wrong."""
    if why_not():
        sys.stdout.write(f"{why_not()}\n")
        return 1
    with object_server() as server, apart_cluster() as cluster:
        found = new_walk(server, cluster)
        walk(found, part, contracts, users)
        return int(found.wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
