"""An open object store: lists, downloads and writes objects. Every failure explains the answer of the store."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.spec.urls import Url

if TYPE_CHECKING:
    import pyarrow.fs

CHUNK = 1 << 23
FOOTER = 1 << 16  # bytes at the end of a Parquet file, in which most footers fit
YOUNG = 5.0  # seconds: a store rounds times to seconds, so such a new object can change without a new time


class StoreError(Exception):
    """A failure of a store: a code of `etlrun.codes`, what is wrong, and what to do."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.code = code
        self.fix = fix


@dataclass(frozen=True)
class StoredObject:
    """An object, or with a negative size the folder of several: its URL, its size in bytes, and when it was written, in ns since 1970."""

    url: Url
    size: int
    modified: int

    @property
    def is_folder(self) -> bool:
        return self.size < 0


@dataclass(frozen=True)
class ObjectStore:
    """The objects in the bucket or container of a URL, through a file system of pyarrow."""

    files: pyarrow.fs.FileSystem
    container: str

    def names_in(self, folder: Url) -> list[StoredObject]:
        """The objects and folders directly in a folder; empty if it does not exist. One request per 1,000 of them. Raises StoreError."""
        from pyarrow.fs import FileSelector

        if self.files.type_name == "gcs":
            return self._first_names(folder)
        return self._listed(folder, FileSelector(self._place(folder), allow_not_found=True))

    def _first_names(self, folder: Url) -> list[StoredObject]:
        """The result of `names_in`, from everything below, if pyarrow lists only folders that are objects themselves."""
        found: dict[str, StoredObject] = {}
        for one in self.all_below(folder):
            name, *rest = one.url.parts[len(folder.parts) :]
            found.setdefault(name, StoredObject(folder / name, -1, 0) if rest else one)
        return [found[name] for name in sorted(found)]

    def all_below(self, folder: Url) -> list[StoredObject]:
        """The objects below a folder at any depth; empty if it does not exist. One request per 1,000 of them. Raises StoreError."""
        from pyarrow.fs import FileSelector

        below = FileSelector(self._place(folder), allow_not_found=True, recursive=True)
        return [found for found in self._listed(folder, below) if not found.is_folder]

    def has(self, url: Url) -> bool:
        """Whether there is an object or a folder at a URL. Raises StoreError."""
        from pyarrow.fs import FileType

        with _translated(url):
            is_there: bool = self.files.get_file_info(self._place(url)).type != FileType.NotFound
        return is_there

    def size(self, url: Url) -> int | None:
        """The size of an object in bytes; None if it does not exist. Raises StoreError."""
        with _translated(url):
            size: int | None = self.files.get_file_info(self._place(url)).size
        return size

    def size_and_tag(self, url: Url) -> tuple[int, str]:
        """The size of an object in bytes, and the store's tag for this version of its bytes; empty if it has none. Raises StoreError."""
        with _translated(url), self.files.open_input_file(self._place(url)) as file:
            return int(file.size()), _tag(file).decode()

    def refuse_missing(self, folder: Url) -> None:
        """Raises StoreError if the bucket or container of a URL does not exist, but not if asking for it is forbidden."""
        from pyarrow.fs import FileType

        try:
            with _translated(folder):
                is_there = self.files.get_file_info(self.container).type != FileType.NotFound
        except StoreError:  # an account that may only list below a prefix cannot ask for the bucket
            return
        if not is_there:
            fix = "correct the URL, or create the bucket; see `endpoint` and `region` under `storage:` in etlrun.yaml"
            raise StoreError("missing-bucket", f"{folder}: there is no bucket or container `{folder.authority}`", fix)

    def footer(self, url: Url, size: int | None = None) -> bytes:
        """The end of a Parquet file, which pyarrow reads like the whole file, except the rows; of any other object its last bytes.

        Raises StoreError, also if the object does not have the `size` with which it was listed.
        """
        with _translated(url), self.files.open_input_file(self._place(url)) as file:
            found = file.size()
            if size not in (None, found):
                raise changed_object(url)
            end: bytes = file.read_at(min(found, FOOTER), max(0, found - FOOTER))
            length = int.from_bytes(end[-8:-4], "little") + 8
            if end.endswith(b"PAR1") and len(end) < length <= found:
                end = file.read_at(length, found - length)
        return end

    def head(self, url: Url, length: int) -> bytes:
        """The first bytes of an object. Raises StoreError."""
        with _translated(url), self.files.open_input_file(self._place(url)) as file:
            head: bytes = file.read_at(length, 0)
        return head

    def fetch(self, found: StoredObject, path: Path, *, goes_on: Callable[[int], bool]) -> str:
        """Download an object into the new file `path`; returns the SHA-256 of its bytes.

        `goes_on` is called for each piece, and returns whether to continue. Raises StoreError, also if the object has changed since it was listed.
        """
        began, digest, size = time.time(), hashlib.sha256(), 0
        with _translated(found.url), self._opened(found.url) as stream, path.open("xb") as file:
            tag = _tag(stream)
            while chunk := stream.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if not goes_on(len(chunk)):
                    return ""
        if size != found.size:
            raise changed_object(found.url)
        if began - found.modified / 1e9 < YOUNG:
            with _translated(found.url), self._opened(found.url) as stream:
                if _tag(stream) != tag:
                    raise changed_object(found.url)
        return digest.hexdigest()

    def copy_columns(self, url: Url, columns: Collection[str], path: Path) -> bool:
        """Write some columns of a Parquet object into the new file `path`, without a download of the others; returns whether it has any of them.

        Raises StoreError.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        wanted = {name.lower() for name in columns}
        with _translated(url), pq.ParquetFile(self.files.open_input_file(self._place(url)), pre_buffer=True) as source:
            names = [name for name in source.schema_arrow.names if name.lower() in wanted]
            if not names:
                return False
            schema = pa.schema([source.schema_arrow.field(name) for name in names])
            with pq.ParquetWriter(path, schema) as target:
                for batch in source.iter_batches(columns=names):
                    target.write_batch(batch)
        return True

    def put(self, path: Path, url: Url) -> int:
        """Upload a file; returns the size. After a failure an incomplete object may stay, but its name is new. Raises StoreError."""
        size = 0
        with path.open("rb") as file, _translated(url), self._created(url) as stream:
            while chunk := file.read(CHUNK):
                stream.write(chunk)
                size += len(chunk)
        return size

    def write(self, url: Url, content: bytes) -> None:
        """Write a small object atomically: a reader sees the old object, or the complete new one. Raises StoreError."""
        with _translated(url), self._created(url) as stream:
            stream.write(content)

    def read(self, url: Url) -> bytes | None:
        """The bytes of a small object; None if it does not exist. Raises StoreError."""
        try:
            with _translated(url), self._opened(url) as stream:
                content: bytes = stream.read()
        except StoreError as error:
            if error.code == "missing-file":
                return None
            raise
        return content

    def is_alike(self, other: ObjectStore) -> bool:
        """Whether another bucket is on the same server, with the same account and region: then the server copies between them."""
        return bool(self.files == other.files)

    def copy(self, source: Url, target: Url, origin: ObjectStore | None = None) -> None:
        """Let the store copy an object atomically: a reader of `target` sees the old object, or the complete new one.

        `origin` is the store of `source` if that is another bucket. Raises StoreError.
        """
        with _translated(target):
            self.files.copy_file((origin or self)._place(source), self._place(target))

    def delete_below(self, folder: Url) -> None:
        """Delete the objects below a folder, which may not exist. Raises StoreError."""
        with _may_be_gone(folder):
            self.files.delete_dir(self._place(folder))

    def delete(self, url: Url) -> None:
        """Delete one object, which may already be gone. Raises StoreError."""
        with _may_be_gone(url):
            self.files.delete_file(self._place(url))

    def _created(self, url: Url) -> pyarrow.NativeFile:
        return self.files.open_output_stream(self._place(url), compression=None)

    def _opened(self, url: Url) -> pyarrow.NativeFile:
        return self.files.open_input_stream(self._place(url), compression=None)

    def _place(self, url: Url) -> str:
        return f"{self.container}/{url.key}" if url.key else self.container

    def _listed(self, folder: Url, selector: pyarrow.fs.FileSelector) -> list[StoredObject]:
        from pyarrow.fs import FileType

        with _translated(folder):
            found = self.files.get_file_info(selector)
        start = len(self.container) + 1
        listed = (
            StoredObject(
                Url(folder.scheme, folder.authority, info.path[start:]),
                info.size if info.type == FileType.File else -1,
                info.mtime_ns or 0,
            )
            for info in found
        )
        return sorted(listed, key=lambda one: one.url.key)


def changed_object(url: Url) -> StoreError:
    """The failure of an object that has changed since it was listed."""
    return StoreError(
        "changed-file",
        f"{url}: the object changed while the run read it, so it is not known which rows were read",
        "wait until the object is complete, then run again",
    )


def _tag(stream: pyarrow.NativeFile) -> bytes:
    """The store's tag for this version of an object's bytes; empty if it has none."""
    found = {name.lower(): value for name, value in (stream.metadata() or {}).items()}
    tag: bytes = found.get(b"etag") or found.get("etag") or b""
    return tag


_REFUSED = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "INVALID_CLIENT_TOKEN_ID",
    "INVALID_SIGNATURE",
    "SIGNATURE_DOES_NOT_MATCH",
    "EXPIRED_TOKEN",
    "PERMISSION_DENIED",
    "the necessary privileges",
    "valid authentication credentials",
    "UNAUTHENTICATED",
    "AuthorizationFailure",
    "Invalid Access Key",
    "Base64 encoded string",  # an account key that is none
    "AuthenticationFailed",
    "AuthorizationPermissionMismatch",
    "status 401",
    "status 403",
    "401 ",
    "403 ",
)
_ELSEWHERE = ("PERMANENT_REDIRECT", "PermanentRedirect", "status 301", "AuthorizationHeaderMalformed")
_NO_BUCKET = ("NO_SUCH_BUCKET", "NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")


@contextmanager
def _translated(url: Url) -> Iterator[None]:
    """In this block, errors of pyarrow become StoreError about `url`, with pyarrow's text in parentheses at the end."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        fix = "find the program that deletes objects there while runs read them"
        raise StoreError("missing-file", f"{url}: the object no longer exists", fix) from error
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # of the disk of this machine
        raise explained(url, str(error)) from error


