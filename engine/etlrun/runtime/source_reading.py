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
from etlrun.contracts.engine import EngineSession, ParquetFiles, StatementError, TaskSettings
from etlrun.contracts.row_aggregation import FileAggregationFailure
from etlrun.contracts.source import Control, Inventory, PartStore, ReadRequest, ReadResult
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.language.arrow import write_parquet
from etlrun.language.columns import Columns
from etlrun.reading.explaining import first_bytes
from etlrun.reading.fetching import COPIES, Fetching, with_parts
from etlrun.reading.inventory import trouble_in
from etlrun.reading.source import TextSource
from etlrun.runtime.bad_rows import judge_bad_rows, refuse_empty_days
from etlrun.runtime.blame import blame_source, located
from etlrun.runtime.inputs import Inputs
from etlrun.runtime.partial_parts import PartialParts, partials_of, pays, start_duckdb, statement_of
from etlrun.runtime.parts import SourceParts, parts_of
from etlrun.runtime.run_folder import RunFolder
from etlrun.runtime.sources import is_first_run, refuse
from etlrun.spec.project import Use
from etlrun.spec.urls import is_url
from etlrun.storage.stores import Stores, open_stores
from etlrun.tracing import span
from etlrun.warehouse.opening import database_reader, filled
from etlrun.working import Reporter, work

