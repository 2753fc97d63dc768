"""A label store on a network file system is found by the table of mounts."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from etlrun.enrich.network_files import file_system_in, network_file_system

TABLE = """\
overlay / overlay rw,relatime 0 0
proc /proc proc rw 0 0
/dev/sda1 /home ext4 rw 0 0
server:/export /home/shared nfs4 rw,vers=4.2 0 0
//host/share /mnt/my\\040files cifs rw 0 0
bucket /mnt/bucket fuse.gcsfuse rw 0 0
/dev/sdb1 /mnt/usb fuse.ntfs-3g rw 0 0
/dev/sdc1 /home/shared/disk ext4 rw 0 0
server:/old /mnt/twice nfs rw 0 0
/dev/sdd1 /mnt/twice xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/shared/project/.etlrun/labels.sqlite", "nfs4"),
        ("/home/shared", "nfs4"),
        ("/home/shared-not/labels.sqlite", ""),
        ("/home/me/labels.sqlite", ""),
        ("/mnt/my files/labels.sqlite", "cifs"),
        ("/mnt/bucket/labels.sqlite", "fuse.gcsfuse"),
        ("/mnt/usb/labels.sqlite", ""),
        ("/home/shared/disk/labels.sqlite", ""),
        ("/mnt/twice/labels.sqlite", ""),
        ("/srv/labels.sqlite", ""),
    ],
)
def test_the_nearest_mount_says_what_holds_a_file(path: str, kind: str) -> None:
    assert file_system_in(TABLE, PurePosixPath(path)) == kind


def test_a_table_that_says_nothing_names_no_network(tmp_path: Path) -> None:
    assert file_system_in("", PurePosixPath("/x")) == file_system_in("nonsense\n", PurePosixPath("/x")) == ""
    assert network_file_system(tmp_path) == ""
