"""A process is told by its machine's start, its PID namespace, its number and when it began."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from settings import clock, processes
from settings.processes import process_lives, process_space, process_start

ME = os.getpid()


@pytest.fixture(autouse=True)
def afresh() -> None:
    process_space.cache_clear()
    clock.boot_name.cache_clear()


def test_this_process_lives_and_its_number_is_not_all_of_it() -> None:
    assert process_lives(process_space(), ME, process_start(ME)) is True
    assert process_lives(process_space(), ME, 5.0) is False, "a number that another process had before"
    assert process_lives(process_space(), 2**22 + 1, 5.0) is False
    assert process_lives(process_space(), ME, None) is False


def test_one_that_ended_and_was_not_waited_for_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        began = process_start(ended.pid)
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert process_lives(process_space(), ended.pid, began) is False


def test_of_processes_elsewhere_nothing_is_known() -> None:
    for space in (None, "", f"{process_space()}1", "another start pid:[4026531836]"):
        assert process_lives(space, ME, process_start(ME)) is None


def test_neither_the_name_of_the_machine_nor_its_time_of_day_is_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = process_space()
    process_space.cache_clear()
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert process_space() == before is not None


def test_without_a_start_of_the_machine_no_process_is_looked_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "boot_id")
    assert process_space() is None
    (tmp_path / "boot_id").write_text("\n")
    process_space.cache_clear()
    assert process_space() is None
    (tmp_path / "boot_id").write_text("another-start\n")
    clock.boot_name.cache_clear()
    process_space.cache_clear()
    assert str(process_space()).startswith("another-start ")


def test_a_proc_of_another_namespace_tells_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As `unshare --pid` without a /proc of its own has it: numbers there are others."""
    (tmp_path / "self").symlink_to("424242")
    monkeypatch.setattr(processes, "_SELF", tmp_path / "self")
    assert process_space() is None and process_start(ME) == 0.0
    monkeypatch.setattr(processes, "_SELF", tmp_path / "nothing is mounted")
    assert process_space() is None and process_start(ME) == 0.0


def test_a_process_that_never_was_has_no_start() -> None:
    with pytest.raises(psutil.NoSuchProcess):
        process_start(2**22 + 1)
