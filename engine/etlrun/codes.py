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
        "a name that an engine or a database cannot hold",
        "a name is empty, too long, has control characters, or is reserved",
        "use letters, digits and `_`, at most 64 characters",
    ),
    "column-exists": Code(
        "a new column would shadow a column that exists",
        "`derive`, `rename` or another step makes a column whose name is taken",
        "choose another name, or `drop` or `rename` the old column first",
    ),
    "cycle": Code(
        "relations are made from each other",
        "the chain `a` reads `b`, and `b` reads `a`, perhaps through others",
        "let one of them read its sources instead",
    ),
    "duplicate-name": Code(
        "two things share one name",
        "a source, a chain, a column or a test has the name of another one",
        "rename one of them",
    ),
    "expression-not-allowed": Code(
        "SQL that the expression language leaves out",
        "the SQL does not mean the same on every engine, or reaches outside the pipeline",
        "use the step or function that the message names",
    ),
    "file-not-found": Code(
        "a file that the spec or the command names does not exist",
        "the path is misspelt, or relative to another folder",
        "write the path relative to the project's folder",
    ),
    "file-unreadable": Code(
        "a file that the spec names cannot be read, or is outside the project",
        "the file has other rights or another encoding, or a link leads out of the project",
        "move the file into the project, and save it as UTF-8",
    ),
    "missing-key": Code(
        "a required key is missing",
        "the kind cannot do its work without it",
        "add the key; the reference page of the kind lists its keys",
    ),
    "missing-param": Code(
        "a param has no value",
        "the param has no default and the command gives none",
        "run with `--set NAME=VALUE`, or give the param a `default`",
    ),
    "no-total-order": Code(
        "the answer would depend on the order of rows",
        "several rows may be equal in everything that the order names",
        "add columns to the order until no two rows are equal in all of them",
    ),
    "not-allowed-here": Code(
        "an aggregate or window function where none can be",
        "a `filter`, `derive` or another step that looks at one row uses a function of many rows",
        "use the step `aggregate` or `window`, then refer to its column",
    ),
    "not-grouped": Code(
        "a column is neither grouped nor aggregated",
        "a group has many values of the column, and nothing says which one",
        "add the column to `by`, or aggregate it: `max(column)`",
    ),
    "path-outside": Code(
        "a path leads out of the project and its `roots`, or to a store that the project file does not name",
        "the path is absolute, or a link or `..` leads to another folder; or it is a URL below no prefix of `storage`, `data` and `roots`",
        "move the file into the project, or name its folder or its store in `etlrun.yaml`",
    ),
    "pii-in-prompt": Code(
        "a column that is tagged `pii`, or is made from one, would be sent to a model",
        "`enrich` asks about a column that comes from a source whose column, or from a mapping whose file, is tagged `pii`",
        "ask about another column, or allow the tagged one in the step: `allow_pii: [users.phone]`",
    ),
    "python-function": Code(
        "a Python function cannot be found",
        "the module or the function is misspelt, or its file is not in the project",
        "write `module:function` for a function in a file beside `etlrun.yaml`",
    ),
    "quoted-param": Code(
        "`$name` inside quotes stays text",
        "a param is put into expressions as a value, with its own quotes",
        "write `$name` without quotes",
    ),
    "secret-literal": Code(
        "a password or key is written out",
        "everybody who can read the file can read the secret",
        "write `${NAME}`, and set the environment variable NAME",
    ),
    "secret-shown": Code(
        "a password or key would be where others on the machine can read it",
        "options of a process and event logs are visible to others",
        "use the setting that the message names",
    ),
    "shared-sink": Code(
        "two sinks write to the same table or file",
        "the second one would replace what the first one published",
        "give each sink a table of its own, or `replace_where` conditions that share no row",
    ),
    "syntax": Code(
        "text that is not a Spark SQL expression",
        "a bracket, a quote or an operator is missing or left over",
        "correct the text at the caret",
    ),
    "type-mismatch": Code(
        "a value has the wrong type",
        "an operator, a function or a key takes another type",
        "`cast` the value to the type that the message names",
    ),
    "unknown-column": Code(
        "the relation has no such column",
        "the name is misspelt, or a step before has dropped, renamed or aggregated the column",
        "use a column that the message lists",
    ),
    "unknown-connection": Code(
        "the profile has no such connection",
        "the name is misspelt, or only another profile has it",
        "declare it under `connections:` of the profile in `etlrun.yaml`",
    ),
    "unknown-function": Code(
        "the expression language has no such function",
        "the name is misspelt, or the function does not give the same on every engine",
        "use the function that the message names; docs/functions.md lists all",
    ),
    "unknown-group": Code(
        "there is no such column group",
        "no `pivot` before this step has `as:` with the name",
        "name the group with `as:` in the `pivot`",
    ),
    "unknown-key": Code(
        "this place has no such key",
        "the key is misspelt or indented too far or not far enough",
        "use a key that the message names",
    ),
    "unknown-kind": Code(
        "there is no such source, step, check, sink, connection, model or engine",
        "the name is misspelt, or a plugin is not switched on",
        "use a name that the message gives; `ETLRUN_PLUGINS` switches plugins on",
    ),
    "unknown-label": Code(
        "the mapping or prompt has no such label",
        "the label is misspelt",
        "use a label of the file in mappings/ or prompts/",
    ),
    "unknown-mapping": Code(
        "there is no such mapping",
        "the name is misspelt, or mappings/ has no such file",
        "create `mappings/NAME.yaml`",
    ),
    "unknown-measure": Code(
        "the dashboard has no such measure",
        "the name is misspelt",
        "declare it under `measures:`",
    ),
    "unknown-model": Code(
        "the profile has no such model",
        "the name is misspelt, or only another profile has it",
        "declare it under `models:` of the profile in `etlrun.yaml`",
    ),
    "unknown-param": Code(
        "`$name` is neither a param nor a variable",
        "the name is misspelt or not declared",
        "declare it under `params:` of the pipeline",
    ),
    "unknown-sink": Code(
        "a pipeline has no such sink of a table",
        "the name is misspelt, or the sink writes files",
        "name one of the sinks that the message lists",
    ),
    "unknown-pipeline": Code(
        "there is no such pipeline",
        "the name is misspelt, or pipelines/ has no such file",
        "use a name or a path that exists",
    ),
    "unknown-profile": Code(
        "the project has no such profile",
        "the name is misspelt",
        "use a name under `profiles:` in `etlrun.yaml`",
    ),
    "unknown-prompt": Code(
        "there is no such prompt",
        "the name is misspelt, or prompts/ has no such file",
        "create `prompts/NAME.md`",
    ),
    "unknown-relation": Code(
        "no source and no chain has this name",
        "the name is misspelt",
        "use the name of a source or of a chain of this pipeline",
    ),
    "unknown-type": Code(
        "there is no such type",
        "the type is misspelt, or is another tool's name for it",
        "use a type of docs/pipeline.md",
    ),
    "unused": Code(
        "something is declared and never used",
        "it was left over from an earlier version, or its use is misspelt",
        "remove it, or use it",
    ),
    "wrong-arguments": Code(
        "a function has the wrong number or kind of arguments",
        "an argument is missing, left over, or of another type",
        "write the call as docs/functions.md gives it",
    ),
    "wrong-value": Code(
        "a value of the wrong form",
        "the key takes another kind of value",
        "write what the message expects",
    ),
    "yaml-duplicate-key": Code(
        "a mapping has the same key twice",
        "YAML readers would keep one of the two and drop the other",
        "remove one, or join both",
    ),
    "yaml-not-allowed": Code(
        "YAML that `etlrun` does not read",
        "tags and merge keys can run code or hide what a file says",
        "write the value out",
    ),
    "yaml-syntax": Code(
        "the file is not YAML",
        "an indentation, a quote, a bracket or a colon is wrong",
        "correct the text at the caret",
    ),
    "view-unlike": Code(
        "a database could not compute a view as the pipeline does",
        "an input of the view is not there, or a step has other rules there",
        "publish a `table` instead, or leave the step out of what the view is made from",
    ),
}

