"""What docs/own-code.md says, from the page alone: its files are written out and its commands run, in real sessions."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import cli
from db.migrate import open_state
from settings.home import Home
from tests.support import REPOSITORY
from tests.test_docs import console_lines

pytestmark = pytest.mark.slow

PAGE = REPOSITORY / "docs" / "own-code.md"

#: One demonstration and two steps, two sequences of two steps: as small as it gets.
TINY = (
    "--set data.tasks=[open_drawer,turn_on_led,move_slider_right,push_pink_block_left,lift_pink_block_table] "
    "--set training.steps=2 --set training.batch_size=2 --set evaluation.sequences=1 --set evaluation.max_steps=2 "
    "--set evaluation.random_baseline=false --set attention.frames=2 --set data.chunk=5"
)


def write_files(folder: Path) -> list[str]:
    """The files of the page, by the names in their first lines."""
    blocks = re.findall(
        r"```(?:python|yaml)\n(# ([\w.]+)\b.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    for text, name in blocks:
        (folder / name).write_text(text, encoding="utf-8")
    return [name for _, name in blocks]


def line_with(*words: str) -> list[str]:
    """The words of the page's one command that has all of these, after `python cli.py`."""
    (line,) = (one for one in console_lines(PAGE) if all(word in one for word in words))
    return shlex.split(line, comments=True)[2:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert write_files(tmp_path) == [
        "my_detector.py", "my_pixels.py", "my_policy.py", "my_instructions.yaml", "mine.yaml"
    ]  # fmt: skip
    return tmp_path


def test_the_detector_of_the_page_has_sixty_lines(folder: Path) -> None:
    assert len((folder / "my_detector.py").read_text().splitlines()) <= 60


def test_a_class_is_looked_at_without_the_queue(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    made = [
        "data",
        "generate",
        "path/to/dataset",
        "--demonstrations-per-task",
        "1",
        "--tasks",
        "lift_red_block_table",
    ]
    assert cli.main(made) == 0
    capsys.readouterr()
    assert cli.main([*line_with("--detector my_detector"), "--split", "training", "--json"]) == 0
    scored = json.loads(capsys.readouterr().out)
    assert scored["figures"]["simple"]["mean_iou"] > 0.5
    short = ["--sequences", "1", "--max-steps", "2", "--simulators", "1"]
    assert cli.main([*line_with("evaluate --policy"), *short]) == 0


def test_the_page_comes_to_a_table_and_a_bundle_of_it_runs_where_it_is_allowed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    home = ["--home", "old"]
    assert cli.main([*home, *line_with("plan --preset"), *shlex.split(TINY), "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    files = {Path(entry["file"]).name: entry for entry in planned["code"]}
    assert {name: entry["class"] for name, entry in files.items()} == {
        "my_detector.py": "MyDetector", "my_policy.py": "MyPolicy"
    }  # fmt: skip
    assert [row["name"] for row in planned["rows"]] == ["baseline", "recon", "mine", "reaching"]
    assert not (folder / "old").exists(), "nothing is written by planning"

    submit = [*line_with("submit-ablation"), *shlex.split(TINY), "--arms", "baseline,mine,reaching"]
    assert cli.main([*home, *submit, "--detach"]) == 0
    said = capsys.readouterr().err
    for name, entry in files.items():
        assert f"code: {folder / name}, class {entry['class']}, digest {entry['digest']}" in said
    assert cli.main([*home, "bundle", "export", "one.bundle"]) == 0
    new = ["--home", "new"]
    assert cli.main([*new, "bundle", "import", "one.bundle"]) == 0
    # What was submitted is run, whatever has become of the files.
    (folder / "my_detector.py").write_text("raise SystemExit('changed')\n")
    (folder / "my_policy.py").unlink()

    up = ["up", "--until-done", "--gpus", "none", "--cpus", "2"]
    for words in (up, ["worker", "--broker", "redis://127.0.0.1:9/0", "--resources", "cpu"], ["audit"]):
        capsys.readouterr()
        assert cli.main([*new, *words]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and err.startswith("error: my_")
        assert (
            f"up --until-done --allow-code {next(e['digest'] for n, e in files.items() if n in err)}" in err
        )
    one, other = (["--allow-code", entry["digest"]] for entry in files.values())
    assert cli.main([*new, *up, *one]) == 2, "the other is not allowed yet"
    assert cli.main([*new, *up, *other]) == 0, "what was allowed stays so"
    capsys.readouterr()

    assert cli.main([*new, "report", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [arm["arm"] for arm in report["arms"]] == ["baseline", "mine", "reaching"]
    assert all(arm["sequences"] == 1 for arm in report["arms"])
    database = open_state(Home(folder / "new"))
    with database.read() as tx:
        (headers,) = zip(*tx.exec_driver_sql("SELECT spec FROM job WHERE kind = 'gaze'").fetchall())
    database.close()
    detectors = {json.loads(spec)["detector"] for spec in headers}
    assert detectors == {"colour", f"my_detector:MyDetector@{files['my_detector.py']['digest']}"}
    assert cli.main([*new, "audit", "--slices", "0", "--others", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal"] == 3
