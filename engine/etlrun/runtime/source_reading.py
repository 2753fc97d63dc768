"""Reads every source of a run, in this process or in tasks of the engine. Broken or wrong files stop the run here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from etlrun.compiler.check import Checked
from etlrun.compiler.file_aggregation import FileAggregation
from etlrun.compiler.plan import Plan
from etlrun.contracts.engine import EngineSession, ParquetFiles
from etlrun.contracts.row_aggregation import FileAggregationFailure
from etlrun.contracts.source import Control, Inventory, PartStore, ReadRequest, ReadResult, RunTasks
from etlrun.failures import RunFailure
from etlrun.language.arrow import write_parquet
from etlrun.language.columns import Columns
from etlrun.reading.explaining import first_bytes
from etlrun.reading.fetching import COPIES, Fetching, with_parts
from etlrun.reading.inventory import TroublesFound, trouble_in
from etlrun.reading.source import TextSource
from etlrun.runtime.bad_rows import judge_bad_rows, refuse_empty_days
from etlrun.runtime.blame import located
from etlrun.runtime.engine_tasks import EngineTasks, NotStarted, ObjectFetcher
from etlrun.runtime.inputs import Inputs
from etlrun.runtime.kept_parts import KeptParts, UsedParts
from etlrun.runtime.partial_parts import PartialParts, directly, pays, start_duckdb, statement_of
from etlrun.runtime.parts import parts_of
from etlrun.runtime.run_folder import RunFolder
from etlrun.runtime.sources import is_first_run, refuse
from etlrun.spec.project import Use
from etlrun.spec.urls import is_url
from etlrun.storage.staging_area import StagingArea
from etlrun.storage.stores import open_stores
from etlrun.tracing import span
from etlrun.warehouse.opening import database_reader, filled
from etlrun.working import Reporter, work

Result = TypeVar("Result")
Found = tuple[ReadResult, Inventory]


@dataclass(frozen=True)
class SourceReader:
    """Reads the sources of a run into its folder; `session` is the engine session whose tasks may read.

    Where parts are kept, or tasks read, the files of a source in `aggregations` are aggregated one by one.
    """

    plan: Plan
    inputs: Inputs
    folder: RunFolder
    reporter: Reporter
    session: Callable[[], EngineSession]
    aggregations: Mapping[str, FileAggregation] = field(default_factory=dict)
    area: StagingArea | None = None  # where tasks write, if they do not share a disk with this machine

    @property
    def checked(self) -> Checked:
        return self.plan.checked

    def read_all(self, names: Iterable[str]) -> dict[str, ReadResult]:
        """Read the sources in `names`. Raises RunFailure for unreadable files, and for more broken records than allowed."""
        return {name: self.read(name) for name in names}

    def read(self, name: str) -> ReadResult:
        """The rows of one source. Raises RunFailure."""
        use = self.checked.pipeline.sources[name]
        try:
            with span(f"read {name}", {"etlrun.source": name, "etlrun.source.kind": use.kind}) as reading:
                found, inventory = self._in_tasks(name, use) or self._here(name, use)
                self.inputs.keep_digests(inventory, found.digests)
                if found.rows is not None:
                    reading.attributes["etlrun.rows"] = found.rows
            for notice in found.notices:
                self.reporter.warn(notice)
            if isinstance(use.value, TextSource):
                head = partial(self._head, name, inventory)
                judge_bad_rows(name, use.value, found, head, self.folder, self.reporter)
                refuse_empty_days(name, found, inventory)
                shutil.rmtree(self.folder.sources(name) / COPIES, ignore_errors=True)
        except TroublesFound as error:
            refuse(self.checked, [(name, trouble) for trouble in error.troubles])
            raise
        except NotStarted as trouble:
            raise trouble.failure from trouble.failure.__cause__
        except RunFailure as failure:
            raise located(self.checked, use.where, failure) from failure.__cause__
        return found

    def _in_tasks(self, name: str, use: Use) -> Found | None:
        """Read a text source in tasks of the engine; None if this process should read it."""
        control = Control()
        tasks = self._tasks(name, control)
        if tasks is None or not isinstance(use.value, TextSource) or not self.inputs.inventories[name].files:
            return None
        from etlrun.reading.task_reader import TaskReader  # most runs read on this machine

        source, memory = use.value, tasks.settings.memory

        def read(parts: UsedParts | None, by_file: FileAggregation | None, run: RunTasks) -> Found:
            request = self._request(name, use, self.inputs.inventories[name], parts, control)
            aggregation = statement_of(by_file) if by_file else None
            reader = TaskReader(request, source, self.checked.columns[name], memory, aggregation)
            found = self._watched(name, lambda: reader.read(run), control)
            return self._with_parts(
                replace(found, is_partial=reader.aggregation is not None), name, parts
            ), reader.inventory()

        def read_all(run: RunTasks) -> Found:
            given = self._parts(name, use), self.aggregations.get(name)
            return self._aggregated(name, *given, None, lambda parts, by_file: read(parts, by_file, run))

        return tasks.attempt(read_all)

    def _tasks(self, name: str, control: Control) -> EngineTasks | None:
        """The tasks of the engine that may read for a source."""
        settings = self.checked.profile.engine.value.tasks(filled)
        folder = self.folder.sources(name)
        return settings and EngineTasks(name, folder, self.checked, settings, self.session, control, self.reporter)

    def _watched(self, name: str, action: Callable[[], Result], control: Control) -> Result:
        """The result of `action`, whose progress is shown, and which a signal stops."""
        return work(action, lambda: self.reporter.progress(f"reading {name}", *control.progress()), control.interrupt)

    def _here(self, name: str, use: Use) -> Found:
        """Read a source in this process; returns the result and the inventory."""
        parts, aggregation = self._parts(name, use), self.aggregations.get(name)
        start = partial(start_duckdb, self.plan, self.folder.path)
        if parts is None and aggregation:
            return self._aggregated(
                name, None, aggregation, start, lambda _, found: self._read_here(name, use, None, found)
            )
        if parts is None or not (aggregation and pays(parts, aggregation, self.inputs.inventories[name].files)):
            return self._read_here(name, use, parts)
        return self._aggregated(name, parts, aggregation, start, lambda given, _: self._read_here(name, use, given))

    def _aggregated(
        self,
        name: str,
        parts: KeptParts | None,
        aggregation: FileAggregation | None,
        start: Callable[[], EngineSession] | None,
        read: Callable[[UsedParts | None, FileAggregation | None], Found],
    ) -> Found:
        """What `read` reads with the parts and the aggregation of a source; without the aggregation if it cannot be computed.

        `start` starts a session that aggregates parts; without it, tasks do.
        """
        if aggregation is None:
            return read(parts, None)
        try:
            with ExitStack() as closing_parts:
                partials: PartialParts | None = None
                if parts is not None:
                    folder = self.folder.work(f"{name}-partial")
                    partials = PartialParts(parts, parts.of(aggregation.sql), aggregation, start, folder)
                    closing_parts.callback(partials.close)
                found, inventory = read(partials, aggregation)
                if partials is not None:
                    partials.verify(inventory)
                return found, inventory
        except FileAggregationFailure:
            shutil.rmtree(self.folder.sources(name), ignore_errors=True)
            self.folder.quarantine(name).unlink(missing_ok=True)
            return read(parts and parts.again(), None)

    def _read_here(
        self,
        name: str,
        use: Use,
        parts: UsedParts | None,
        aggregation: FileAggregation | None = None,
    ) -> Found:
        request = self._fetched(use, self._request(name, use, self.inputs.inventories[name], parts, Control()))
        direct = directly(aggregation, self.plan, self.folder.path) if aggregation else None
        request = replace(request, aggregation=direct)
        self.inputs.keep_digests(request.inventory)
        columns, control = self.checked.columns[name], request.control

        def read() -> ReadResult:
            try:
                read_result: ReadResult = use.value.read(request, columns)
            except RunFailure as failure:
                if is_first_run(self.checked, use, failure):
                    return _no_rows(columns, request.folder)
                raise
            if isinstance(parts, PartialParts) and self.checked.profile.engine.value.dialect != "duckdb":
                return replace(read_result, files=parts.combined(read_result.files))  # Spark is slower
            return read_result

        with ExitStack() as stopping:
            if parts is not None:
                stopping.enter_context(control.following(parts.cancel))
            found = self._watched(name, read, control)
        found = replace(found, is_partial=found.is_partial or isinstance(parts, PartialParts))
        return self._with_parts(found, name, parts), request.inventory

    def _fetched(self, use: Use, request: ReadRequest) -> ReadRequest:
        """The request with kept parts or downloaded copies of its objects, unless tasks read them. Raises RunFailure."""
        name, inventory = request.name, request.inventory
        if request.tasks is not None or not any(is_url(file.at) for file in inventory.files):
            return request
        if request.parts is not None:
            inventory = with_parts(inventory, request.parts, request.folder)
        found = self._watched(name, lambda: request.fetch(inventory), request.control)
        copies = [file for file in found.files if file.copy]
        refuse(self.checked, [(name, trouble) for file in copies for trouble in trouble_in(file, use.value.form)])
        return replace(request, inventory=found)

    def _request(
        self, name: str, use: Use, inventory: Inventory, parts: PartStore | None, control: Control
    ) -> ReadRequest:
        is_text, folder = isinstance(use.value, TextSource), self.folder.sources(name)
        keep = is_text and use.value.bad_rows != "drop"
        stores = open_stores(self.checked.project, self.checked.profile, filled)
        tasks = None if is_text else self._tasks(name, control)
        return ReadRequest(
            name,
            inventory,
            folder,
            self.folder.quarantine(name) if keep else None,
            self.reporter.progress,
            database_reader(self.checked.project, self.checked.profile),
            quarantine_limit=use.value.quarantine_limit if is_text else 0,
            parts=parts,
            stores=stores,
            unread=self.plan.unread.get(name, frozenset()),
            control=control,
            fetch=ObjectFetcher(name, folder, stores, control, self.reporter).fetch,
            tasks=tasks,
            area=self.area,
        )

    def _parts(self, name: str, use: Use) -> KeptParts | None:
        """The kept parts of a source from earlier runs, if the profile keeps them."""
        project, columns, inventory = self.checked.project, self.checked.columns[name], self.inputs.inventories[name]
        try:
            return parts_of(project, self.checked.profile.parts, name, use.value, columns, inventory, self.area)
        except OSError as error:
            why = f"({error.strerror}): {error.filename}"
            self.reporter.warn(f"`{name}`: `parts` is not used, and all files are read {why}")
            return None

    def _with_parts(self, found: ReadResult, name: str, parts: UsedParts | None) -> ReadResult:
        """The result with the number of files that earlier runs had read; what was read is saved for later runs."""
        if parts is None:
            return found
        parts.save()
        if parts.trouble:
            why = f"({parts.trouble}): {parts.place}"
            self.reporter.warn(f"`{name}`: the rows that were read cannot be kept for later runs {why}")
        return replace(found, cached=parts.used)

    def _head(self, name: str, inventory: Inventory, path: str) -> bytes:
        """The first bytes of a file's text; an object is downloaded if necessary."""
        file = next((file for file in inventory.files if file.path == path), None)
        if file is not None and is_url(file.at):
            stores = open_stores(self.checked.project, self.checked.profile, filled)
            folder = self.folder.sources(name) / "head" / COPIES
            (file,) = Fetching(Inventory((replace(file, part=None),)), folder, stores).fetch().files
        return b"" if file is None else first_bytes(file)


def _no_rows(columns: Columns, folder: Path) -> ReadResult:
    """The empty result for a table before its first publish."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.parquet"
    write_parquet(path, columns, ())
    return ReadResult((ParquetFiles((str(path),)),), 0)
