"""Calls the function of a `python` step on Spark's executors: once for each partition, with an iterator of its batches.

Everything here is sent to the executors by value, with the modules of the project that the function imports: they need only pyarrow. A failure
of the function comes back as a row, so that Spark does not repeat the task, and that its line in the project's file is known.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etlrun.contracts.engine import FAILED, SentFunction, StatementError
from etlrun.engines._spark.by_value import PACKAGES, import_packages, send_by_value
from etlrun.engines._spark.tasks import executor_lack
from etlrun.failures import RunFailure
from etlrun.function_calls import failure_report, fitting, results_of
from etlrun.language.arrow import arrow_schema
from etlrun.spec.secrecy import names_secret

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CRASHED = "Python worker exited unexpectedly"
FIX_CRASH = "set `where: driver` to see the line, and fix the function"
LACKING = (
    "install it there, or set `packages:` of the profile's engine to an archive from `etlrun pack`; "
    "or set `where: driver` in the step"
)
Batches = Iterator[pa.RecordBatch]


def applied(frame: DataFrame, function: SentFunction, schema: str) -> DataFrame:
    """The rows of `frame` after the function; `schema` are its columns in Spark's words, and then FAILED."""
    send_by_value(__name__, failure_report.__module__, names_secret.__module__)
    numbered = frame.toDF(*(f"c{number}" for number in range(len(frame.columns))))  # a name with a dot is a path
    run = caller(
        function.reference,
        dict(function.modules),
        function.hidden,
        arrow_schema(function.given),
        arrow_schema(function.columns),
    )
    return numbered.mapInArrow(run, schema)


@contextmanager
def crashes_of(function: str) -> Iterator[None]:
    """Context in which errors of Spark that are those of a function or of its executor are raised as RunFailure."""
    try:
        yield
    except StatementError as error:
        lack = executor_lack(error)
        if lack:
            message = f"an executor cannot call the function `{function}`: {lack}"
            raise RunFailure("engine", "worker-mismatch", message, LACKING) from error
        if CRASHED in str(error.__cause__):
            message = (
                f"the function `{function}` failed: it ended or crashed its process on an executor, or memory ran out"
            )
            raise RunFailure("engine", "python-failed", message, FIX_CRASH) from error
        raise


def caller(
    reference: str, modules: Mapping[str, bytes], hidden: frozenset[str], given: pa.Schema, declared: pa.Schema
) -> Callable[[Batches], Batches]:
    """The function that each task runs."""
    names = [*declared.names, FAILED]

    def run(batches: Batches) -> Batches:
        import_packages(PACKAGES)
        lost: list[BaseException] = []
        with _without_secrets(hidden):
            try:
                _provide(modules)
                module, _, name = reference.partition(":")
                function = getattr(importlib.import_module(module), name)
                for part in results_of(function, _given(batches, given, lost)):
                    for batch in fitting(part, declared).to_batches():
                        yield pa.RecordBatch.from_arrays([*batch.columns, pa.nulls(len(batch), pa.string())], names)
            except GeneratorExit:
                raise
            except BaseException as error:  # whatever it does is a failure of its step
                if lost:
                    raise lost[0] from error
                report = failure_report(error, lambda file: file if file in modules else "")
                nulls = [pa.nulls(1, kind) for kind in declared.types]
                yield pa.RecordBatch.from_arrays([*nulls, pa.array([json.dumps(report)])], names)

    return run


def _given(batches: Batches, schema: pa.Schema, lost: list[BaseException]) -> Batches:
    """The rows of a partition in the columns of the relation. An error before the function gets them goes to `lost`."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except BaseException as error:
            lost.append(error)
            raise
        arrays = [array.cast(kind) for array, kind in zip(batch.columns, schema.types, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def _without_secrets(hidden: frozenset[str]) -> Iterator[None]:
    """Context without the environment variables in `hidden`, and without those whose names look like a secret."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name in hidden or names_secret(name)}
    try:
        yield
    finally:
        os.environ.update(taken)


def _provide(modules: Mapping[str, bytes]) -> None:
    """Let Python import these modules, and forget others that an earlier run sent to this process."""
    for finder in [each for each in sys.meta_path if hasattr(each, "sent_modules")]:
        if finder.sent_modules == modules:
            return
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if getattr(getattr(module, "__spec__", None), "loader", None) is finder:
                del sys.modules[name]
    sys.meta_path.insert(0, _SentModules(modules))


class _SentModules:
    """Imports modules from their texts in memory."""

    def __init__(self, modules: Mapping[str, bytes]) -> None:
        self.sent_modules = modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        stem = name.replace(".", "/")
        for file in (f"{stem}/__init__.py", f"{stem}.py"):
            if file in self.sent_modules:
                return self._spec(name, file, is_package=file.endswith("/__init__.py"))
        if any(file.startswith(f"{stem}/") for file in self.sent_modules):
            return self._spec(name, "", is_package=True)
        return None

    def _spec(self, name: str, file: str, *, is_package: bool) -> ModuleSpec | None:
        spec = spec_from_loader(name, self, origin=file, is_package=is_package)  # type: ignore[arg-type] # has its methods
        if spec is not None:
            spec.has_location = bool(file)
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        file = module.__spec__.origin if module.__spec__ else ""
        if file:
            exec(
                compile(self.sent_modules[file], file, "exec"), module.__dict__
            )  # the project's code, as `import` runs it
