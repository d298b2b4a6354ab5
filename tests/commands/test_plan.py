"""`plan`: what an ablation can find, what it would take to find more; and the line that submitting says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from db.engine import Database
from settings.home import Home
from tests.judged import end

QUICK = ("--preset", "smoke", "--arms", "baseline,recon", "--set", "evaluation.sequences=128")


def planned(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> dict[str, Any]:
    assert cli.main(["--home", str(home), "plan", *QUICK, *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["power"]


def lines(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> list[str]:
    assert cli.main(["--home", str(home), "plan", *QUICK, *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_what_three_seeds_find_and_what_ten_points_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    found = planned(capsys, home, "--seeds", "0,1,2", "--detect", "10", "--power", "0.8")
    assert (found["seeds"], found["sequences"], found["arms"], found["power"]) == (3, 128, 2, 0.8)
    by_name = {entry["measure"]: entry for entry in found["measures"]}
    assert list(by_name) == ["avg_len", "success_1", "success_2"], "of no other was the scatter measured"
    share = by_name["success_1"]
    low, high = share["detects_interval"]
    assert low < share["detects"] < high and share["detects"] == pytest.approx(26.5, abs=0.1)
    assert share["degrees_of_freedom"] == 33 and "docs/results" in share["source"]
    seeds = {option["sequences"]: option["seeds"] for option in found["asked"]["options"]}
    assert seeds[128] == 11 and seeds[1000] < seeds[128] < seeds[64]
    text = lines(capsys, home, "--seeds", "0,1,2", "--detect", "10")
    wanted = "3 seeds find differences of 27 points in 1/5 and 0.47 tasks in average length and more"
    assert any(line.startswith(f"power: {wanted}") for line in text)
    assert "    11 seeds with 128 sequences each (8 to 17)" in text
    assert not home.exists()


def test_one_seed_says_nothing_of_methods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, tmp_path)
    assert {entry["detects"] for entry in found["measures"]} == {None} and found["asked"] is None
    (line,) = (line for line in lines(capsys, tmp_path) if line.startswith("power:"))
    assert "1 seed speaks of these weights, not of the method" in line and "± 18 points in 1/5" in line


def test_nothing_is_said_where_nothing_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = lines(capsys, tmp_path, "--arms", "recon", "--seeds", "0,1")
    assert "power: one arm is compared with nothing" in text
    assert not any("find differences" in line for line in text)


def test_what_the_home_measured_takes_the_place_of_stored_runs(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["submit-ablation", *QUICK, "--seeds", "0,1,2", "--detach"]
    assert cli.main(["--home", str(home.root), *words]) == 0
    said = capsys.readouterr().err
    assert "smoke: 3 seeds find differences of 27 points in 1/5" in said
    chance = np.random.default_rng(3)
    models = {
        (arm, seed): (chance.random(128) < rate).astype(int).tolist()
        for arm in ("baseline", "recon")
        for seed, rate in enumerate((0.3, 0.5, 0.7))
    }
    end(database, 1, lambda arm, seed: models[arm, seed])
    found = planned(capsys, home.root, "--name", "more", "--seeds", "0,1,2", "--detect", "10")
    share = next(entry for entry in found["measures"] if entry["measure"] == "success_1")
    assert share["source"] == "6 trained models of this home" and share["degrees_of_freedom"] == 4
    assert share["sd_between_seeds"] == pytest.approx(20, abs=4), "rates 20 points apart"
    assert share["detects"] is None or share["detects"] > 50
    assert len(found["measures"]) == 6, "all shares were measured here"
    assert found["asked"]["options"][0]["seeds"] > 20


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--detect", "0"], "--detect 0: a difference in 1/5 is above 0 and at most 100 points"),
        (["--detect", "nan"], "--detect nan: a difference in 1/5"),
        (["--detect", "6", "--measure", "avg_len"], "in average length is above 0 and at most 5 tasks"),
        (["--detect", "5", "--power", "1"], "--power 1: it is above 0.05 and at most 0.999"),
        (["--power", "nan"], "--power nan"),
        (["--detect", "5", "--measure", "succes_1"], "unknown measure 'succes_1'"),
        (["--measure", "avg_len"], "--measure is of --detect"),
    ],
)
def test_what_cannot_be_asked(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert cli.main(["--home", str(home), "plan", *QUICK, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line and not home.exists()


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["vary training.steps=3,4", "vary-with training.learning_rate=5,6", "vary training.batch_size=1,2"],
         ["steps=3+learning_rate=5+batch_size=1", "steps=3+learning_rate=5+batch_size=2",
          "steps=4+learning_rate=6+batch_size=1", "steps=4+learning_rate=6+batch_size=2"]),
        (["vary training.steps=3,4", "vary training.batch_size=1,2", "vary-with training.learning_rate=5,6"],
         ["steps=3+batch_size=1+learning_rate=5", "steps=3+batch_size=2+learning_rate=6",
          "steps=4+batch_size=1+learning_rate=5", "steps=4+batch_size=2+learning_rate=6"]),
    ],
)  # fmt: skip
def test_what_varies_together_is_told_by_the_order_of_options(
    words: list[str], rows: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = " ".join(f"--{option}" for option in words).split()
    command = ["--home", str(tmp_path / "home"), "plan", "--preset", "smoke", *said, "--json"]
    assert cli.main(command) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["rows"]] == rows
