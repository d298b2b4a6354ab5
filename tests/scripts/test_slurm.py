"""The sbatch script with a `scontrol` and a `cli.py` that write down how they were called."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY, await_value

SCRIPT = REPOSITORY / "scripts" / "slurm" / "baton.sbatch"

CLI = """
import pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
got = []
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda n, _: got.append(n))
(here / "arguments").write_text(" ".join(sys.argv[1:]))
while not got and not (here / "finish").exists():
    time.sleep(0.01)
time.sleep(0.2)  # saving takes a moment, during which the script must go on waiting
(here / "signal").write_text(signal.Signals(got[0]).name if got else "")
sys.exit(int((here / "code").read_text()))
"""


@pytest.fixture
def job(tmp_path: Path) -> subprocess.Popen[bytes]:
    (tmp_path / "cli.py").write_text(CLI)
    binaries = tmp_path / "bin"
    binaries.mkdir()
    scontrol = binaries / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/scontrol\n')
    scontrol.chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "BATON_DIR": str(tmp_path),
        "BATON_PYTHON": sys.executable, "SLURM_JOB_ID": "417",
    }  # fmt: skip
    process = subprocess.Popen(["bash", str(SCRIPT), "--cpus", "1"], env=environment, cwd=tmp_path)
    await_value(lambda: (tmp_path / "arguments").exists(), bool, "the start of the command")
    return process


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_is_passed_on_and_unfinished_work_requeued(
    job: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "code").write_text("4")
    job.send_signal(number)
    assert job.wait(30) == 4
    assert (tmp_path / "signal").read_text() == number.name
    assert (tmp_path / "scontrol").read_text().split() == ["requeue", "417"]
    assert (tmp_path / "arguments").read_text() == "up --until-done --cpus 1"


@pytest.mark.parametrize("code", [0, 1])
def test_what_has_ended_is_not_requeued(job: subprocess.Popen[bytes], tmp_path: Path, code: int) -> None:
    (tmp_path / "code").write_text(str(code))
    (tmp_path / "finish").touch()
    assert job.wait(30) == code
    assert not (tmp_path / "scontrol").exists()