@contextmanager
def _may_be_gone(url: Url) -> Iterator[None]:
    """The same, and what no longer exists is no error."""
    try:
        with _translated(url):
            yield
    except StoreError as error:
        if error.code != "missing-file":
            raise


def explained(url: Url, error_text: str) -> StoreError:
    """What an error of a store means, from the library's text. The part after a `?` may be a signature and is not shown."""
    place = f"{url.scheme}://{url.authority}"
    error_text = re.sub(r"\?[^\s'\"]+|\x1b\[[0-9;]*m|↳", "", error_text)
    error_text = " ".join(error_text.split())
    answer = error_text.rpartition("AWS Error ")[2][:300]
    if any(sign in error_text for sign in _NO_BUCKET):
        fix = (
            "correct the URL, or create the bucket; the bucket of another account needs its own entry under `storage:`"
        )
        return StoreError("missing-bucket", f"{url}: there is no such bucket or container ({answer})", fix)
    if any(sign in error_text for sign in _ELSEWHERE):
        return StoreError("storage-failed", f"{url}: the bucket is in another region ({answer})", "set its `region`")
    if any(sign in error_text for sign in _REFUSED):
        fix = f"check the credentials that the run uses: `{place}` under `storage:` in etlrun.yaml, otherwise those of the machine"
        return StoreError("storage-refused", f"{url}: the store denies access ({answer})", fix)
    fix = "run again when the store works; see `endpoint` and `region` under `storage:` in etlrun.yaml"
    return StoreError("storage-failed", f"{url}: the store did not answer correctly ({answer})", fix)