Result = TypeVar("Result")
Found = tuple[ReadResult, Inventory]
CANNOT_READ = ("worker-mismatch", "not-shared", "missing-variable")  # of tasks


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

    @property
    def checked(self) -> Checked:
        return self.plan.checked

    def read_all(self, names: Iterable[str]) -> dict[str, ReadResult]:
        """Read the sources in `names`. Raises RunFailure for unreadable files, and for more broken records than allowed."""
        return {name: self.read(name) for name in names}

    def read(self, name: str) -> ReadResult:
        """The rows of one source. Raises RunFailure."""
        use = self.checked.pipeline.sources[name]
        tasks = self._tasks(name, use)
        try:
            with span(f"read {name}", {"etlrun.source": name, "etlrun.source.kind": use.kind}) as reading:
                found, inventory = (tasks and self._in_tasks(name, use, *tasks)) or self._here(name, use)
                self.inputs.keep_digests(inventory)
                if found.rows is not None:
                    reading.attributes["etlrun.rows"] = found.rows
            for notice in found.notices:
                self.reporter.warn(notice)
            if isinstance(use.value, TextSource):
                head = partial(self._head, name, inventory)
                judge_bad_rows(name, use.value, found, head, self.folder, self.reporter)
                refuse_empty_days(name, found, inventory)
                shutil.rmtree(self.folder.sources(name) / COPIES, ignore_errors=True)
        except RunFailure as failure:
            raise located(self.checked, use.where, failure) from failure.__cause__
        return found

    def _tasks(self, name: str, use: Use) -> tuple[EngineSession, TextSource, TaskSettings] | None:
        """The means to read a source in tasks of the engine; None if this process should read it. Raises RunFailure if the engine does not start."""
        if not isinstance(use.value, TextSource) or not self.inputs.inventories[name].files:
            return None
        settings = self.checked.profile.engine.value.tasks(filled)
        return settings and (self.session(), use.value, settings)

    def _in_tasks(
        self, name: str, use: Use, session: EngineSession, source: TextSource, settings: TaskSettings
    ) -> tuple[ReadResult, Inventory] | None:
        """Read a source in tasks of the engine; returns the result and the inventory, or None if tasks cannot read it and are not required."""
        return self._trying(name, settings, lambda: self._read_in_tasks(name, use, session, source, settings))

    def _trying(self, name: str, settings: TaskSettings, action: Callable[[], Result]) -> Result | None:
        """What `action` returns; None if tasks cannot read the source and are not required. Raises RunFailure."""
        try:
            return action()
        except StatementError as error:
            raise blame_source(self.checked, error) from error
        except RunFailure as failure:
            if failure.code not in CANNOT_READ or not settings.is_optional:
                raise
            self.reporter.warn(f"`{name}` is read on this machine: {failure.message}")
            shutil.rmtree(self.folder.sources(name), ignore_errors=True)  # a task may still write there
            return None

    def _read_in_tasks(
        self, name: str, use: Use, session: EngineSession, source: TextSource, settings: TaskSettings
    ) -> tuple[ReadResult, Inventory]:
        from etlrun.reading.task_reader import TaskReader, TroublesInTasks  # most runs read on this machine

        def read(parts: SourceParts | PartialParts | None, by_file: FileAggregation | None) -> Found:
            request = self._request(name, use, self.inputs.inventories[name], parts)
            aggregation = statement_of(by_file) if by_file else None
            reader = TaskReader(request, source, self.checked.columns[name], settings.memory, aggregation)
            found = work(
                lambda: reader.read(session.run_tasks),
                lambda: self.reporter.progress(f"reading {name}", *session.progress()),
                session.cancel,
            )
            found = replace(found, is_partial=by_file is not None)
            return self._with_parts(found, name, parts), reader.inventory()

        try:
            return self._aggregated(name, self._parts(name, use), self.aggregations.get(name), read)
        except TroublesInTasks as error:
            refuse(self.checked, [(name, trouble) for trouble in error.troubles])
            raise

    def _here(self, name: str, use: Use) -> Found:
        """Read a source in this process; returns the result and the inventory."""
        parts, aggregation = self._parts(name, use), self.aggregations.get(name)
        if parts is None or not (aggregation and pays(parts, aggregation, self.inputs.inventories[name].files)):
            return self._read_here(name, use, parts)
        return self._aggregated(name, parts, aggregation, lambda given, _: self._read_here(name, use, given))

    def _aggregated(
        self,
        name: str,
        parts: SourceParts | None,
        aggregation: FileAggregation | None,
        read: Callable[[SourceParts | PartialParts | None, FileAggregation | None], Found],
    ) -> Found:
        """What `read` reads with the parts and the aggregation of a source; without the aggregation if it cannot be computed."""
        if aggregation is None:
            return read(parts, None)
        start = partial(start_duckdb, self.plan, self.folder.path)
        try:
            with ExitStack() as closing_parts:
                partials: PartialParts | None = None
                if parts is not None:
                    folder = self.folder.work(f"{name}-partial")
                    partials = PartialParts(parts, partials_of(parts, aggregation), aggregation, start, folder)
                    closing_parts.callback(partials.close)
                found, inventory = read(partials, aggregation)
                if partials is not None:
                    partials.verify(inventory)
                return found, inventory
        except FileAggregationFailure:
            shutil.rmtree(self.folder.sources(name), ignore_errors=True)
            self.folder.quarantine(name).unlink(missing_ok=True)
            return read(parts and replace(parts, used=0), None)

    def _read_here(self, name: str, use: Use, parts: SourceParts | PartialParts | None) -> tuple[ReadResult, Inventory]:
        inventory = self._fetched(name, use, parts)
        self.inputs.keep_digests(inventory)
        request = self._request(name, use, inventory, parts)
        columns = self.checked.columns[name]

        def look() -> None:
            percent = request.control.percent()
            self.reporter.progress(f"reading {name}", max(0, int(percent)), 100 if percent >= 0 else 0)

        def read() -> ReadResult:
            try:
                read_result: ReadResult = use.value.read(request, columns)
            except RunFailure as failure:
                if is_first_run(self.checked, use, failure):
                    return _no_rows(columns, request.folder)
                raise
            return read_result

        def stop() -> None:
            request.control.interrupt()
            if parts is not None:
                parts.cancel()

        found = replace(work(read, look, stop), is_partial=isinstance(parts, PartialParts))
        return self._with_parts(found, name, parts), inventory

    def _fetched(self, name: str, use: Use, parts: PartStore | None) -> Inventory:
        """The inventory of a source, with kept parts or downloaded copies of objects. Raises RunFailure."""
        inventory = self.inputs.inventories[name]
        if not any(is_url(file.at) for file in inventory.files):
            return inventory
        folder = self.folder.sources(name)
        if parts is not None:
            inventory = with_parts(inventory, parts, folder)
        stores = open_stores(self.checked.project, self.checked.profile, filled)
        fetching = Fetching(inventory, folder / COPIES, stores)
        if not fetching.files:
            return inventory
        objects = counted(len(fetching.files), "object")
        self.reporter.say(f"fetching {objects} of {name}, {fetching.size / 1e6:,.1f} MB")

        def look() -> None:
            self.reporter.progress(f"fetching {name}", fetching.done * 100 // fetching.size, 100)

        found = self._fetched_in_tasks(name, use, inventory, stores) or work(fetching.fetch, look, fetching.stopped.set)
        copies = [file for file in found.files if file.part is None]
        refuse(self.checked, [(name, trouble) for file in copies for trouble in trouble_in(file, use.value.form)])
        return found

    def _fetched_in_tasks(self, name: str, use: Use, inventory: Inventory, stores: Stores) -> Inventory | None:
        """The inventory of a Parquet source whose objects tasks of the engine download; None if this process should. Raises RunFailure."""
        if self.checked.profile.engine.value.tasks(filled) is None or isinstance(use.value, TextSource):
            return None
        session, control = self.session(), Control()

        def look() -> None:
            self.reporter.progress(f"fetching {name}", *session.progress())

        return work(lambda: self._fetch(name, use, stores, control, inventory), look, control.interrupt)

    def _fetch(self, name: str, use: Use, stores: Stores, control: Control, inventory: Inventory) -> Inventory | None:
        """The inventory with the copies that tasks of the engine downloaded; None if this process should. Raises RunFailure."""
        settings = self.checked.profile.engine.value.tasks(filled)
        if settings is None or not any(is_url(file.at) for file in inventory.files):
            return None
        from etlrun.reading.fetch_job import fetch_in_tasks  # most runs read on this machine

        session, folder = self.session(), self.folder.sources(name) / "fetched"
        control.follow_tasks(session.cancel)
        fetch = partial(fetch_in_tasks, inventory, use.value, folder, stores, session.run_tasks)
        return self._trying(name, settings, fetch)

    def _request(self, name: str, use: Use, inventory: Inventory, parts: PartStore | None) -> ReadRequest:
        keep = isinstance(use.value, TextSource) and use.value.bad_rows != "drop"
        stores, control = open_stores(self.checked.project, self.checked.profile, filled), Control()
        return ReadRequest(
            name,
            inventory,
            self.folder.sources(name),
            self.folder.quarantine(name) if keep else None,
            self.reporter.progress,
            database_reader(self.checked.project, self.checked.profile),
            quarantine_limit=use.value.quarantine_limit if isinstance(use.value, TextSource) else 0,
            parts=parts,
            stores=stores,
            unread=self.plan.unread.get(name, frozenset()),
            control=control,
            fetch=partial(self._fetch, name, use, stores, control),
        )

    def _parts(self, name: str, use: Use) -> SourceParts | None:
        """The kept parts of a source from earlier runs, if the profile keeps them."""
        project, columns, inventory = self.checked.project, self.checked.columns[name], self.inputs.inventories[name]
        try:
            return parts_of(project, self.checked.profile.parts, name, use.value, columns, inventory)
        except OSError as error:
            why = f"({error.strerror}): {error.filename}"
            self.reporter.warn(f"`{name}`: `parts` is not used, and all files are read {why}")
            return None

    def _with_parts(self, found: ReadResult, name: str, parts: SourceParts | PartialParts | None) -> ReadResult:
        """The result with the number of files that earlier runs had read."""
        if parts is None:
            return found
        if parts.trouble:
            why = f"({parts.trouble}): {parts.folder}"
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
