"""What the control groups of this process allow it: cores and memory, in version 1 and 2, also those further up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc/self")


@dataclass(frozen=True)
class Limit:
    """amount: cores, or bytes. where: the file that says so. used: bytes in use that cannot be had back; 0 of cores."""

    amount: float
    where: Path
    used: int = 0


def core_limits(proc: Path = _PROC) -> list[Limit]:
    """Shares of time, in cores, that bind this process; sets of cores are in its affinity."""
    found = []
    for folder in _folders(proc, "cpu"):
        if (folder / "cpu.max").is_file():
            where = folder / "cpu.max"
            quota, period = [*_words(where), "", ""][:2]
        else:
            where = folder / "cpu.cfs_quota_us"
            quota, period = _word(where), _word(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            found.append(Limit(int(quota) / int(period), where))
    return found


def memory_limits(proc: Path = _PROC) -> list[Limit]:
    """Every limit that binds this process, in bytes."""
    found = []
    for folder in _folders(proc, "memory"):
        two = (folder / "memory.current").is_file()
        current = folder / ("memory.current" if two else "memory.usage_in_bytes")
        cached = _statistic(folder / "memory.stat", "inactive_file" if two else "total_inactive_file")
        used = max(0, int(_word(current) or 0) - cached) if _word(current).isdigit() else 0
        for name in ("memory.max", "memory.high") if two else ("memory.limit_in_bytes",):
            where = folder / name
            # Version 1 writes the largest number that it can hold where there is none.
            if _word(where).isdigit() and int(_word(where)) < 2**60:
                found.append(Limit(int(_word(where)), where, used))
    return found


def _folders(proc: Path, controller: str) -> Iterator[Path]:
    """The groups of this process under that controller and those above them, the innermost first."""
    for version, controllers, path in _groups(proc):
        if version == 1 and controller not in controllers:
            continue
        for mounted, root in _mounts(proc, version, controller):
            # A container may see its own group as the root of the mount, by a path that is outside of it.
            inside = path[len(root.rstrip("/")) :] if f"{path}/".startswith(root.rstrip("/") + "/") else ""
            folder = mounted / inside.strip("/")
            while True:
                yield folder
                if folder == mounted or mounted not in folder.parents:
                    break
                folder = folder.parent


def _groups(proc: Path) -> Iterator[tuple[int, list[str], str]]:
    """(version, controllers, path) of each line of `cgroup`, as cgroups(7) describes it."""
    for line in _lines(proc / "cgroup"):
        parts = line.split(":", 2)
        if len(parts) == 3:
            yield 1 if parts[1] else 2, parts[1].split(","), parts[2]


def _mounts(proc: Path, version: int, controller: str) -> Iterator[tuple[Path, str]]:
    """(where, path of the group that is mounted there) from `mountinfo`, as proc(5) describes it."""
    for line in _lines(proc / "mountinfo"):
        mount, _, kind = line.partition(" - ")
        fields, told = mount.split(), kind.split()
        if len(fields) < 5 or len(told) < 3:
            continue
        if (version == 2 and told[0] == "cgroup2") or (
            version == 1 and told[0] == "cgroup" and controller in told[2].split(",")
        ):
            yield Path(_unescaped(fields[4])), _unescaped(fields[3])


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), path)


def _statistic(file: Path, name: str) -> int:
    for line in _lines(file):
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    return 0


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()


def _word(file: Path) -> str:
    """The first one; empty where there is none."""
    return next(iter(_words(file)), "")


def _lines(file: Path) -> list[str]:
    """Nothing of a file that is not there, or not for us."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
