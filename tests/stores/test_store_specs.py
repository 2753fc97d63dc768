"""What `check` says of URLs in pipelines and of `storage:` in the project file: without a store, and without showing what may be a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from commanding import etlrun
from projects import Project

PIPELINE = """sources:
  s: {json: {path: "PATH", columns: {c: string}}}
sinks:
  out: {files: {from: s, path: out.csv}}
"""


@pytest.mark.parametrize(
    "path",
    [
        "s3://lake/raw/x.json",
        "s3a://lake/raw/*",
        "gcs://logs/x.json",
        "$data/x.json",
        "s3://own/x",
        "s3://root/y",
    ],
)
def test_a_url_below_what_the_project_file_names_may_be_read(path: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        "etlrun.yaml",
        "data: s3://other/data\nroots: [s3://root]\nstorage: {s3a://lake: {s3: {}}, gs://logs: {gcs: {}}}\n"
        "profiles: {local: {storage: {s3://own: {s3: {}}}}, prod: {storage: {s3://prod: {s3: {}}}}}\n",
    )
    project.pipeline(PIPELINE.replace("PATH", path))
    assert etlrun(tmp_path, "check").code == 0


@pytest.mark.parametrize(
    ("path", "said", "fix"),
    [
        ("s3://lake/rawer/x", "path-outside", "`storage: {s3://lake/rawer: {s3: {}}}`"),
        ("s3://prod/x", "path-outside", "`storage: {s3://prod: {s3: {}}}`"),
        ("s3://lake/a b/*.json", "path-outside", '`storage: {"s3://lake/a b": {s3: {}}}`'),
        ("abfss://c@acct.dfs.core.windows.net/x", "path-outside", "{azure: {}}"),
        ("s3://lake/raw/../x", "`//`, `.` or `..` in its key", "write one `/` between names"),
        ("s3://lake/raw//x", "`//`, `.` or `..` in its key", "write one `/` between names"),
        ("s3://*/raw/x", "the URL has no bucket with a valid name", "s3://BUCKET/KEY"),
        ("s3://KEY:hidden@lake/x", "the URL has no bucket with a valid name", "access keys under `storage:`"),
        ("wasbs://c@acct.blob.core.windows.net/x", "`wasbs://` is not supported", "abfss://CONTAINER@ACCOUNT"),
        ("hdfs://nn/x", "`hdfs://` is not the start of an object store's URL", "mount it below one of the `roots`"),
        ("https://host/x", "`https://` is not the start of an object store", "download the files"),
        ("s3:/lake/raw/x", "the URL of a store has two slashes after `s3:`", "begin it with `s3://`"),
        ("s3:lake/raw/x", "the URL of a store has two slashes after `s3:`", "begin it with `s3://`"),
        ("S3A:/KEY:hidden@lake/x", "the URL of a store has two slashes after `S3A:`", "begin it with `s3://`"),
        ("wasb:/c@acct/x", "`wasb://` is not supported", "abfss://CONTAINER@ACCOUNT"),
        ("ftp://host/x", "`ftp://` is not the start of an object store", "abfss://, gs://, s3://"),
    ],
)
def test_any_other_url_is_refused_with_the_fix(path: str, said: str, fix: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        "etlrun.yaml",
        "profile: local\nstorage: {s3://lake/raw: {s3: {}}}\nprofiles: {local: {}, prod: {storage: {s3://prod: {s3: {}}}}}\n",
    )
    project.pipeline(PIPELINE.replace("PATH", path))
    done = etlrun(tmp_path, "check")
    assert done.code == 2 and said in done.out and fix in done.out
    if said == "path-outside":
        fixed = Project(tmp_path / "fixed")
        fixed.write("etlrun.yaml", done.out.split("name the store in etlrun.yaml: `")[1].split("`")[0] + "\n")
        fixed.pipeline(PIPELINE.replace("PATH", path))
        assert etlrun(fixed.folder, "check").code == 0


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ("path: s3://other/out.csv", "name the store in etlrun.yaml: `storage: {s3://other: {s3: {}}}`"),
        ("path: s3://read/out.csv", "name the store in etlrun.yaml: `storage: {s3://read: {s3: {}}}`"),
        ("path: s3://lake", "add the name of a folder: `s3://lake/NAME`"),
        ("path: s3:/lake/out.csv", "begin it with `s3://`"),
        ("path: s3://lake/out", "use a name that ends in `.parquet`"),
        ("path: out/x.csv, partition_by: [c]", "write a `path` that ends in `/`"),
        ("path: out/x.csv, format: csv", "write a `path` that ends in `/`"),
        ("path: out/x/, partition_by: [c]", "leave one of them out of `partition_by`"),
        ("path: out/x/, partition_by: [d]", "there is no column `d`"),
        ("path: out/x/, keep: 0", "write a number from 1"),
        ("path: ../x/", "choose a path inside it"),
    ],
)
def test_a_place_or_a_division_that_no_files_can_have_is_refused(sink: str, said: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", "storage: {s3://lake: {s3: {}}}\nroots: [s3://read]\n")
    project.pipeline(PIPELINE.replace("PATH", "s3://lake/x.json").replace("path: out.csv", sink))
    done = etlrun(tmp_path, "check")
    assert done.code == 2 and said in done.out, done.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("storage: {s3://lake: {gcs: {}}}", "`gcs` does not support s3://"),
        ("storage: {lake: {s3: {}}}", "this is not a URL of a store"),
        ("storage: {s3://lake/*: {s3: {}}}", "`s3://lake/*` is a pattern"),
        ("storage: {s3://lake: {s3: {}}, s3a://lake/: {s3: {}}}", "`s3://lake` is named twice"),
        ("storage: {s3://lake: {s3: {regio: x}}}", "did you mean `region`?"),
        ("storage: {s3://lake: {s3: {secret_key: '${A}'}}}", "`secret_key` also needs `access_key`"),
        (
            "storage: {s3://lake: {s3: {access_key: hidden, secret_key: '${A}'}}}",
            "`access_key` contains a secret in plain text",
        ),
        (
            "storage: {s3://lake: {s3: {session_token: '${A:-hidden}'}}}",
            "the default value of `session_token` is a secret in plain text",
        ),
        (
            "storage: {abfss://c@acct.dfs.core.windows.net: {azure: {account_key: hidden}}}",
            "`account_key` contains a secret in plain text",
        ),
        (
            "profiles: {p: {storage: {s3://l: {s3: {secret_key: hidden}}}}}",
            "`secret_key` contains a secret in plain text",
        ),
        (
            "storage: {gs://logs: {gcs: {anonymous: true, impersonate: a@b.c}}}",
            "`anonymous` and `impersonate` cannot be used together",
        ),
        ("storage: {s3://lake: {s3: {timeout: -3}}}", "`timeout` is -3"),
        ("storage: {gs://logs: {gcs: {timeout: 0}}}", "`timeout` is 0"),
        ("storage: {s3://lake: {s3: {timeout: 100000000000}}}", "write a number of seconds from 1 to 86,400"),
        ("storage: {s3://lake: {s3: {session_token: '${A}'}}}", "`session_token` needs `access_key` and `secret_key`"),
        ("storage: {s3:/lake: {s3: {}}}", "begin it with `s3://`"),
        ("storage: {s3:/k:hidden@lake: {s3: {}}}", "begin it with `s3://`"),
        ("data: s3:/lake", "begin it with `s3://`"),
        ("runs: s3:/lake", "begin it with `s3://`"),
        ("roots: [s3://u:hidden@lake]", "the URL has no bucket with a valid name"),
        ("data: hdfs://nn/raw", "`hdfs://` is not the start of an object store's URL"),
        ("runs: s3://lake", "name a folder in it, so that runs and data are not mixed: `s3://lake/runs`"),
        ('runs: ""', "name a folder, or remove it"),
        ('roots: [" "]', "name a folder, or remove it"),
        ("runs: hdfs://nn/runs", "`hdfs://` is not the start of an object store's URL"),
        ("scratch: s3://lake/scratch", "`scratch` is a URL, but it must be a folder of this machine"),
        (
            "{runs: s3://lake/runs, profiles: {p: {storage: {s3://lake: {s3: {region: x}}}}}}",
            "write it under `storage:` of the project",
        ),
        (
            "runs: there\nprofiles: {big: {engine: {spark: {staging: store}}}}\n",
            "2:35: wrong-value: `staging: store` is the store of `runs`, but runs are in a folder",
        ),
    ],
)
def test_a_wrong_project_file_says_what_is_wrong_and_no_secret(text: str, said: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", text + "\n")
    project.pipeline(PIPELINE.replace("PATH", "x.json"))
    done = etlrun(tmp_path, "check")
    assert done.code == 2 and said in done.out + done.err
    assert "hidden" not in done.out + done.err


def test_a_password_in_a_url_is_shown_in_no_message_about_a_pipeline(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.pipeline(PIPELINE.replace("PATH", "s3://AKIA1:s3kr3t@lake/raw/a.json"))
    for command in (("check",), ("run", "p", "--json")):
        result = project.run(*command)
        assert result.code == 2 and "s3kr3t" not in result.out + result.err
    assert "s3://AKIA1:******@lake" in project.run("check").out


@pytest.mark.parametrize(
    ("entry", "at"),
    [
        ("s3://lake: {s3: {region: x, timeout: -3}}", "timeout"),
        ("gs://logs: {gcs: {timeout: 0}}", "timeout"),
        ("s3://lake: {gcs: {}}", "gcs"),
        ("s3://lake: {s3: {region: x, secret_key: '${A}'}}", "secret_key"),
        ("gs://logs: {gcs: {impersonate: a@b.c, anonymous: true}}", "anonymous"),
        ("s3://lake/*: {s3: {}}", "s3://lake/*"),
    ],
)
def test_a_wrong_entry_of_storage_is_shown_with_the_key_at_fault(entry: str, at: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", f"storage:\n  {entry}\n")
    project.pipeline(PIPELINE.replace("PATH", "x.json"))
    _, place, shown, caret, *_ = ["", *etlrun(tmp_path, "check").out.splitlines()]
    assert place.startswith(f"etlrun.yaml:2:{entry.index(at) + 3}: ")
    start = caret.index("^")
    assert shown[start : caret.rindex("^") + 1] == at


def test_a_mapping_or_prompt_in_a_store_is_refused_with_what_to_write(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", "storage: {s3://lake: {s3: {}}}\n")
    project.write("s.csv", "c\nA\n")
    steps = "steps:\n  x:\n    - from: s\n    - lookup: {column: c, map: s3://lake/m/apps.yaml, as: t, unmatched: drop}\nsinks:"
    text = PIPELINE.replace("json", "csv").replace("PATH", "s.csv")
    project.pipeline(text.replace("sinks:", steps))
    done = etlrun(tmp_path, "check")
    assert done.code == 2 and "download it into mappings/ as apps.yaml and write `apps`" in done.out, done.out
    project.write("mappings/apps.yaml", "TV: [A]\n")
    project.pipeline(text.replace("sinks:", steps.replace("s3://lake/m/apps.yaml", "apps")))
    assert etlrun(tmp_path, "check").code == 0
    other = Project(tmp_path / "other")
    other.write("etlrun.yaml", "profiles: {p: {models: {m: {catalogue: {titles: s3://lake/titles.csv}}}}}\n")
    other.pipeline(text)
    done = etlrun(other.folder, "check")
    assert done.code == 2 and "copy the file into the project" in done.out + done.err
