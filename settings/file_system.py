"""Which kind of file system holds a path, as far as other machines may see the same files there.

SQLite's log needs one kernel under all its users: they share memory (-shm) and tell each other by locks, and who finds
neither takes the log for left over and removes it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

#: statfs(2)'s f_type of file systems that several machines see: linux/magic.h, and the headers of those outside of it.
NETWORK_KINDS = {
    0x6969: "NFS", 0x0BD00BD0: "Lustre", 0x47504653: "GPFS", 0xFF534D42: "CIFS", 0xFE534D42: "SMB2", 0x517B: "SMB",
    0x65735546: "FUSE", 0x00C36400: "Ceph", 0x5346414F: "AFS", 0x6B414653: "AFS", 0x01021997: "9p",
    0x19830326: "BeeGFS", 0x7461636F: "OCFS2", 0x01161970: "GFS2", 0xAAD7AAEA: "PanFS", 0x20030528: "OrangeFS",
    0x73757245: "Coda", 0x564C: "NCP", 0xBEEFDEAD: "StorNext", 0x61636673: "ACFS", 0x013111A8: "IBRIX",
    0xA501FCF5: "VxFS",
    0x786F4256: "VirtualBox's shared folder", 0xBACBACBC: "VMware's shared folder",
    0x7C7C6673: "Parallels' shared folder",
}  # fmt: skip

#: What is FUSE and of one machine: file systems on a disk of its own (ntfs-3g, exfat), and a container's root.
_LOCAL_FUSE = ("fuseblk", "fuse.fuse-overlayfs")

_FUSE = "FUSE"
_MOUNTS = Path("/proc/self/mountinfo")

#: More than any Linux's struct statfs; f_type comes first.
_STATFS_BYTES = 256


def network_kind(path: Path) -> str | None:
    """Name of the kind, where other machines may see the same files; None where not, or where that cannot be told.

    Of the nearest folder above where there is nothing at `path` yet. Linux only.
    """
    place = path
    while not os.access(place, os.F_OK) and place != place.parent:
        place = place.parent
    number = _statfs_type(place)
    if number is None or number not in NETWORK_KINDS:
        return None
    return kind_named(number, _mounted_as(place) if NETWORK_KINDS[number] == _FUSE else None)


def keeps_file_numbers(path: Path) -> bool:
    """Whether a file has one inode number for as long as it is there. Many a FUSE program numbers a file anew when it
    was not asked for it for a while."""
    kind = network_kind(path)
    return kind is None or not kind.startswith(_FUSE)


def kind_named(number: int, mounted_as: str | None = None) -> str | None:
    """As `network_kind`, for an f_type. mounted_as: of a FUSE, its type in mountinfo, which names a program."""
    kind = NETWORK_KINDS.get(number)
    if kind != _FUSE or mounted_as is None:
        return kind
    if mounted_as in _LOCAL_FUSE:
        return None
    program = mounted_as.removeprefix("fuse").removeprefix(".")
    return f"{kind}, {program}" if program else kind


def _statfs_type(place: Path) -> int | None:
    """Python tells all that statvfs(3) does, which has no f_type."""
    if not sys.platform.startswith("linux") or sys.byteorder != "little":
        return None
    found = ctypes.create_string_buffer(_STATFS_BYTES)
    if ctypes.CDLL(None).statfs(os.fsencode(place), found) != 0:
        return None
    return int.from_bytes(
        found.raw[:4], "little"
    )  # a long or an int, by machine; no number is longer than this


def _mounted_as(place: Path) -> str | None:
    """The type of the mount (proc_pid_mountinfo(5)): whatever the path, files of one device are of one."""
    try:
        device = place.stat().st_dev
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split()[2] == number:
            return after.split()[0]
    return None
