"""Commands where something belongs to somebody else, in one process that root's powers were taken from.

Root may use every file. Without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH it is a user like any other, called root, and
files that were given to `SOMEBODY` are another user's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.processes import environment
from tests.support import REPOSITORY

#: Belongs to nobody with a name.
SOMEBODY = 54321

_ORDINARY = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")

_SCRIPT = """
import contextlib, io, json, os, sys, traceback
import cli
answers = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    if words[0] == "chown":  # root's power to do that is left
        os.chown(words[2], int(words[1]), int(words[1]))
        continue
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(words)
        except BaseException:
            code = -1
            traceback.print_exc()
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line in which a command was refused."""
        assert self.code == 2, self
        (line,) = self.err.splitlines()
        assert line.startswith("error: "), line
        return line.removeprefix("error: ")


def as_ordinary_user(*commands: Sequence[object], read_only_disk: Path | None = None) -> list[Answer]:
    """Run commands of `cli`, one after the other, as a user without root's powers.

    A command `chown UID PATH` among them gives a file to another user, and has no answer. read_only_disk: this
    folder is one that cannot be written meanwhile. Skips where that cannot be arranged.
    """
    _need()
    words = [*_ORDINARY, sys.executable, "-c", _SCRIPT, json.dumps([[str(w) for w in c] for c in commands])]
    if read_only_disk is not None:
        _need_mounts()
        mounts = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        words = ["unshare", "--mount", "sh", "-c", mounts, str(read_only_disk), *words]
    done = subprocess.run(
        words, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [Answer(*answer) for answer in json.loads(done.stdout)]


def give_to_somebody(*paths: Path) -> None:
    """Skips where that cannot be arranged."""
    _need()
    for path in paths:
        os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)


@cache
def _problem() -> str | None:
    if os.geteuid() != 0:
        return "only root can make files of other users"
    if shutil.which("setpriv") is None:
        return "no setpriv"
    tried = subprocess.run([*_ORDINARY, "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "setpriv cannot take powers away here"


@cache
def _can_mount() -> bool:
    tried = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp"],
        capture_output=True, check=False,
    )  # fmt: skip
    return tried.returncode == 0


def _need() -> None:
    problem = _problem()
    if problem is not None:
        pytest.skip(problem)


def _need_mounts() -> None:
    if shutil.which("unshare") is None or not _can_mount():
        pytest.skip("no mount of one's own can be made here")
