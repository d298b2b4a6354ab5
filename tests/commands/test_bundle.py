"""`bundle export` and `bundle import` as people and scripts use them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

import cli
from db.migrate import open_state
from settings.home import Home
from tests.support import planned, submit
from tests.workshop import Workshop

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Training has published a checkpoint and runs."""
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    workshop.finish_until("train")
    workshop.publish(workshop.claim("train"), 2)
    workshop.database.close()
    return workshop.home


def run(capsys: Capture, *arguments: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == code
    output = capsys.readouterr()
    return output.out, output.err


def test_a_home_is_carried_in_one_file(home: Home, tmp_path: Path, capsys: Capture) -> None:
    file, new = tmp_path / "one.bundle", tmp_path / "new"
    out, err = run(capsys, "--home", home.root, "bundle", "export", file, "--json")
    document = json.loads(out)
    assert document["file"] == str(file) and err == ""
    assert (document["running"], document["files"], document["since"], document["absent"]) == (1, 6, None, [])
    out, _ = run(capsys, "bundle", "--home", new, "import", file, "--json")
    taken = json.loads(out)
    assert (taken["key"], taken["already"], taken["files"]) == (document["key"], False, 6)
    out, _ = run(capsys, "bundle", "import", "--home", new, file)
    assert "nothing was changed" in out
    out, _ = run(capsys, "--home", new, "status", "--json")
    assert json.loads(out)["ablations"][0]["jobs"]["succeeded"] == 4


def test_people_are_told_what_cannot_come_back(home: Home, tmp_path: Path, capsys: Capture) -> None:
    out, _ = run(capsys, "--home", home.root, "bundle", "export", tmp_path / "one.bundle")
    assert "1 running job starts again from the last checkpoint" in out and "cannot both go on" in out
    out, _ = run(capsys, "--home", home.root, "bundle", "export", tmp_path / "two.bundle", "--since", "last")
    assert "0 artifacts, and 6 that bundle" in out


def test_what_was_fetched_from_the_hub_is_told_to_lie_elsewhere(
    home: Home, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_HUB_CACHE", str(tmp_path / "copies"))
    _, err = run(capsys, "--home", home.root, "bundle", "export", tmp_path / "one.bundle")
    assert err == ""
    name = f"hub:lab/data@{'a' * 40}/task_D_D"
    database = open_state(home)
    submit(
        database,
        planned("fetch", kind="fetch", spec={"name": name, "of": "dataset"}),
        planned("ingest 2", ["fetch"], kind="ingest", spec={"root": name}),
        key="of the hub",
    )
    database.close()
    out, err = run(capsys, "--home", home.root, "bundle", "export", tmp_path / "two.bundle", "--json")
    assert json.loads(out)["files"] == 6
    assert err == (
        f"warning: what was fetched of {name} lies in {tmp_path / 'copies'} and not in the bundle; carry that folder "
        "too, and name it in BATON_HUB_CACHE, or it is fetched again\n"
    )


def test_a_name_that_no_ablation_may_get_is_warned_of(home: Home, tmp_path: Path, capsys: Capture) -> None:
    database = open_state(home)
    submit(database, planned("more"), key="1")
    database.close()
    run(capsys, "--home", home.root, "bundle", "export", tmp_path / "one.bundle")
    _, err = run(capsys, "--home", tmp_path / "new", "bundle", "import", tmp_path / "one.bundle")
    assert "warning: ablation 2: '1' means ablation 1 already" in err
    assert err.endswith(f"cli.py --home {tmp_path / 'new'} ablation rename 2 NEW\n")
    run(capsys, "--home", tmp_path / "new", "ablation", "rename", "2", "more")
    _, err = run(capsys, "--home", tmp_path / "new", "bundle", "import", tmp_path / "one.bundle")
    assert err == ""


def test_lost_artifacts_are_warned_of(home: Home, tmp_path: Path, capsys: Capture) -> None:
    path = next(home.artifacts.glob("??/*"))
    path.unlink()
    out, err = run(capsys, "--home", home.root, "bundle", "export", tmp_path / "one.bundle", "--json")
    assert json.loads(out)["absent"] == [str(path.relative_to(home.root))]
    assert err.startswith("warning: ") and path.name in err


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_bad_file_is_one_sentence_and_makes_nothing(
    damage: str, home: Home, tmp_path: Path, capsys: Capture
) -> None:
    file, new = tmp_path / "one.bundle", tmp_path / "new"
    run(capsys, "--home", home.root, "bundle", "export", file)
    content = bytearray(file.read_bytes())
    if damage == "cut":
        del content[-700:]
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
    else:
        content = bytearray(b"notes of mine\n" * 100)
    file.write_bytes(content)
    out, err = run(capsys, "--home", new, "bundle", "import", file, code=2)
    assert out == "" and err.startswith(f"error: {file}: ") and err.count("\n") == 1
    assert not new.exists()


def test_a_path_that_ends_as_a_folders_makes_no_file_of_its_name(
    home: Home, tmp_path: Path, capsys: Capture
) -> None:
    _, err = run(capsys, "--home", home.root, "bundle", "export", f"{tmp_path}/backups/", code=2)
    assert f"is a folder; name the file in it: {tmp_path}/backups/home.bundle" in err
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize(
    ("moves", "says"),
    [
        ([], "; go on with: "),
        ([["pause"]], "; it is paused; go on with: "),
        ([["cancel"]], "; nothing in it is left to do; look at it with: "),
    ],
)
def test_what_is_said_to_do_with_a_bundle_leads_on(
    home: Home, tmp_path: Path, capsys: Capture, moves: list[list[str]], says: str
) -> None:
    for move in moves:
        run(capsys, "--home", home.root, *move)
    run(capsys, "--home", home.root, "bundle", "export", tmp_path / "one.bundle")
    out, _ = run(capsys, "--home", tmp_path / "new", "bundle", "import", tmp_path / "one.bundle")
    hint = out.partition(says)[2].strip()
    for line in hint.split(", then "):
        words = shlex.split(line)
        assert words[1].endswith("cli.py") and words[2:4] == ["--home", str(tmp_path / "new")]
    assert hint.endswith("status" if moves == [["cancel"]] else "up --until-done")


def test_wrong_use(home: Home, tmp_path: Path, capsys: Capture) -> None:
    _, err = run(capsys, "--home", tmp_path / "none", "bundle", "export", tmp_path / "x", code=2)
    assert "there is no Baton home" in err
    (tmp_path / "taken").write_text("mine")
    _, err = run(capsys, "--home", home.root, "bundle", "export", tmp_path / "taken", code=2)
    assert "already there" in err
    _, err = run(capsys, "--home", home.root, "bundle", "import", tmp_path / "absent", code=2)
    assert "cannot be read" in err
    _, err = run(capsys, "--home", home.root, "bundle", code=2)
    assert "ommand" in err
