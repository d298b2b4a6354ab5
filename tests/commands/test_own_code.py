"""Classes of the user's own on the command line: what does not fit, and who may not name any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import cli
from db.migrate import open_state
from settings.code_source import Source
from settings.home import Home
from tests.hostile.sentences import LONGEST_SENTENCE
from tests.own_code import DETECTOR, POLICY, write

ROW = {"arms": {"row": {"policy": {"kind": "own", "class": "mine:Mine", "options": {}}}}}
SIMULATED = {"arms": ["recon"], "evaluation": {"simulator": "mine:Mine"}}

#: What is written, what names it, and what is said of it.
WRONG: dict[str, tuple[str | None, dict[str, object], str]] = {
    "no module": (None, {"gaze": {"detector": "mine:Mine"}}, "gaze.detector: there is no mine.py in "),
    "no class": ("x = 1", {"gaze": {"detector": "mine:Mine"}}, "mine.py defines no class Mine"),
    "no method": ("class Mine: ...", {"gaze": {"detector": "mine:Mine"}}, "mine.py: Mine has no method detect"),
    "an exception": (
        "class Mine:\n    def __init__(self):\n        raise ValueError('no')",
        {"gaze": {"detector": "mine:Mine"}},
        "mine.py, line 3: making Mine raised ValueError: no",
    ),
    "a box outside": (
        DETECTOR.replace("20, 20", "20, 900"), {"gaze": {"detector": "mine:Mine"}}, "must lie within the 200 x 200"
    ),
    "actions of another shape": (
        POLICY.replace("[[0, 0, 0, 0, 0, 0, self.gripper]]", "[1.0]"), ROW, "arms.row.policy: "
    ),
    "no simulator": ("class Mine:\n    def __init__(self, scene): ...", SIMULATED, "Mine has no method reset"),
}  # fmt: skip


def config(folder: Path, values: dict[str, object]) -> str:
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("command", ["plan", "submit-ablation"])
@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_one_sentence_and_makes_no_home(
    case: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, values, says = WRONG[case]
    if text is not None:
        write(tmp_path, text)
    words = [command, "--preset", "smoke", "--config", config(tmp_path, values)]
    more = ["--gpus", "none", "--cpus", "1"] if command == "submit-ablation" else []
    assert cli.main(["--home", str(tmp_path / "home"), *words, *more]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err and len(err) < LONGEST_SENTENCE
    assert not (tmp_path / "home").exists()


def test_a_file_of_a_policy_names_no_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have come with a checkpoint; what is typed may name one."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, f"import pathlib\npathlib.Path('ran').touch()\n{POLICY}")
    policy = {"kind": "own", "class": "mine:Mine"}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    short = ["--sequences", "1", "--max-steps", "1", "--simulators", "1"]
    assert cli.main(["evaluate", "--policy", "policy.yaml", *short]) == 2
    assert "and from no file that says so" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
    assert cli.main(["evaluate", "--policy", json.dumps(policy), *short]) == 0
    assert (tmp_path / "ran").exists()


def test_code_is_shown_line_by_line_and_moves_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever allows it must have read it."""
    lines = [*DETECTOR.splitlines(), "# \x1b[2J", "# \rhidden = 2", "#\u2028hidden = 1", "# \u202edlrow"]
    write(tmp_path, "\n".join(lines))
    values: dict[str, object] = {"arms": ["recon"], "gaze": {"detector": "mine:Mine"}}
    home = ["--home", str(tmp_path / "home")]
    words = ["submit-ablation", "--preset", "smoke", "--config", config(tmp_path, values), "--detach"]
    assert cli.main([*home, *words]) == 0
    capsys.readouterr()
    assert cli.main([*home, "ablation", "code"]) == 0
    head, *shown = capsys.readouterr().out.splitlines()
    assert "mine.py" in head and head.endswith("which runs here")
    assert shown[: len(lines) - 4] == lines[:-4]
    assert shown[-5:] == ["# \\x1b[2J", "# ", "hidden = 2", "#\\u2028hidden = 1", "# \\u202edlrow"]


def test_a_submit_that_would_run_somebody_elses_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one that only enqueues is not, nor one that names the code itself."""
    write(tmp_path, DETECTOR)
    home = ["--home", str(tmp_path / "home")]
    values: dict[str, object] = {"arms": ["recon"], "gaze": {"detector": "mine:Mine"}}
    theirs = ["submit-ablation", "--preset", "smoke", "--config", config(tmp_path, values), "--detach"]
    assert cli.main([*home, *theirs]) == 0
    database = open_state(Home(tmp_path / "home"))
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE code SET allowed = 0")
    database.close()
    mine = ["submit-ablation", "--preset", "smoke", "--arms", "baseline", "--name", "other"]
    capsys.readouterr()
    assert cli.main([*home, *mine, "--gpus", "none", "--cpus", "1"]) == 2
    assert f"up --until-done --allow-code {Source({'mine.py': DETECTOR}).digest}" in capsys.readouterr().err
    assert cli.main([*home, "status", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["ablations"]] == ["mine"]
    assert cli.main([*home, *mine, "--detach"]) == 0
    assert cli.main([*home, *theirs]) == 0
    database = open_state(Home(tmp_path / "home"))
    with database.read() as tx:
        assert tx.exec_driver_sql("SELECT allowed FROM code").scalar_one()
    database.close()
