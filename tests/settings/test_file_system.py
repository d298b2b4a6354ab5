"""Kinds of file systems that other machines see, by their numbers and as they are mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings.file_system import keeps_file_numbers, kind_named, network_kind
from tests.mounts import seen_through_fuse

#: As linux/magic.h, Lustre's and GPFS's headers have them.
NUMBERS = {
    0x6969: "NFS", 0x0BD00BD0: "Lustre", 0x47504653: "GPFS", 0xFF534D42: "CIFS", 0xFE534D42: "SMB2",
    0x65735546: "FUSE", 0x00C36400: "Ceph", 0x01021997: "9p", 0x19830326: "BeeGFS", 0xAAD7AAEA: "PanFS",
}  # fmt: skip

#: ext4, XFS, btrfs, tmpfs, overlayfs, ZFS, f2fs, ramfs, exFAT.
LOCAL = (
    0xEF53,
    0x58465342,
    0x9123683E,
    0x01021994,
    0x794C7630,
    0x2FC12FC1,
    0xF2F52010,
    0x858458F6,
    0x2011BAB0,
)

_FUSE = 0x65735546


@pytest.mark.parametrize(("number", "name"), NUMBERS.items(), ids=NUMBERS.values())
def test_a_network_file_system_is_known_by_its_number(number: int, name: str) -> None:
    assert kind_named(number) == name


@pytest.mark.parametrize("number", LOCAL, ids=hex)
def test_a_disks_is_none(number: int) -> None:
    assert kind_named(number) is None


@pytest.mark.parametrize(
    ("mounted_as", "name"),
    [
        ("fuse.sshfs", "FUSE, sshfs"),
        ("fuse.juicefs", "FUSE, juicefs"),
        ("fuse.drive", "FUSE, drive"),  # Colab's
        ("virtiofs", "FUSE, virtiofs"),
        ("fakeowner", "FUSE, fakeowner"),  # Docker Desktop's
        ("fuse", "FUSE"),
        ("fuseblk", None),  # ntfs-3g, on a disk of this machine
        ("fuse.fuse-overlayfs", None),  # a container's root without root
    ],
)
def test_a_fuse_is_told_by_its_program(mounted_as: str, name: str | None) -> None:
    assert kind_named(_FUSE, mounted_as) == name


def test_the_folder_above_decides_where_there_is_nothing_yet(tmp_path: Path) -> None:
    assert network_kind(tmp_path) is network_kind(tmp_path / "not" / "there") is None
    with seen_through_fuse(tmp_path, "seen") as (seen,):
        assert str(network_kind(seen)).startswith("FUSE")
        assert str(network_kind(seen / "not" / "there")).startswith("FUSE")
        assert network_kind(tmp_path) is None
        assert keeps_file_numbers(tmp_path) and not keeps_file_numbers(seen)
