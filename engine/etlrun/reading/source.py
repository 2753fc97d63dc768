"""The keys that all sources of files share: the path and its days, the declared columns, and what to do about missing or broken data."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from etlrun.contracts.source import Source, Wanted, keyed, row_key
from etlrun.language.columns import DATE, NULL, Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading.encodings import Encoding
from etlrun.reading.finding import fixed_part, leads_up
from etlrun.reading.object_finding import OUTSIDE_URLS
from etlrun.reading.records import Field
from etlrun.spec.ages import HOW, read_age
from etlrun.spec.dates import DATE_COLUMN, Dates, DatesError, Days, calendar, check_template, has_placeholder
from etlrun.spec.fields import Described, Label, Percent, Scalar, Size, TypeText, key
from etlrun.spec.paths import OUTSIDE_ROOTS, Places, fix_of_url
from etlrun.spec.scope import Scope
from etlrun.spec.urls import UrlError, is_url, read_url

Absence = Literal["fail", "warn", "skip"] | tuple[Scalar, ...]


@dataclass(frozen=True)
class PartitionColumn(Described):
    """A column whose value is in the name of a folder: its type, and what it means. `not null` after the type refuses folders of null."""

    short: ClassVar[str] = "type"

    type: TypeText = key("the type, such as `bigint` or `string not null`")
    description: str = key("the meaning of the column", default="", example="the shop's name, as printed on the bill")
    tags: tuple[Literal["pii"], ...] = key(
        "`pii` marks personal data. It is never sent to a model, unless `allow_pii` of the step `enrich` names the "
        "column",
        default=(),
        example=("pii",),
    )

    @property
    def is_required(self) -> bool:
        return _NOT_NULL.search(self.type) is not None

    @property
    def type_text(self) -> str:
        return _NOT_NULL.sub("", self.type).strip()


@dataclass(frozen=True)
class DeclaredColumn(PartitionColumn):
    """A column of a file: its type, where it stands, and what it means. `not null` after the type refuses rows without it."""

    path: str = key(
        "the path of the value in a nested record: `device.mac`; default: the name of the column",
        default="",
        example="device.mac",
    )

    def keys(self, name: str) -> tuple[str, ...]:
        """The path of keys to the value inside a record."""
        return tuple(self.path.split(".")) if self.path else (name,)


_NOT_NULL = re.compile(r"(?i)\s+not\s+null\s*\Z")


def tagged_columns(columns: Mapping[str, PartitionColumn]) -> tuple[str, ...]:
    """The names of those that are tagged `pii`."""
    return tuple(name for name, column in columns.items() if column.tags)


@dataclass(frozen=True)
class OptionalColumn(DeclaredColumn):
    """A column that some of the files may lack: its type, where it stands, and what it means. `not null` after the type refuses rows without it."""

    optional: bool = key("`true`: files may lack the column; it is null for them", default=False)

    def verify_optional(self, name: str, scope: Scope) -> None:
        """Report a column that is both optional and `not null`."""
        if self.optional and self.is_required:
            message = f"`{name}` is both `optional` and `not null`"
            fix = "remove one of them: the column is null for files that lack it"
            scope.error(("columns", name), "wrong-value", message, fix)


@dataclass(frozen=True, kw_only=True)
class FileSource(Source):
    """Reads files into a relation with declared columns."""

    form: ClassVar[Literal["text", "parquet"]] = "text"

    path: str = key(
        "the file or folder: relative to the project, below one of the `roots` of `etlrun.yaml`, or a URL in a store, "
        "such as `s3://lake/raw/*.json.gz`. `{date:yyyyMMdd}` is replaced by each day, `*` matches any characters of "
        "one name; all other characters are literal"
    )
    columns: Mapping[str, DeclaredColumn] = key("column: type. The relation has the columns in this order")
    key_: tuple[str, ...] = row_key()
    dates: Dates | None = key(
        "the days to read: every day must have a file. Adds the column `date`",
        default=None,
        example={"months": "2022-04"},
    )
    partitions: Mapping[str, PartitionColumn] = key(
        "column: type, of columns whose values are in the names of folders: `{dt: date}` reads 2024-01-01 from the folder "
        "`dt=2024-01-01`, unescapes `%20`, and takes `__HIVE_DEFAULT_PARTITION__` as null. The relation has these columns "
        "after the declared ones",
        factory=dict,
        example={"dt": "date"},
    )
    missing: Absence = key(
        "a day without a file: `fail` stops the run, `warn` prints a warning, `skip` ignores it; or a list of days that "
        "may be missing",
        default="fail",
    )
    empty: Absence = key(
        "a day with an empty file: `fail` stops the run, `warn` prints a warning, `skip` ignores it; or a list of days "
        "that may be empty",
        default="fail",
    )
    max_age: Label = key(
        "the largest age of the newest file, by its modification time: `24 hours`, `1 day`. The run stops if the file "
        "is older or if there is no file",
        default="",
        example="24 hours",
    )

    def personal(self) -> Iterable[str]:
        return (*tagged_columns(self.columns), *tagged_columns(self.partitions))

    def output(self, scope: Scope) -> Columns:
        items: list[Column] = []
        known: dict[str, Column] = {}  # in lower case; a `Columns` is copied for each column that it gets
        for name, declared in self.columns.items():
            at = ("columns", name)
            same = known.get(name.lower())
            scope.new_column(Columns((same,) if same else ()), name, at, is_key=True)
            place = at if isinstance(scope.written(at), str) else (*at, "type")
            kind = scope.type(declared.type_text, place)
            if kind != NULL:
                self.verify_type(name, declared, Column(name, kind), scope)
            items.append(Column(name, kind, not declared.is_required, declared.description))
            known[name.lower()] = items[-1]
        items.extend(self._partition_columns(items, scope))
        days = self._calendar(scope)
        if self.dates is not None:
            if any(item.name.lower() == DATE_COLUMN for item in items):
                scope.error_at_key(
                    ("columns" if DATE_COLUMN in self.columns else "partitions", DATE_COLUMN),
                    "column-exists",
                    "`dates` adds the column `date`",
                    "rename the declared column",
                )
            items.append(Column(DATE_COLUMN, DATE, nullable=False, domain=tuple(str(day) for day in days) or None))
        self._check_absences(scope)
        if self.max_age and read_age(self.max_age) is None:
            scope.error("max_age", "wrong-value", f"`{self.max_age}` is not an age", HOW)
        self._check_place(scope)
        return keyed(Columns(tuple(items)), self.key_, scope)

    def depends_on_time(self) -> bool:
        return bool(self.max_age)

    def wanted(self, places: Places) -> Wanted:
        """The files that this source reads; `places` are the folders where they may be."""
        absences = (self.allowed(self.missing), self.allowed(self.empty))
        return Wanted(places, self.path, self.days(), *absences, self.form, self._folder_columns())

    def _folder_columns(self) -> tuple[Column, ...]:
        """The columns of `partitions`, which the checker has accepted."""
        return tuple(
            Column(name, parse_type(declared.type_text), not declared.is_required)
            for name, declared in self.partitions.items()
        )

    def _partition_columns(self, others: Sequence[Column], scope: Scope) -> Iterator[Column]:
        found = tuple(others)
        for name, declared in self.partitions.items():
            at = ("partitions", name)
            scope.new_column(Columns(found), name, at, is_key=True)
            kind = scope.type(declared.type_text, at if isinstance(scope.written(at), str) else (*at, "type"))
            if kind.is_nested or kind.name == "binary":
                scope.error(
                    at, "type-mismatch", f"a folder name cannot be read as {kind}", "declare a type such as string"
                )
            found = (*found, Column(name, kind, not declared.is_required, declared.description))
        return iter(found[len(others) :])

    def verify_type(self, name: str, declared: DeclaredColumn, column: Column, scope: Scope) -> None:
        """Report a type that files of this kind cannot contain."""

    def days(self) -> tuple[datetime.date, ...]:
        return calendar(self.dates) if self.dates is not None else ()

    def allowed(self, absence: Absence) -> Days:
        """The days that `missing` or `empty` accepts."""
        if isinstance(absence, str):
            return (
                Days(absence != "fail")
                if absence in ("fail", "warn", "skip")
                else Days(False, frozenset({_day(absence)}))
            )
        return Days(False, frozenset(_day(text) for text in absence))

    def _calendar(self, scope: Scope) -> tuple[datetime.date, ...]:
        try:
            if self.dates is not None and has_placeholder(self.path):
                check_template(self.path)
            if self.dates is not None and not has_placeholder(self.path) and "{date}" not in self.path:
                scope.error(
                    "path", "wrong-value", "the path has no placeholder for the day", "put `{date:yyyyMMdd}` into it"
                )
            if self.dates is None and has_placeholder(self.path):
                scope.error(
                    "path",
                    "missing-key",
                    "the path has a placeholder for the day, but `dates` is missing",
                    "add the days: `dates: 2022-04`",
                )
        except DatesError as error:
            scope.error("path", "wrong-value", str(error), error.fix)
        try:
            return self.days()
        except DatesError as error:
            scope.error(("dates", *error.at), "wrong-value", str(error), error.fix)
            return ()

    def _check_place(self, scope: Scope) -> None:
        if "{date}" in self.path:
            fix = "add the format of the day: `{date:yyyy-MM-dd}` or `{date:yyyyMMdd}`"
            scope.error("path", "wrong-value", "`{date}` has no format", fix)
            return
        other = re.search(r"\{([A-Za-z_]+)\}", self.path)
        if other is not None:
            fix = f"write `${other[1]}` for a param, or `{{date:yyyy-MM}}` for a part of a day"
            scope.error("path", "wrong-value", f"`{other[0]}` in the path has no value", fix)
            return
        if any(character < " " for character in self.path):
            fix = "write `/` between folders: in double quotes `\\n` is a line break and `\\t` a tab"
            scope.error("path", "wrong-value", "the path has a line break, a tab or another control character", fix)
            return
        if is_url(self.path):
            verify_url(self.path, scope)
            return
        start = fixed_part(self.path)
        if leads_up(self.path):
            scope.error(
                "path", "path-outside", "`..` is not allowed after a `*` or a day", "write the path without `..`"
            )
        elif not scope.places.holds(start):
            scope.error("path", "path-outside", OUTSIDE_ROOTS, scope.places.fix(start))

    def _check_absences(self, scope: Scope) -> None:
        for name, absence in (("missing", self.missing), ("empty", self.empty)):
            try:
                self.allowed(absence)
            except ValueError:
                fix = "write `fail`, `warn`, `skip` or days such as `[2022-04-30]`"
                scope.error(name, "wrong-value", f"`{name}` has no days here", fix)


def verify_url(path: str, scope: Scope) -> None:
    """Report to `scope` a `path` that is not a URL of a store from which the project reads."""
    try:
        whole, start = read_url(path), read_url(fixed_part(path))
    except UrlError as error:
        scope.error("path", "wrong-value", str(error), error.fix)
        return
    if not scope.places.holds_url(start):
        folder = start.parent if start == whole and not path.endswith("/") else start
        scope.error("path", "path-outside", OUTSIDE_URLS, fix_of_url(folder))


@dataclass(frozen=True, kw_only=True)
class TextSource(FileSource):
    """Reads text files, in which a record can be broken."""

    bad_rows: Literal["fail", "drop", "quarantine"] = key(
        "a broken record: `fail` stops the run, `drop` only counts it, `quarantine` writes it to a file in the run's "
        "folder",
        default="quarantine",
    )
    max_bad_rows: Percent = key("the run stops if the share of broken records is larger", default=Percent(0.01))
    quarantine_limit: Size = key(
        "the largest size of the quarantine file; more broken records are only counted", default=Size(100_000_000)
    )
    encoding: Encoding = key(
        "the encoding of the text; `iso-8859-1` is Latin-1. A record with a character that cannot be decoded is broken",
        default="utf-8",
    )

    def wanted(self, places: Places) -> Wanted:
        return replace(super().wanted(places), encoding=self.encoding)

    def is_cut(self) -> bool:
        """Whether every line of its files is a record, so that several tasks can read one file."""
        return False

    def explain(self, head: bytes) -> tuple[str, str] | None:
        """Explain, from its first bytes, what a file with many broken records really contains, and what to do."""
        return None


def _day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def declared_fields(source: TextSource, columns: Columns, record: tuple[str, ...] = ()) -> tuple[Field, ...]:
    """The declared columns of a text source, each with the path of keys to its value below `record`."""
    found = []
    for name, declared in source.columns.items():
        column = columns.get(name)
        assert column is not None
        found.append(Field(name, (*record, *declared.keys(name)), column.type, declared.is_required))
    return tuple(found)