_TRY_RESUME = "start `etlrun resume RUN_ID` once the cause is gone"

RUN_CODES: dict[str, Code] = {
    # files and other inputs
    "bad-rows": Code(
        "a source has broken records",
        "lines of a file do not have the declared form, and the source says `bad_rows: fail`",
        "correct the files, or set the records aside with `bad_rows: quarantine`",
        1,
    ),
    "too-many-bad-rows": Code(
        "a source has more broken records than it may have",
        "the share of broken records is above `max_bad_rows`",
        "look into the quarantine file; correct the files or the declared types, or raise `max_bad_rows`",
        1,
    ),
    "changed-file": Code(
        "a file changed while it was read",
        "another program wrote to the file during the run, so nobody knows which rows were read",
        "wait until the file is complete, then run again",
        1,
    ),
    "damaged-file": Code(
        "a file is cut off or damaged",
        "the copy of a gzip or Parquet file did not end, or its bytes have changed",
        "copy the file again",
        1,
    ),
    "bad-file-name": Code(
        "a file or folder has a name that cannot be read or written",
        "the name is not UTF-8, or has characters that DuckDB takes for a pattern or an option",
        "rename the file or the folder",
        1,
    ),
    "bad-value": Code(
        "a file or a text has a value that the declared type does not hold",
        "the value would be rounded, is of another kind, or is a null where `not null` is declared",
        "declare a type that holds it, or write the file again",
        1,
    ),
    "double-column": Code(
        "a header names a column twice", "the file was made by a join or an export that repeats names", "rename one", 1
    ),
    "double-file": Code(
        "the same data would be read twice",
        "a link leads to another file of the source, or a day exists plain and compressed",
        "remove one of the two",
        1,
    ),
    "empty-file": Code(
        "a file or a day has no row",
        "the export of that day failed or is not finished",
        "export it again, or allow it with `dates: {empty: ...}`",
        1,
    ),
    "missing-column": Code(
        "a declared column is missing in the data",
        "the file or table has another name for it, or a new layout",
        "correct the declared columns, or the data",
        1,
    ),
    "missing-day": Code(
        "a day of the calendar has no file",
        "the export of that day did not arrive",
        "bring the file, or allow gaps with `dates: {missing: ...}`",
        1,
    ),
    "old-files": Code(
        "no file of a source is as new as `max_age` asks for",
        "what writes the files has stopped",
        "find out why no newer file has arrived; a longer `max_age` allows it",
        1,
    ),
    "missing-file": Code(
        "a file does not exist", "the path is wrong, or the file did not arrive", "correct the path", 1
    ),
    "missing-bucket": Code(
        "a bucket or container of a store is not there",
        "the URL is misspelt, or `endpoint` or `region` lead to another store",
        "correct the URL, or make the bucket",
        1,
        can_resume=True,
    ),
    "storage-refused": Code(
        "a store refuses access",
        "the identity of the run is another than expected, has expired, or lacks a right",
        "correct the credentials under `storage:`, or give the identity the right that the page of the storage names",
        1,
        can_resume=True,
    ),
    "storage-failed": Code(
        "a store gives no good answer, after it was asked several times",
        "the network, the `endpoint` or the `region` is wrong, or the store is overloaded",
        "run again when the store answers",
        1,
        can_resume=True,
    ),
    "unreadable-file": Code(
        "a file or folder cannot be read",
        "the account has no right to read it, or its content is not what the source declares",
        "change the rights, or the source",
        1,
    ),
    "wrong-columns": Code(
        "the data has other columns or types than declared",
        "the layout of the file or table has changed",
        "declare what it holds, or correct the data",
        1,
    ),
    "wrong-format": Code(
        "a file is not what the source declares",
        "its first bytes belong to another format, or the ending of its name is wrong",
        "use the source of that format, or rename the file",
        1,
    ),
    "unknown-format": Code(
        "the format of a file is not known",
        "its name has no ending that says it",
        "rename it to .csv, .json or .parquet",
    ),
    # engines and steps
    "overflow": Code(
        "a number does not fit its type",
        "a sum, product or cast is larger than the type can hold",
        "cast to a wider type first: int to bigint, bigint to decimal(38,0), decimal to double",
        1,
    ),
    "division-by-zero": Code(
        "a division by zero", "the divisor is 0 in some row", "divide by `nullif(x, 0)`, which gives null instead", 1
    ),
    "bad-cast": Code(
        "a value cannot be cast",
        "a text is not a number, a date or a time",
        "use `try_cast`, which gives null instead, or filter such rows out",
        1,
    ),
    "bad-date": Code(
        "there is no such date or time",
        "the parts that some row gives make no date, such as month 13, or one beyond the years 1 to 9999",
        "filter such rows out first, such as with `month between 1 and 12`",
        1,
    ),
    "bad-index": Code(
        "an array has no such element",
        "the index is past the end",
        "use `try_element_at`, which counts from 1 and gives null instead, or compare the index with `size` first",
        1,
    ),
    "text-too-long": Code(
        "`lpad`, `rpad` or `repeat` would make a text of more than 1,000,000 characters",
        "a number in some row is not the length that was meant",
        "limit the length, such as with `least(n, 100)`, or filter such rows out",
        1,
    ),
    "engine": Code(
        "the engine could not finish a statement",
        "the message has the engine's own words",
        "see the log in the run's folder",
        1,
    ),
    "engine-lost": Code(
        "the engine's process ended or does not answer",
        "it was killed, often because memory ran out, or a Connect server went away",
        "look at the memory of the machine and at the engine's log, then run again",
        1,
    ),
    "worker-mismatch": Code(
        "an executor cannot read sources as this machine does",
        "etlrun, Python or a package is missing there, or of another version",
        "install the same versions there; or say `read: driver` in the profile's engine",
        1,
    ),
    "not-shared": Code(
        "an executor does not see a folder that this machine sees, or may not write to it",
        "a source or `runs:` lies on a disk of one machine, or belongs to another account",
        "put it where all machines of the cluster see it; or say `read: driver` in the profile's engine",
        1,
    ),
    "engine-unreachable": Code(
        "Spark cannot be reached or does not start",
        "nothing listens at the address, or Spark's own start fails",
        "check the address, and see the log in the run's folder",
        1,
    ),
    "engine-setting": Code(
        "a Spark Connect server refuses a setting of `conf`",
        "it can only be set before the server starts, or the server does not know it",
        "give it to the server when it starts, and take it out of `conf`",
        2,
    ),
    "connect-missing": Code(
        "packages of Spark Connect are missing", "they are an extra", "pip install 'etlrun[connect]'", 1
    ),
    "java-missing": Code(
        "Spark needs a Java that is not there",
        "there is no Java, or it is too old",
        "install Java 17 or later, or `pip install 'etlrun[java]'`",
        1,
    ),
    "python-failed": Code(
        "a function of a `python` step failed",
        "the function raised an error, ended its process or gave other rows than declared",
        "correct the function at the line that the message names",
        1,
    ),
    "missing-package": Code(
        "a Python package is missing", "it is an extra of etlrun", "install what the message names"
    ),
    "port-busy": Code(
        "the port of a local server cannot be used",
        "another program, or another `etlrun dashboard watch`, listens on it",
        "choose another with --port",
    ),
    "wrong-remote": Code(
        "`remote` is not an address of a Spark Connect server",
        "the address has another form",
        "write `sc://host:port`",
    ),
    "disk": Code(
        "the run's folder cannot be written",
        "the disk is full, or the folder's rights have changed",
        "make room, or set `runs:` in `etlrun.yaml` to a folder on another disk",
        1,
    ),
    "disk-full": Code("there is no room for what a command writes", "the disk is full", "make room", 1),
    "file-unusable": Code(
        "a file or folder cannot be used",
        "it belongs to another account, or is not what its name says",
        "look at the permissions and the owner of the file and of its folders",
        1,
    ),
    "run-folder": Code(
        "no run folder can be made", "`runs:` names a folder that cannot be written", "set `runs:` in `etlrun.yaml`", 1
    ),
    "open-folder": Code(
        "others may write to a folder of runs or answers",
        "its mode lets the group or everybody write, and so change what runs publish",
        "chmod it as the message says",
    ),
    "stage-damaged": Code(
        "the staged rows of a run are gone or were changed",
        "somebody removed or changed files in the run's folder",
        "run the pipeline again",
        1,
    ),
    # checks
    "check-failed": Code(
        "a check does not hold",
        "the computed rows break a rule that the pipeline states",
        "nothing was published; look at the rows with `etlrun show`, and correct the data or the rule",
        3,
    ),
    "coverage-too-low": Code(
        "too few rows have an answer",
        "models abstained or failed for more rows than `min_coverage` allows",
        "ask another model, or add answers to overrides/PROMPT.csv",
        3,
    ),
    "accuracy-too-low": Code(
        "too few answers are right",
        "`etlrun llm eval` compared the answers with a golden set",
        "improve the prompt, or ask another model",
        3,
    ),
    "too-few-rows": Code(
        "a sink would be published with too few rows",
        "the result has fewer rows than `min_rows`",
        "look at what was read, or allow it: `min_rows: 0`",
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
        "a DuckDB file is open for writing elsewhere",
        "close the other process, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "connection-failed": Code(
        "a connection cannot be opened or was lost",
        "the server is away, or the address, the account or the certificate is wrong",
        "`etlrun doctor` examines it; " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "connection-damaged": Code(
        "the file of a connection is damaged",
        "the disk or a copy lost a part of it, or it is not a DuckDB file",
        "restore it from a backup, or move it away and run the pipelines again",
        1,
    ),
    "missing-variable": Code(
        "an environment variable is not set",
        "the profile refers to it as `${NAME}`",
        "set it, or write `${NAME:-default}`",
    ),
    "missing-schema": Code(
        "the schema or database of a table does not exist",
        "its name before the `.` is misspelt, or nobody has made it yet",
        "run the statement that the message gives",
        1,
    ),
    "missing-table": Code(
        "a table does not exist",
        "its name is misspelt, or the pipeline that publishes it has not run",
        "correct the name, or run that pipeline first",
        1,
    ),
    "wrong-url": Code(
        "the URL of a connection cannot be used",
        "it has another form, or parts that contradict each other",
        "write it as docs/connections.md gives it",
    ),
    "wrong-ca": Code(
        "the certificate of `ca` cannot be read", "the file is missing or not in PEM form", "name a PEM file"
    ),
    "no-right": Code(
        "the account lacks a right",
        "the server refused a statement",
        "grant what the message names, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "condition": Code(
        "`replace_where` cannot be used on this server",
        "the server would select other rows by the condition than the engine",
        "write the condition as the message says",
        1,
    ),
    "view-columns": Code(
        "a view would have other columns than its relation",
        "the database gives a value another type than the pipeline does",
        "publish a `table` instead, or leave the column out",
        1,
    ),
    "shared-table": Code(
        "two sinks publish to one table by different names",
        "a table is `t` and `main.t` at once, or two connections lead to one database; the second sink could replace what the first one publishes",
        "write the table and the connection alike in both sinks",
        1,
    ),
    "key-exists": Code(
        "a key of the new rows is in the table already",
        "`append`, or rows outside `replace_where`, hold the same key",
        "publish with `merge`, or correct the condition",
        1,
    ),
    "foreign-key": Code(
        "replacing rows of the table would change other tables",
        "a foreign key of another table refers to it with ON DELETE CASCADE or SET NULL",
        "set `allow_cascade: true` in the sink if that may happen, or change the key; then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "other-tables": Code(
        "publishing the table would change other tables",
        "a trigger or a rule of the table changes rows of other tables",
        "set `allow_cascade: true` in the sink if that may happen, or drop or disable the trigger; then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "key-not-unique": Code(
        "two of the new rows have the same key",
        "the `key` of the sink does not tell the rows apart",
        "add a column to `key`, or `dedupe` before",
        1,
    ),
    "newer-run": Code(
        "the table holds the rows of a newer run",
        "a run that started later has published already",
        "run the pipeline again if its rows should replace those",
        1,
    ),
    "periods-overlap": Code(
        "two runs write rows of the same period",
        "their `replace_where` conditions may share rows",
        "wait until the other run has ended, then run again",
        1,
    ),
    "publish-conflict": Code(
        "another program wrote to a table while a run published to it; the rows of the run are not in it",
        "two writers of one table, of which the other is not etlrun or never pauses",
        "look at the table's versions, then `etlrun resume RUN_ID` publishes the rows",
        1,
        can_resume=True,
    ),
    "publish-failed": Code(
        "a sink was not published; its old rows are untouched",
        "the server or the disk refused it or went away",
        _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "publish-unknown": Code(
        "it is not known whether a sink was published",
        "the server went away while it committed",
        "start `etlrun resume RUN_ID`: it asks the ledger first",
        1,
        can_resume=True,
    ),
    "rows-outside": Code(
        "rows do not fulfil the condition of `replace_where`",
        "the relation holds rows of another part of the table than the one it replaces",
        "filter the relation by the same condition",
        1,
    ),
    "rows-differ": Code(
        "the server would hold another number of rows than the run computed",
        "a trigger, a constraint or another writer changed them",
        "nothing was published; look at the table's definition",
        1,
    ),
    "values-differ": Code(
        "the server would hold other values than the run computed",
        "a type, a trigger or a character set of the table changes them",
        "nothing was published; look at the table's definition",
        1,
    ),
    "rows-refused": Code(
        "the server refused the rows",
        "a type or constraint of the table does not allow a value",
        "leave such rows out or change them in the pipeline, or change the table",
        1,
    ),
    "too-many-partitions": Code(
        "the rows have more partitions than one run writes",
        "`partition_by` names a column with very many values",
        "partition by a column with fewer values, such as a month, or leave `partition_by` out",
        1,
    ),
    "unreadable-table": Code(
        "a table of a lake cannot be read",
        "its log is damaged, or it needs a feature that etlrun does not know",
        "look at the files in its folder `_delta_log`",
        1,
    ),
    "value-refused": Code(
        "a column of the table cannot hold a value",
        "the value is too long, too large, or not in the range of the column's type",
        "change the column as the message says, or the value",
        1,
    ),
    "table-busy": Code(
        "another session holds the table",
        "a long query, a lock or another run uses it",
        "end that session, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "table-mismatch": Code(
        "the table does not fit the rows",
        "columns, types or the key differ from those of the pipeline",
        "run the statements that the message prints, then " + _TRY_RESUME,
        1,
        can_resume=True,
    ),
    "read-only": Code(
        "a sink names a connection that nothing is published to",
        "connections of this kind are only read from",
        "name another connection",
        1,
    ),
    "unfit-column": Code(
        "a table with such a column cannot be made", "the server has no such type or name", "`cast` or `rename` it", 1
    ),
    "unfit-name": Code(
        "the name of a table is too long",
        "a server has a limit, and `publish: pointer` adds `__data` to the name",
        "choose a shorter name",
        1,
    ),
    # commands
    "dashboard-size": Code(
        "a page would hold too much",
        "a filter has too many values, or a sum is too large to be exact",
        "filter by columns with fewer values",
        1,
    ),
    "already-current": Code(
        "the table shows that version already", "nothing has been published since", "choose another"
    ),
    "no-versions": Code(
        "no earlier version of the table is kept",
        "of tables of a connection only those with `publish: pointer` keep earlier rows; a Delta table keeps versions that `rollback` does not change",
        "publish it with `publish: pointer` first; a `delta` source reads a version of a Delta table",
    ),
    "several-runs": Code(
        "several runs have an id that begins so", "only the beginning of the id was given", "write the whole id"
    ),
    "unknown-period": Code("the table has no such period", "it is misspelt", "use one that the message lists"),
    "unknown-run": Code("there is no such run", "the id is misspelt, or its folder was removed", "see `etlrun runs`"),
    "table-changed": Code(
        "another run published to a table while this one compared it with its rows",
        "two runs write versions to one table at once",
        "run the pipeline again",
        exit_code=1,
    ),
    "older-versions": Code(
        "a table has versions of a later time than those that would be added",
        "`as_of` is before the last run's, or a clock is wrong",
        "run the times in order",
        exit_code=1,
    ),
    "lossy-change": Code(
        "a change of a table may lose values that are there",
        "the pipeline publishes no such column any more, or one of a type that holds less",
        "`etlrun migrate --apply --allow-loss` after a look at the statement, or change the pipeline",
    ),
    "change-failed": Code(
        "a table was not changed as `etlrun migrate` said",
        "the statement fails on the rows that are there, the table was changed meanwhile, or the account may not ALTER it",
        "run `etlrun migrate` again, and run what it prints by hand where it goes on failing",
        exit_code=1,
    ),
    "no-failing-rows": Code(
        "no failing rows of the check are kept",
        "the check holds, is about all rows together, or no run has computed it",
        "run the pipeline, with `--dry-run` where nothing is to be published",
    ),
    "run-alive": Code("the run is still at work", "its process is alive", "let it end"),
    "spec-changed": Code(
        "the pipeline has changed since the run", "its files were edited", "run the pipeline again instead of resuming"
    ),
    "unknown-revision": Code(
        "`etlrun diff --against` finds no such revision of the project in git",
        "the name is misspelt, the commit was not fetched, or the project is not in a git repository",
        "name a commit, a branch or a tag that `git log` knows, such as `HEAD~1`",
    ),
    "nothing-staged": Code(
        "the run has no rows to publish", "it was published, or failed before its checks", "run the pipeline again"
    ),
    "nothing-asked": Code("the pipeline asks no model", "it has no `enrich` step", "name another pipeline"),
    "nothing-to-compare": Code(
        "there are no two sets of answers to compare",
        "the prompt or the model was never changed",
        "ask again after an edit",
    ),
    "not-a-folder": Code("a file has the name of the folder", "the path is wrong", "choose another path"),
    "not-empty": Code("the folder is not empty", "files would be replaced", "choose another folder, or use --force"),
    "not-writable": Code(
        "a file cannot be written", "the disk is full, or rights are missing", "choose another folder", 1
    ),
    "unusable-plugin": Code(
        "a plugin cannot be used",
        "the package that `ETLRUN_PLUGINS` names is not installed, adds no kinds, or one of its modules cannot be loaded",
        "correct the variable, or the package",
    ),
    "internal-error": Code(
        "a mistake of etlrun itself or of a plugin",
        "nobody foresaw this case",
        "report it with the lines that it prints",
        1,
    ),
    "interrupted": Code("the run was interrupted", "Ctrl-C", "nothing more was published; run it again", 130),
    "terminated": Code(
        "the run was asked to end",
        "the process got the signal SIGTERM",
        "nothing more was published; run it again",
        143,
    ),
    # models
    "budget-reached": Code(
        "asking stopped at its budget", "`budget` or `--max-usd` is spent", "run again with more; answers are kept", 4
    ),
    "quota-reached": Code(
        "asking stopped at the service's quota",
        "the service allows no more today",
        "run again later; answers are kept",
        4,
    ),
    "job-at-work": Code(
        "the service has not finished a batch job",
        "the model has `mode: batch`, and a job takes up to a day",
        "run again later, or wait: `--wait 4h`; no request is sent twice",
        4,
    ),
    "another-model": Code(
        "the answers came from another model than the one that was asked",
        "the service serves the name by another model",
        "name that model, or accept it: `accept: [NAME]`; none of its answers is kept",
        4,
    ),
    "golden-empty": Code("the golden set holds no keys", "the file has a header only", "add a key and its answer"),
    "label-store": Code(
        "the label store cannot be used",
        "its file or server is locked, damaged or away",
        "correct what the message names, then run again",
        1,
    ),
    "model-access": Code("the service refuses the key", "it is wrong, expired or lacks a right", "correct the key"),
    "model-model": Code("the service has no such model", "its name is misspelt or retired", "name another model"),
    "model-no-answer": Code(
        "a model answered none of the keys", "the service or the prompt is at fault", "see the message; run again", 1
    ),
    "model-service": Code(
        "the service does not answer", "it is overloaded or away", "run again later; answers are kept", 1
    ),
    "model-setup": Code("a model cannot be set up", "a setting or a key is missing", "set what the message names"),
    "model-unusable": Code(
        "the answers of a model cannot be used", "they do not have the asked form", "ask another model", 1
    ),
    "no-labels": Code(
        "a connection cannot hold the label store", "it is not a server", "name a server, or the path of a file"
    ),
    "not-agreed": Code(
        "asking would cost more than was agreed to", "the estimate is above `confirm_above_usd`", "run with --yes"
    ),
}

CODES: dict[str, Code] = {**SPEC_CODES, **RUN_CODES}
