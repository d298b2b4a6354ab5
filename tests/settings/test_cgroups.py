"""Limits of control groups, read from trees as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings.cgroups import core_limits, memory_limits

NONE_V1 = str(2**63 - 4096)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    return tmp_path


def say(folder: Path, **values: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in values.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def lies_in(machine: Path, groups: str, *mounts: str) -> Path:
    """The process's folder of /proc; a mount is `ROOT POINT TYPE OPTIONS`, POINT below the machine's folder."""
    lines = []
    for mount in mounts:
        root, point, kind, options = mount.split(" ")
        lines.append(f"31 23 0:27 {root} {machine}/{point} rw,nosuid shared:4 - {kind} {kind} {options}\n")
    (machine / "proc" / "mountinfo").write_text("".join(lines) + "not a line of it\n")
    (machine / "proc" / "cgroup").write_text(groups)
    return machine / "proc"


def test_version_two_and_every_group_above(machine: Path) -> None:
    top = machine / "cg"
    say(
        top / "job" / "step",
        cpu__max="max 100000",
        memory__max="max",
        memory__high="max",
        memory__current="9",
    )
    say(
        top / "job", cpu__max="250000 100000", memory__max="8000", memory__high="6000", memory__current="5000"
    )
    say(top / "job", memory__stat="anon 1\ninactive_file 1500\nactive_file 4")
    say(top, cpu__max="400000 100000", memory__max="9000", memory__current="x")
    proc = lies_in(machine, "0::/job/step\n", "/ cg cgroup2 rw")
    assert [(limit.amount, limit.where.parent.name) for limit in core_limits(proc)] == [
        (2.5, "job"),
        (4.0, "cg"),
    ]
    found = [(limit.amount, limit.where.name, limit.used) for limit in memory_limits(proc)]
    assert found == [(8000, "memory.max", 3500), (6000, "memory.high", 3500), (9000, "memory.max", 0)]


def test_version_one_has_a_tree_for_each_controller(machine: Path) -> None:
    say(machine / "cpu" / "a" / "b", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    say(machine / "cpu" / "a", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    say(machine / "memory" / "c", memory__limit_in_bytes="700", memory__usage_in_bytes="600",
        memory__stat="inactive_file 1\ntotal_inactive_file 200")  # fmt: skip
    say(machine / "memory", memory__limit_in_bytes=NONE_V1, memory__usage_in_bytes="600")
    proc = lies_in(
        machine, "9:cpu,cpuacct:/a/b\n4:memory:/c\n1:name=systemd:/z\n0::/\n",
        "/ cpu cgroup rw,cpu,cpuacct", "/ memory cgroup rw,memory", "/ two cgroup2 rw",
    )  # fmt: skip
    assert [limit.amount for limit in core_limits(proc)] == [0.5]
    assert [(limit.amount, limit.used) for limit in memory_limits(proc)] == [(700, 400)]


@pytest.mark.parametrize("group", ["/docker/abc", "/", "/../elsewhere"])
def test_a_container_sees_its_own_group_as_the_root(machine: Path, group: str) -> None:
    say(machine / "cg", cpu__max="100000 100000")
    root = "/docker/abc" if group == "/docker/abc" else "/"
    proc = lies_in(machine, f"0::{group}\n", f"{root} cg cgroup2 rw")
    assert [limit.amount for limit in core_limits(proc)] == [1.0]


def test_a_mount_with_a_space_in_its_path(machine: Path) -> None:
    say(machine / "my cg" / "x", cpu__max="300000 100000")
    proc = lies_in(machine, "0::/x\n", "/ my\\040cg cgroup2 rw")
    assert [limit.amount for limit in core_limits(proc)] == [3.0]


@pytest.mark.parametrize("text", ["", "max", "max 100000", "5 0", "words of somebody", "-1 100000"])
def test_what_says_no_number_limits_nothing(machine: Path, text: str) -> None:
    say(machine / "cg", cpu__max=text, memory__max=text, memory__current=text)
    proc = lies_in(machine, "0::/\n", "/ cg cgroup2 rw")
    assert core_limits(proc) == []
    assert [limit.amount for limit in memory_limits(proc)] in ([], [5])  # "5 0" is a number of bytes


def test_where_there_are_no_groups(tmp_path: Path) -> None:
    assert core_limits(tmp_path / "proc") == memory_limits(tmp_path / "proc") == []
