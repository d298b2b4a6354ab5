"""The script for a day with a GPU: its sections are those of its module and end in time, and its cheap ones run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu_day import SECTIONS, checkpoint, main
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "benchmarks" / "gpu_day.sh"


def test_every_section_has_a_limit_and_all_end_within_twelve_minutes() -> None:
    text = SCRIPT.read_text()
    limits = dict(re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE))
    assert list(limits) == list(SECTIONS)
    assert sum(map(int, limits.values())) <= 11 * 60, "a minute is left for starts and writing"
    subprocess.run(["sh", "-n", str(SCRIPT)], check=True)


def test_a_checkpoint_keeps_training_waiting_no_longer_than_it_is_written() -> None:
    found = checkpoint(dry=True)
    assert found["gib"] > 0 and found["stall_seconds"] <= found["saved_seconds"]


def test_what_ended_badly_is_in_the_file_and_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.json"

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["gpu_day", *words, "--out", str(out)])
        return main()

    out.write_text(json.dumps({"ended": {"digests": 0}}))
    assert run("end") == 0
    assert run("ended", "--section", "steps", "--code", "124") == 0
    assert json.loads(out.read_text())["ended"] == {"digests": 0, "steps": 124}
    assert run("end") == 1
