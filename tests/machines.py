"""Commands on what they take for another machine, or another container of this one: namespaces of the kernel's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def can_be_made() -> bool:
    """Whether this process may make namespaces (root may)."""
    return os.geteuid() == 0 and subprocess.run(in_container(["true"]), capture_output=True).returncode == 0


def in_container(command: Sequence[str]) -> list[str]:
    """`command` in a PID namespace of its own on this machine, under its name."""
    return ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command]


def on_machine(command: Sequence[str], name: str, boot_id: Path) -> list[str]:
    """`command` on a machine called `name`, whose start is named by the file `boot_id`; no network but Unix sockets."""
    made = 'hostname "$0" && mount --bind "$1" ' + BOOT_ID + ' && shift && exec "$@"'
    return [
        "unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--mount-proc", "--kill-child",
        "sh", "-c", made, name, str(boot_id), *command,
    ]  # fmt: skip
