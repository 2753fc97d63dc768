"""Whether a file is on a network file system, where SQLite's locks and its shared memory cannot be relied on."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

MOUNTS = Path("/proc/self/mounts")
NETWORK = (
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "glusterfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
    "vboxsf",
)
OVER_FUSE = (
    "blobfuse",
    "blobfuse2",
    "ceph-fuse",
    "gcsfuse",
    "glusterfs",
    "juicefs",
    "mountpoint-s3",
    "rclone",
    "s3fs",
    "sshfs",
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_file_system(path: Path) -> str:
    """The type of the network file system of `path`, such as `nfs4`; `""` if it is local or unknown."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return file_system_in(mounts, path.resolve())


def file_system_in(mounts: str, path: PurePath) -> str:
    """The same, from the text of a mount table: the mount nearest above `path`; of several at one place, the last."""
    nearest, kind = -1, ""
    for line in mounts.splitlines():
        _, place, found, *_ = (*line.split(" "), "", "", "")
        folder = PurePath(_ESCAPED.sub(lambda digits: chr(int(digits[1], 8)), place))
        if place and path.is_relative_to(folder) and len(folder.parts) >= nearest:
            nearest, kind = len(folder.parts), found
    over_fuse = kind.removeprefix("fuse.")
    return kind if kind in NETWORK or (kind != over_fuse and over_fuse in OVER_FUSE) else ""
