"""The registry of codes: what every message of `etlrun` is called, why it comes, what to do, and how the command ends.

A code is stable: scripts may depend on it. `docs/errors.md` is written from this table, and a test holds the table against
the codes that the package uses.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """A kind of mistake or failure: what it is, its usual cause, the usual fix, the exit code of the command.

    After a failure that `can_resume`, `etlrun resume` publishes the checked rows without computing them again.
    """

    summary: str
    cause: str
    fix: str
    exit_code: int = 2
    can_resume: bool = False


SPEC_CODES: dict[str, Code] = {
    "bad-name": Code(
        "a name that an engine or a database does not accept",
        "the name is empty, too long, reserved, or has control characters",
        "use letters, digits and `_`, at most 64 characters",
    ),
    "changed-key": Code(
        "a line of a reviewed CSV file has a key that the pipeline does not have",
        "a spreadsheet changed the key, for example `1-2` into a date, or the key is no longer in the data",
        "correct the key, or remove the line",
    ),
    "column-exists": Code(
        "a new column has the name of an existing column",
        "`derive`, `rename` or another step makes a column with a name that already exists",
        "choose another name, or `drop` or `rename` the old column first",
    ),
    "cycle": Code(
        "relations depend on each other",
        "the chain `a` reads `b`, and `b` reads `a`, perhaps through other chains",
        "remove one of these dependencies",
    ),
    "duplicate-name": Code(
        "two things have the same name",
        "two sources, chains, columns or tests have the same name",
        "rename one of them",
    ),
    "expression-not-allowed": Code(
        "SQL that expressions do not support",
        "the SQL gives different results on different engines, or uses something outside the pipeline",
        "use the step or function that the message names",
    ),
    "file-not-found": Code(
        "a file that the spec or the command names does not exist",
        "the path is misspelled, or relative to another folder",
        "write the path relative to the project's folder",
    ),
    "file-unreadable": Code(
        "a file that the spec names cannot be read, or is outside the project",
        "the account may not read the file, the file has another encoding, or a link leads out of the project",
        "move the file into the project, and save it as UTF-8",
    ),
    "missing-key": Code(
        "a required key is missing",
        "the source, step, check, sink, connection, model or engine needs this key",
        "add the key; its page in docs/ lists all keys",
    ),
    "missing-param": Code(
        "a param has no value",
        "the param has no default, and the command does not set it",
        "run with `--set NAME=VALUE`, or give the param a `default`",
    ),
    "no-total-order": Code(
        "the result would depend on the order of tied rows",
        "several rows may be equal in all columns of the order",
        "add columns to the order until no two rows are equal in all of them",
    ),
    "not-allowed-here": Code(
        "an aggregate or window function where it is not allowed",
        "`filter`, `derive` or another step for single rows uses a function over many rows",
        "compute the value in a step `aggregate` or `window` first, then use its column",
    ),
    "not-grouped": Code(
        "a column is neither grouped nor aggregated",
        "a group has many values of the column, and the expression does not say which one to take",
        "add the column to `by`, or aggregate it: `max(column)`",
    ),
    "path-outside": Code(
        "a path leads out of the project and its `roots`, or to a store that the project file does not name",
        "the path is absolute, or a link or `..` leads to another folder; or no prefix in `storage`, `data` and `roots` matches the URL",
        "move the file into the project, or name its folder or its store in `etlrun.yaml`",
    ),
    "pii-in-names": Code(
        "values of a column that is tagged `pii`, or is made from one, would become names of columns",
        "a `pivot` takes its labels from this column; names of columns are shown in records, messages and the documentation",
        "use another column, or list the labels: `labels: [A, B]`",
    ),
    "pii-in-prompt": Code(
        "a column that is tagged `pii`, or is made from one, would be sent to a model",
        "the `key` of `enrich` comes from a source column or a mapping with the tag `pii`",
        "use another column, or allow the tagged one in the step: `allow_pii: [users.phone]`",
    ),
    "python-function": Code(
        "a Python function cannot be found",
        "the module or function is misspelled, or its file is not in the project",
        "write `module:function` for a function in a file next to `etlrun.yaml`",
    ),
    "quoted-param": Code(
        "`$name` inside quotes is not replaced",
        "`$name` inserts a complete value, with quotes if it is a text",
        "write `$name` without quotes",
    ),
    "rerouted-model": Code(
        "a service answers requests for a model with another model",
        "the service retired the model, and sends requests for its name to a newer one, at the newer one's price",
        "name the model that answers, or list it in `accept`",
    ),
    "secret-literal": Code(
        "a password or key is written in the file",
        "everyone who can read the file can read the secret",
        "write `${NAME}`, and set the environment variable NAME",
    ),
    "secret-shown": Code(
        "other users of the machine could read a password or key",
        "command lines and event logs are visible to other users",
        "use the setting that the message names",
    ),
    "shared-sink": Code(
        "two sinks write to the same table or file",
        "the second sink would replace the rows of the first one",
        "let each sink write to its own table, or use `replace_where` conditions that select different rows",
    ),
    "syntax": Code(
        "the text is not a valid Spark SQL expression",
        "a bracket, quote or operator is missing, or there is one too many",
        "correct the text at the caret",
    ),
    "type-mismatch": Code(
        "a value has the wrong type",
        "an operator, a function or a key needs another type",
        "`cast` the value to the type that the message names",
    ),
    "unknown-column": Code(
        "the relation has no such column",
        "the name is misspelled, or an earlier step has dropped, renamed or aggregated the column",
        "use a column that the message lists",
    ),
    "unknown-connection": Code(
        "the profile has no such connection",
        "the name is misspelled, or it is only in another profile",
        "declare it under `connections:` of the profile in `etlrun.yaml`",
    ),
    "unknown-function": Code(
        "expressions do not have this function",
        "the name is misspelled, or the function gives different results on different engines",
        "use the function that the message names; docs/functions.md lists all functions",
    ),
    "unknown-group": Code(
        "there is no such column group",
        "no `pivot` before this step has this name in `as:`",
        "name the column group with `as:` in the `pivot`",
    ),
    "unknown-key": Code(
        "this key is not allowed here",
        "the key is misspelled, or its indentation is wrong",
        "use a key that the message names",
    ),
    "unknown-kind": Code(
        "there is no such source, step, check, sink, connection, model or engine",
        "the name is misspelled, or a plugin is not enabled",
        "use a name that the message lists; `ETLRUN_PLUGINS` enables plugins",
    ),
    "unknown-label": Code(
        "the mapping or prompt has no such label",
        "the label is misspelled",
        "use a label of the file in mappings/ or prompts/",
    ),
    "unknown-mapping": Code(
        "there is no such mapping",
        "the name is misspelled, or mappings/ has no such file",
        "create `mappings/NAME.yaml`",
    ),
    "unknown-measure": Code(
        "the dashboard has no such measure",
        "the name is misspelled",
        "declare it under `measures:`",
    ),
    "unknown-model": Code(
        "the profile has no such model",
        "the name is misspelled, or it is only in another profile",
        "declare it under `models:` of the profile in `etlrun.yaml`",
    ),
    "unknown-param": Code(
        "`$name` is not a param or variable",
        "the name is misspelled or not declared",
        "declare it under `params:` of the pipeline",
    ),
    "unknown-sink": Code(
        "the pipeline has no such table sink",
        "the name is misspelled, or the sink writes files",
        "use one of the sinks that the message lists",
    ),
    "unknown-pipeline": Code(
        "there is no such pipeline",
        "the name is misspelled, or pipelines/ has no such file",
        "use an existing name or path",
    ),
    "unknown-profile": Code(
        "the project has no such profile",
        "the name is misspelled",
        "use a name under `profiles:` in `etlrun.yaml`",
    ),
    "unknown-prompt": Code(
        "there is no such prompt",
        "the name is misspelled, or prompts/ has no such file",
        "create `prompts/NAME.md`",
    ),
    "unknown-relation": Code(
        "no source or chain has this name",
        "the name is misspelled",
        "use the name of a source or of a chain of this pipeline",
    ),
    "unknown-type": Code(
        "there is no such type",
        "the type is misspelled, or is the name that another tool uses",
        "use a type of docs/pipeline.md",
    ),
    "unused": Code(
        "something is declared but never used",
        "it is left over from an earlier version, or misspelled where it is used",
        "remove it, or use it",
    ),
    "wrong-arguments": Code(
        "a function has the wrong number or kind of arguments",
        "there are too few or too many arguments, or one has another type",
        "see the function in docs/functions.md",
    ),
    "wrong-value": Code(
        "a value of the wrong type or form",
        "the key needs another kind of value",
        "write the form that the message names",
    ),
    "yaml-duplicate-key": Code(
        "a mapping has the same key twice",
        "a YAML parser would silently use only one of the two",
        "remove one of them, or combine their values",
    ),
    "yaml-not-allowed": Code(
        "a YAML feature that `etlrun` does not support",
        "tags can run code, and merge keys hide what a file contains",
        "write the value itself",
    ),
    "yaml-syntax": Code(
        "the file is not YAML",
        "the indentation, a quote, a bracket or a colon is wrong",
        "correct the text at the caret",
    ),
    "view-unlike": Code(
        "a database cannot compute the view like the pipeline",
        "an input of the view is not in the database, or a step has different rules there",
        "publish a `table` instead, or remove the step from the chain of the view",
    ),
}

_TRY_RESUME = "run `etlrun resume RUN_ID`"

RUN_CODES: dict[str, Code] = {
    # files and other inputs
    "bad-rows": Code(
        "a source has broken records",
        "some records do not have the declared form, and the source has `bad_rows: fail`",
        "correct the files, or use `bad_rows: quarantine`",
        1,
    ),
    "too-many-bad-rows": Code(
        "a source has too many broken records",
        "the share of broken records is above `max_bad_rows`",
        "read the quarantine file, then correct the files or the declared types, or increase `max_bad_rows`",
        1,
    ),
    "changed-file": Code(
        "a file changed while it was read",
        "another program wrote to the file during the run, so the rows may be a mixture",
        "wait until the file is complete, then run again",
        1,
    ),
    "damaged-file": Code(
        "a file is incomplete or damaged",
        "a gzip or Parquet file was not copied completely, or its bytes have changed",
        "copy the file again",
        1,
    ),
    "bad-partition": Code(
        "the folder names of a file do not contain the value of a column of `partitions`",
        "the file is in no folder such as `dt=2024-01-01`, or the value does not fit the declared type",
        "move or rename the folder, or change `partitions` of the source",
        1,
    ),
    "bad-file-name": Code(
        "a file or folder has a name that cannot be read or written",
        "the name is not UTF-8, or has characters that DuckDB reads as a pattern or option",
        "rename the file or the folder",
        1,
    ),
    "bad-value": Code(
        "a value does not fit the declared type",
        "the value would be rounded, has another type, or is null in a `not null` column",
        "declare a type that fits, or correct the file",
        1,
    ),
    "double-column": Code(
        "two columns of a file have the same name",
        "the file comes from a join or an export that repeats column names",
        "rename one of them",
        1,
    ),
    "double-file": Code(
        "the same data would be read twice",
        "a link points to another file of the source, or a day exists both plain and compressed",
        "remove one of the two",
        1,
    ),
    "empty-file": Code(
        "a file or a day has no rows",
        "the export of that day failed or is not finished",
        "export it again, or allow it with the key `empty` of the source",
        1,
    ),
    "missing-column": Code(
        "a declared column is missing in the data",
        "the column has another name in the file or table, or their layout has changed",
        "correct the declared columns, or the data",
        1,
    ),
    "missing-day": Code(
        "there is no file for a day of `dates`",
        "the export of that day did not arrive",
        "add the file, or allow the gap with the key `missing` of the source",
        1,
    ),
    "old-files": Code(
        "all files of a source are older than `max_age`",
        "the program that writes the files has stopped",
        "find out why no newer file has arrived, or allow it with a longer `max_age`",
        1,
    ),
    "missing-file": Code(
        "a file does not exist", "the path is wrong, or the file did not arrive", "correct the path", 1
    ),
    "missing-bucket": Code(
        "a bucket or container does not exist",
        "the URL is misspelled, or `endpoint` or `region` is wrong",
        "correct the URL, or create the bucket",
        1,
        can_resume=True,
    ),
    "storage-refused": Code(
        "an object store denies access",
        "the credentials are wrong, have expired, or lack a right",
        "correct the credentials under `storage:`, or grant the rights that docs/storages.md lists",
        1,
        can_resume=True,
    ),
    "storage-failed": Code(
        "an object store does not answer correctly, after several attempts",
        "the network, the `endpoint` or the `region` is wrong, or the store is overloaded",
        "run again when the store works",
        1,
        can_resume=True,
    ),
    "unreadable-file": Code(
        "a file or folder cannot be read",
        "the account may not read it, or its content is not what the source declares",
        "change the permissions or the source",
        1,
    ),
    "wrong-columns": Code(
        "the data has other columns or types than declared",
        "the layout of the file or table has changed",
        "declare its real columns and types, or correct the data",
        1,
    ),
    "wrong-format": Code(
        "a file is not what the source declares",
        "its content has another format, or the ending of its name is wrong",
        "use the source of that format, or rename the file",
        1,
    ),
    "unknown-format": Code(
        "the format of a file is not known",
        "the file name has no known ending",
        "rename it to .csv, .json or .parquet",
    ),
    # engines and steps
    "overflow": Code(
        "a number is too large for its type",
        "a sum, product or cast is larger than the type can hold",
        "cast to a wider type first: int to bigint, bigint to decimal(38,0), decimal to double",
        1,
    ),
    "division-by-zero": Code(
        "a division by zero",
        "the divisor is 0 in at least one row",
        "divide by `nullif(x, 0)`, which gives null instead",
        1,
    ),
    "bad-cast": Code(
        "a value cannot be cast",
        "a text is not a number, a date or a time",
        "use `try_cast`, which gives null instead, or filter out such rows",
        1,
    ),
    "bad-date": Code(
        "a date or time does not exist",
        "some row has a date such as month 13, or a year outside 1 to 9999",
        "filter out such rows first, for example with `month between 1 and 12`",
        1,
    ),
    "bad-index": Code(
        "an array index is out of range",
        "the index is larger than the array",
        "use `try_element_at`, which counts from 1 and gives null instead, or compare the index with `size` first",
        1,
    ),
    "unfit-labels": Code(
        "the labels that a run read for a pivot cannot become columns",
        "there is no label, there are more than `at_most`, or a label gives a column name that is not allowed or exists twice",
        "correct the rows, increase `at_most`, or list the labels: `labels: [...]`",
        1,
    ),
    "text-too-long": Code(
        "`lpad`, `rpad` or `repeat` would make a text of more than 1,000,000 characters",
        "a number in some row is larger than expected",
        "limit the length, for example with `least(n, 100)`, or filter out such rows",
        1,
    ),
    "array-too-long": Code(
        "`sequence`, or `fill_days` in one group, would make an array of more than 100,000 numbers",
        "a number or a day in some row is much larger than expected",
        "limit the end, for example with `least(n, 100000)`, or filter out such rows",
        1,
    ),
    "engine": Code(
        "the engine could not finish a statement",
        "the message contains the error of the engine",
        "read the log in the run's folder",
        1,
    ),
    "engine-lost": Code(
        "the process of the engine has ended or does not answer",
        "it was killed, often because there was not enough memory, or the Spark Connect server has stopped",
        "check the memory of the machine and the log of the engine, then run again",
        1,
    ),
    "worker-mismatch": Code(
        "an executor cannot read files like this machine, or cannot call a function",
        "etlrun, Python or a package is missing there, or has another version",
        "install the same versions there, or set `packages:` in the engine of the profile to an archive from `etlrun pack`; for a function, "
        "`where: driver` in the step",
        1,
    ),
    "not-shared": Code(
        "an executor cannot read or write a folder that this machine can, or not read a snapshot of a table",
        "a source, `runs:` or `scratch:` is on a disk of one machine, or belongs to another account; or the server of "
        "a table has no snapshots for several machines",
        "put `runs:` in a store; or put it on a disk that all machines of the cluster share, and let driver and executors run under "
        "the same account; or remove `read: tasks` from the `table` source",
        1,
    ),
    "engine-unreachable": Code(
        "Spark cannot be reached or does not start",
        "no server listens at the address, or Spark itself fails to start",
        "check the address and the log in the run's folder",
        1,
    ),
    "engine-setting": Code(
        "a Spark Connect server rejects a setting of `conf`",
        "it can only be set before the server starts, or the server does not know it",
        "set it when you start the server, and remove it from `conf`",
        2,
    ),
    "start-not-recorded": Code(
        "`etlrun warm-up` could not record how Spark starts",
        "Java did not write the record: it was stopped, its disk or memory is full, or it is a Java without AppCDS",
        "run it again; Spark works without the record, only its start takes longer",
        1,
    ),
    "connect-missing": Code(
        "packages of Spark Connect are missing", "they are not installed by default", "pip install 'etlrun[connect]'", 1
    ),
    "java-missing": Code(
        "Spark needs Java, which was not found",
        "Java is not installed, or it is too old",
        "install Java 17 or later, or `pip install 'etlrun[java]'`",
        1,
    ),
    "python-failed": Code(
        "a function of a `python` step failed",
        "the function raised an error, ended its process, or returned other columns than declared",
        "correct the function at the line that the message names",
        1,
    ),
    "missing-package": Code(
        "a Python package is missing", "it is not installed by default", "run the `pip install` command in the message"
    ),
    "port-busy": Code(
        "the port of a local server cannot be used",
        "another program, or another `etlrun dashboard watch`, uses it",
        "choose another port with --port",
    ),
    "wrong-remote": Code(
        "`remote` is not an address of a Spark Connect server",
        "the address has the wrong form",
        "write `sc://host:port`",
    ),
    "disk": Code(
        "the run cannot write to its folder",
        "the disk is full, or the rights of the folder have changed",
        "free disk space, or set `runs:` (`scratch:` if `runs:` is a URL) in `etlrun.yaml` to a folder on another disk",
        1,
    ),
    "disk-full": Code("there is not enough disk space", "the disk is full", "free disk space", 1),
    "file-unusable": Code(
        "a file or folder cannot be used",
        "it belongs to another account, or is not the kind of file that its name says",
        "check the owner and the permissions of the file and its folders",
        1,
    ),
    "run-folder": Code(
        "the folder of a run cannot be created",
        "the account may not write to the folder in `runs:`, or in `scratch:` if `runs:` is a URL",
        "set `runs:` or `scratch:` in `etlrun.yaml`",
        1,
    ),
    "open-folder": Code(
        "other users may write to the folder of runs or answers",
        "the permissions let the group or everyone write to it, and so change what a run publishes",
        "run the chmod command in the message",
    ),
    "stage-damaged": Code(
        "the saved rows of a run are missing or were changed",
        "files in the run's folder, or objects below `runs:` in a store, were removed or changed",
        "run the pipeline again",
        1,
    ),
    # checks
    "check-failed": Code(
        "a check failed",
        "the computed rows violate a rule of the pipeline",
        "nothing was published; look at the rows with `etlrun show`, then correct the data or the rule",
        3,
    ),
    "coverage-too-low": Code(
        "too few rows have an answer",
        "models gave no answer for more rows than `min_coverage` allows",
        "use another model, or add answers to overrides/PROMPT.csv",
        3,
    ),
    "accuracy-too-low": Code(
        "too few answers are right",
        "`etlrun llm eval`, or `eval` of `enrich`, found too many wrong answers in the golden set",
        "improve the prompt, or use another model",
        3,
    ),
    "too-few-rows": Code(
        "a sink has too few rows to publish",
        "the result has fewer rows than `min_rows`",
        "check the input, or allow it: `min_rows: 0`",
        1,
    ),
    # connections and publishing
    "connection-missing": Code(
        "the file of a connection does not exist",
        "no run has published to it yet, or the path is wrong",
        "correct the path, or run the pipeline that publishes to it",
        1,
    ),
    "connection-busy": Code(
        "another process uses the database",
        "another process has opened the DuckDB file for writing",
        "close the other process, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "connection-failed": Code(
        "the connection to a database cannot be opened or was lost",
        "the server is down, or the address, account or certificate is wrong",
        "find the cause with `etlrun doctor` and remove it, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "connection-damaged": Code(
        "the file of a connection is damaged",
        "a part of the file is missing, or it is not a DuckDB file",
        "restore the file from a backup, or move it away and run the pipelines again",
        1,
    ),
    "missing-variable": Code(
        "an environment variable is not set",
        "the profile refers to it as `${NAME}`",
        "set it, or write `${NAME:-default}`",
    ),
    "missing-schema": Code(
        "the schema or database of a table does not exist",
        "its name before the `.` is misspelled, or it was not created yet",
        "run the statement in the message",
        1,
    ),
    "missing-table": Code(
        "a table does not exist",
        "its name is misspelled, or the pipeline that publishes it has not run yet",
        "correct the name, or run that pipeline first",
        1,
    ),
    "wrong-url": Code(
        "the URL of a connection cannot be used",
        "it has the wrong form, or its parts contradict each other",
        "write it in the form of docs/connections.md",
    ),
    "wrong-ca": Code(
        "the certificate of `ca` cannot be read", "the file is missing or not in PEM form", "use a PEM file"
    ),
    "no-right": Code(
        "the account lacks a right",
        "the server rejected a statement",
        "grant the rights that the message names, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "condition": Code(
        "`replace_where` cannot be used on this server",
        "the server would select different rows with this condition than the engine",
        "write the condition in the form that the message gives",
        1,
    ),
    "view-columns": Code(
        "a view would have other columns than the relation",
        "the database gives a value another type than the pipeline",
        "publish a `table` instead, or remove the column",
        1,
    ),
    "shared-table": Code(
        "two sinks publish to the same table under different names",
        "the table is written as `t` and as `main.t`, or two connections use the same database; the second sink could replace the rows of the first",
        "write the same table name and connection in both sinks",
        1,
    ),
    "key-exists": Code(
        "a key of the new rows is already in the table",
        "`append` adds a key that is already there, or a row outside `replace_where` has the same key",
        "use `write: merge`, or correct the condition",
        1,
    ),
    "foreign-key": Code(
        "replacing rows of the table would change rows of other tables",
        "another table has a foreign key to it with ON DELETE CASCADE or SET NULL",
        "if the changes are intended, set `allow_cascade: true` in the sink and run the pipeline again; otherwise change the foreign key, then "
        + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "other-tables": Code(
        "publishing the table would change rows of other tables",
        "a trigger or a rule of the table changes rows of other tables",
        "if the changes are intended, set `allow_cascade: true` in the sink and run the pipeline again; otherwise drop or disable the trigger, then "
        + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "key-not-unique": Code(
        "two of the new rows have the same key",
        "the columns of `key` do not identify a row",
        "add a column to `key`, or add a step `dedupe`",
        1,
    ),
    "merge-too-large": Code(
        "a merge would write too much of a lake table again",
        "the keys of the run are in many or large files of the table",
        "replace whole partitions with `replace_where`, or publish fewer keys in each run",
        1,
    ),
    "newer-run": Code(
        "the table holds the rows of a newer run",
        "a run that started later has already published",
        "if your rows should replace them, run the pipeline again",
        1,
    ),
    "periods-overlap": Code(
        "two runs would write rows of the same period",
        "their `replace_where` conditions may select the same rows",
        "wait until the other run has ended, then run again",
        1,
    ),
    "publish-conflict": Code(
        "another program wrote to the table during the publish; the rows of the run were not published",
        "a program other than etlrun writes to the table, perhaps very often",
        "look at the versions of the table, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "publish-failed": Code(
        "a sink was not published; its old rows are untouched",
        "the server or the disk rejected the rows or became unavailable",
        "remove the cause that the message names, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "publish-unknown": Code(
        "it is not known whether a sink was published",
        "the connection was lost during the commit",
        _TRY_RESUME + ", which first checks the publish log",
        1,
        can_resume=True,
    ),
    "rows-outside": Code(
        "some rows do not fulfil the condition of `replace_where`",
        "the relation has rows outside the part of the table that it replaces",
        "add a `filter` with the same condition",
        1,
    ),
    "rows-differ": Code(
        "the server received a different number of rows than the run computed",
        "a trigger, a constraint or another program has changed the rows",
        "nothing was published; check the definition of the table",
        1,
    ),
    "values-differ": Code(
        "the server stored different values than the run computed",
        "a type, trigger or character set of the table changes the values",
        "nothing was published; check the definition of the table",
        1,
    ),
    "rows-refused": Code(
        "the server rejected the rows",
        "a type or constraint of the table does not allow a value",
        "remove or change such rows in the pipeline, or change the table",
        1,
    ),
    "too-many-partitions": Code(
        "the rows have too many partitions",
        "a column of `partition_by` has very many values",
        "use a column with fewer values, such as a month, or remove `partition_by`",
        1,
    ),
    "unreadable-table": Code(
        "a lake table cannot be read",
        "its log is damaged, or it uses a feature that etlrun does not support",
        "check the files of its log: `_delta_log`, or `metadata` of an Iceberg table",
        1,
    ),
    "value-refused": Code(
        "a value does not fit a column of the table",
        "the value is too long, too large, or outside the range of the column's type",
        "change the column with the statement in the message, or change the value",
        1,
    ),
    "table-busy": Code(
        "another session has locked the table",
        "a long query, a lock or another run uses the table",
        "end that session, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "table-mismatch": Code(
        "the table does not match the rows",
        "the columns, types or key of the table differ from those of the pipeline",
        "run the statements that the message prints, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "read-only": Code(
        "a sink uses a read-only connection",
        "nothing can be published to connections of this kind",
        "use another connection",
        1,
    ),
    "unfit-column": Code(
        "a table cannot be created because of one of its columns",
        "the server does not support the type or the name of the column",
        "`cast` or `rename` the column",
        1,
    ),
    "unfit-name": Code(
        "the name of a table is too long",
        "the server has a limit, and `publish: pointer` adds `__data` to the name",
        "choose a shorter name",
        1,
    ),
    # commands
    "dashboard-size": Code(
        "a dashboard page would be too large",
        "a filter has too many values, or a sum is too large to be exact",
        "use filter columns with fewer values",
        1,
    ),
    "already-current": Code(
        "the table already shows this version", "nothing has been published since", "choose another version"
    ),
    "no-versions": Code(
        "no earlier version of the table is kept",
        "only database tables with `publish: pointer` keep earlier rows; the versions of a Delta table are not changed by `rollback`",
        "publish the table with `publish: pointer` first; read a version of a Delta table with a `delta` source",
    ),
    "several-runs": Code(
        "several runs have an id with this beginning", "the beginning of the id is too short", "write the whole id"
    ),
    "unknown-period": Code("the table has no such period", "it is misspelled", "use a period that the message lists"),
    "unknown-run": Code(
        "there is no such run", "the id is misspelled, or its folder was removed", "use an id from `etlrun runs`"
    ),
    "table-changed": Code(
        "another run published to the table while this run compared rows with it",
        "two runs write to the table at the same time",
        "run the pipeline again",
        exit_code=1,
    ),
    "older-versions": Code(
        "the table already has row versions with a later time",
        "`as_of` is earlier than in the last run, or a clock is wrong",
        "run the pipeline for earlier times first",
        exit_code=1,
    ),
    "lossy-change": Code(
        "a change of a table may lose existing values",
        "the pipeline no longer publishes a column, or publishes it with a smaller type",
        "review the statement and run `etlrun migrate --apply --allow-loss`, or change the pipeline",
    ),
    "change-failed": Code(
        "a statement of `etlrun migrate` failed",
        "the existing rows do not allow the change, somebody else has changed the table, or the account may not ALTER it",
        "run `etlrun migrate` again; if it fails again, run the printed statements by hand",
        exit_code=1,
    ),
    "no-failing-rows": Code(
        "there are no saved rows that fail the check",
        "the check passes, is about all rows together, or has not run yet",
        "run the pipeline; use `--dry-run` to publish nothing",
    ),
    "run-alive": Code(
        "the run is still running",
        "its process has not ended. A run of another machine counts as killed ten minutes after its last heartbeat",
        "wait until it has ended",
    ),
    "spec-changed": Code(
        "the pipeline has changed since the run", "its files were edited", "run the pipeline again instead of resuming"
    ),
    "unknown-revision": Code(
        "`etlrun diff --against` finds no such revision of the project in git",
        "the name is misspelled, the commit was not fetched, or the project is not in a git repository",
        "use a commit, branch or tag that `git log` knows, such as `HEAD~1`",
    ),
    "nothing-staged": Code(
        "the run has no saved rows to publish",
        "it has published already, or failed before its checks",
        "run the pipeline again",
    ),
    "nothing-asked": Code(
        "the pipeline does not use a model", "it has no `enrich` step", "choose a pipeline with an `enrich` step"
    ),
    "nothing-to-compare": Code(
        "there are no two sets of answers to compare",
        "the prompt or the model was never changed",
        "edit the prompt or change the model, then ask again",
    ),
    "not-a-folder": Code("the path is a file, not a folder", "the path is wrong", "choose another path"),
    "not-empty": Code(
        "the folder is not empty", "existing files would be replaced", "choose another folder, or use --force"
    ),
    "not-writable": Code(
        "a file cannot be written", "the disk is full, or the account may not write there", "choose another folder", 1
    ),
    "unusable-plugin": Code(
        "a plugin cannot be used",
        "the package in `ETLRUN_PLUGINS` is not installed, adds nothing to etlrun, or cannot be imported",
        "correct the variable or the package",
    ),
    "internal-error": Code(
        "a bug in etlrun or a plugin",
        "an unexpected error",
        "report it together with the printed traceback",
        1,
    ),
    "interrupted": Code("the run was interrupted", "Ctrl-C", "nothing more was published; run the pipeline again", 130),
    "terminated": Code(
        "the run was terminated",
        "the process received the signal SIGTERM",
        "nothing more was published; run the pipeline again",
        143,
    ),
    # models
    "budget-reached": Code(
        "the budget for models is used up",
        "the run reached `budget` or `--max-usd`",
        "run again with a larger budget; the answers are saved",
        4,
    ),
    "quota-reached": Code(
        "the quota of the service is used up",
        "the service allows no more requests today",
        "run again later; the answers are saved",
        4,
    ),
    "job-at-work": Code(
        "the service has not finished a batch job",
        "the model has `mode: batch`, and a job takes up to a day",
        "run again later, or wait: `--wait 4h`; no request is sent twice",
        4,
    ),
    "another-model": Code(
        "another model answered than the one that was asked",
        "the service uses another model for this name",
        "use the name of that model, or accept it: `accept: [NAME]`; its answers were not saved",
        4,
    ),
    "golden-empty": Code("the golden set has no keys", "the file has a header only", "add a key and its answer"),
    "label-store": Code(
        "the label store cannot be used",
        "its file is locked or damaged, or its server cannot be reached",
        "fix the problem that the message names, then run again",
        1,
    ),
    "model-access": Code(
        "the service rejects the API key", "the key is wrong, has expired, or lacks a permission", "use a valid API key"
    ),
    "model-model": Code(
        "the service has no such model",
        "the name is misspelled, or the model was retired",
        "use the name of another model",
    ),
    "model-no-answer": Code(
        "a model answered none of the keys",
        "there is a problem with the service or the prompt",
        "read the message, then run again",
        1,
    ),
    "model-service": Code(
        "the service does not answer",
        "it is overloaded or cannot be reached",
        "run again later; the answers are saved",
        1,
    ),
    "model-setup": Code(
        "a model cannot be set up", "a setting or a key is missing", "set the value that the message names"
    ),
    "model-unusable": Code(
        "the answers of a model cannot be used", "they do not have the requested form", "use another model", 1
    ),
    "no-labels": Code(
        "this connection cannot store labels",
        "only MySQL and PostgreSQL servers can",
        "use a server, or the path of a file",
    ),
    "not-agreed": Code(
        "calling models needs a confirmation of the cost",
        "the estimated cost is above `confirm_above_usd`",
        "run with --yes or --max-usd",
    ),
}

CODES: dict[str, Code] = {**SPEC_CODES, **RUN_CODES}
