"""What a worker process does beside its jobs."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import REPOSITORY, await_value
from workers import processes


def test_a_worker_gets_ready_only_while_no_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end, idle = threading.Event(), threading.Event(), threading.Lock()
    monkeypatch.setattr(processes, "_READY_SECONDS", 0.01)
    monkeypatch.setattr(processes, "import_bodies", lambda _resource: (began.set(), may_end.wait(60)))
    with idle:  # a job runs
        processes.get_ready("accelerator", idle)
        assert not began.wait(0.5)
    assert began.wait(60)
    assert not idle.acquire(blocking=False), "a job that comes now waits"
    may_end.set()
    await_value(lambda: idle.acquire(blocking=False), bool, "jobs may run again")


def test_why_two_threads_must_not_import_at_once(tmp_path: Path) -> None:
    """A module that replaces itself, as transformers does, fails in the thread that came second."""
    (tmp_path / "replaced.py").write_text(
        "import sys, time, types\n"
        "time.sleep(0.5)\n"
        "new = types.ModuleType(__name__)\n"
        "new.name, new.__spec__ = 1, __spec__\n"
        "sys.modules[__name__] = new\n"
    )
    (tmp_path / "program.py").write_text(
        "import sys, threading, time\n"
        "from workers import processes\n"
        "processes._READY_SECONDS = 0.0\n"
        "processes.import_bodies = __import__\n"
        "idle = threading.Lock()\n"
        "processes.get_ready('replaced', idle)\n"
        "time.sleep(0.2)\n"
        "if sys.argv[1] == 'waits': idle.acquire()\n"
        "from replaced import name\n"
    )
    codes = {
        how: subprocess.run(
            [sys.executable, str(tmp_path / "program.py"), how],
            env={"PYTHONPATH": f"{REPOSITORY}:{tmp_path}"},
            capture_output=True,
            check=False,
        ).returncode
        for how in ("waits", "does not")
    }
    assert codes == {"waits": 0, "does not": 1}
