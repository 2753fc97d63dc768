"""What `etlrun deploy` writes, judged by those who read it: Airflow, Dagster, the schemas of Kubernetes and of GitHub's workflows.

    make schedulers

These packages are large, and none of them is needed by etlrun: each of the two programs has an environment of its own below .venv.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = "profiles: {dev: {engine: {duckdb: {}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}}\n"
ROWS = "sources:\n  rows: {csv: {path: rows.csv, columns: {id: int}}}\n"
READS = "sources:\n  rows: {table: {pipeline: core}}\n"
SINK = "sinks:\n  {name}: {{table: {{from: rows, connection: warehouse, write: replace}}}}\n"
EXPECTED = {"it-s-core": [], "mart": ["it-s-core"]}
AIRFLOW = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 2
    from airflow.models.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
(dag,) = bag.dags.values()
assert not dag.catchup and dag.max_active_runs == 1 and all(task.retries == 3 for task in dag.tasks)
print(json.dumps({task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}))
"""
DAGSTER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from definitions import defs
repository = defs.get_repository_def()
assert [one.cron_schedule for one in repository.schedule_defs] == ["30 4 * * *"]
keys = repository.asset_graph.get_all_asset_keys()
before = {key: repository.asset_graph.get(key).parent_keys for key in keys}
print(json.dumps({key.to_user_string().replace("_", "-"): [one.to_user_string().replace("_", "-") for one in before[key]] for key in keys}))
"""


def main() -> None:
    airflow, others = (Path(path).absolute() / "bin" for path in sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder) / "shop")
        graphs = {
            "airflow": graph(airflow / "python", AIRFLOW, project / "deploy/airflow"),
            "dagster": graph(others / "python", DAGSTER, project / "deploy/dagster"),
        }
        for name, found in graphs.items():
            assert found == EXPECTED, (name, found)
        schema = (others / "check-jsonschema", "--builtin-schema", "vendor.github-workflows")
        subprocess.run([*schema, project / ".github/workflows/etlrun.yml"], check=True)
        subprocess.run([others / "kubernetes-validate", "--strict", project / "deploy/k8s/cronjob.yaml"], check=True)
    sys.stdout.write("Airflow and Dagster see the graph; the workflow and the CronJob fit their schemas\n")


def write_project(folder: Path) -> Path:
    """A project of two pipelines, of which one reads the other's table, with the files of all schedulers."""
    (folder / "pipelines").mkdir(parents=True)
    (folder / "etlrun.yaml").write_text(PROJECT, encoding="utf-8")
    for name, sources in (("it's core", ROWS), ("mart", READS)):
        text = f"pipeline: {name}\n{sources}{SINK.format(name=name[-4:])}"
        (folder / f"pipelines/{name[-4:]}.yaml").write_text(text, encoding="utf-8")
    for target in ("airflow", "dagster", "github", "k8s"):
        command = [sys.executable, "-m", "etlrun", "deploy", target, "--schedule", "30 4 * * *"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


def graph(python: Path, program: str, folder: Path) -> dict[str, list[str]]:
    """What a scheduler runs, and after what."""
    home = {**os.environ, "AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "DAGSTER_HOME": ""}
    command = [python, "-c", program, folder]
    done = subprocess.run(command, env=home, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
