"""A short version of `trials/chaos.py`: one home, a few strikes of different kinds, nothing lost, nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

TASKS = ("move_slider_right", "open_drawer", "turn_on_led", "push_pink_block_left", "lift_pink_block_table")

FAULTS = "kill_everything,flip_a_bit,wake_a_zombie"


@pytest.mark.timeout(1800)
def test_an_ablation_survives_whatever_strikes_it(tmp_path: Path) -> None:
    # Recorded once: the scripted expert would solve its tasks anew in every home.
    data = tmp_path / "data"
    command = ["data", "generate", str(data), "--demonstrations-per-task", "1", "--tasks", ",".join(TASKS)]
    assert cli.main(command) == 0
    ended = subprocess.run(
        [
            sys.executable, "-m", "chaos", "--strikes", "3", "--seed", "7", "--seconds", "3",
            "--set", f"data.root={data}",
            "--set", "training.steps=10", "--set", "evaluation.sequences=2", "--set", "evaluation.max_steps=5",
            "--arms", "baseline", "--faults", FAULTS, "--result", str(tmp_path / "chaos.json"),
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=1700,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    result = json.loads((tmp_path / "chaos.json").read_text())
    assert result["wrong"] == []
    assert sum(result["strikes"].values()) == 3
