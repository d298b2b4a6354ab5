"""Wrong use and bad input: one sentence, the right exit code, and nothing changed."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import cli
from calvin.writer import write_split
from settings.home import Home
from settings.presets import load_config
from tests.calvin.samples import make_episode
from tests.support import REPOSITORY

ANNOTATIONS = Path("training/lang_annotations/auto_lang_ann.npy")
FRAME = Path("training/episode_0000102.npz")


@pytest.fixture(scope="module")
def _sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("calvin")
    write_split(root, "training", [make_episode(100, 6), make_episode(200, 6, task="close_drawer")])
    write_split(root, "validation", [make_episode(300, 6, split="validation")])
    return root


@pytest.fixture
def data(_sound: Path, tmp_path: Path) -> Path:
    """A small CALVIN folder that the test may damage."""
    return Path(shutil.copytree(_sound, tmp_path / "data"))


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """A home that does not exist."""
    return tmp_path / "home"


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    """Run a command that must fail with `code` and one sentence on standard error. Returns the sentence."""
    capsys.readouterr()
    assert cli.main(arguments) == code
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in line
    return line


def submit(at: Path, *arguments: str) -> list[str]:
    return ["--home", str(at), "submit-ablation", "--preset", "smoke", "--detach", *arguments]


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- datasets ---------------------------------------------------------------------------------------------


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def _hostile(root: Path) -> None:
    np.save(
        root / ANNOTATIONS, np.array({"language": Hostile(root / "it-ran")}, dtype=object), allow_pickle=True
    )


def _bare_hostile(root: Path) -> None:
    (root / ANNOTATIONS).write_bytes(pickle.dumps(Hostile(root / "it-ran")))


def _without_tasks(root: Path) -> None:
    value = {"language": {"ann": ["x"]}, "info": {"indx": [(100, 105)]}}
    np.save(root / ANNOTATIONS, np.array(value, dtype=object), allow_pickle=True)


def _outside(root: Path) -> None:
    value = {"language": {"ann": ["x"], "task": ["open_drawer"]}, "info": {"indx": [(100, 250)]}}
    np.save(root / ANNOTATIONS, np.array(value, dtype=object), allow_pickle=True)


def _truncated(root: Path) -> None:
    (root / FRAME).write_bytes((root / FRAME).read_bytes()[:5000])


def _flipped(root: Path) -> None:
    """One byte in the middle of the pictures: the archive's directory is sound, a checksum is not."""
    bytes_ = bytearray((root / FRAME).read_bytes())
    bytes_[len(bytes_) // 2] ^= 0xFF
    (root / FRAME).write_bytes(bytes(bytes_))


def _changed(field: str, value: np.ndarray | None) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with np.load(root / FRAME) as archive:
            arrays = dict(archive)
        if value is None:
            del arrays[field]
        else:
            arrays[field] = value
        np.savez_compressed(root / FRAME, **arrays)

    return change


def _pickled_in_archive(root: Path) -> None:
    """An npz whose member is a hostile pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(Hostile(root / "it-ran"), dtype=object), allow_pickle=True)
    with zipfile.ZipFile(root / FRAME, "w") as archive:
        archive.writestr("actions.npy", buffer.getvalue())


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no folder": (shutil.rmtree, "is not a folder"),
    "no split": (lambda root: shutil.rmtree(root / "validation"), "validation is missing"),
    "no annotations": (lambda root: (root / ANNOTATIONS).unlink(), "auto_lang_ann.npy"),
    "annotations cut short": (
        lambda root: (root / ANNOTATIONS).write_bytes((root / ANNOTATIONS).read_bytes()[:200]),
        "auto_lang_ann.npy",
    ),
    "annotations of noise": (
        lambda root: (root / ANNOTATIONS).write_bytes(b"noise" * 50),
        "auto_lang_ann.npy",
    ),
    "annotations without tasks": (_without_tasks, "'task'"),
    "annotation outside all episodes": (_outside, "info.indx[0]"),
    "hostile annotations": (_hostile, "nothing in the file was run"),
    "hostile bare pickle": (_bare_hostile, "nothing in the file was run"),
    "hostile pickle in a frame": (_pickled_in_archive, FRAME.name),
    "no bounds": (lambda root: (root / "training/ep_start_end_ids.npy").unlink(), "ep_start_end_ids.npy"),
    "truncated frame": (_truncated, f"{FRAME.name} is damaged"),
    "flipped byte in a frame": (_flipped, f"{FRAME.name} is damaged"),
    "empty frame": (lambda root: (root / FRAME).write_bytes(b""), f"{FRAME.name} is damaged"),
    "frame gap": (lambda root: (root / FRAME).unlink(), "gap at frame 102"),
    "wrong action shape": (_changed("rel_actions", np.zeros(6)), "rel_actions has shape (6,)"),
    "wrong picture shape": (
        _changed("rgb_static", np.zeros((100, 200, 3), np.uint8)),
        "rgb_static has shape",
    ),
    "wrong picture type": (_changed("rgb_gripper", np.zeros((84, 84, 3))), "rgb_gripper is float64"),
    "field missing": (_changed("robot_obs", None), "has no robot_obs"),
    "not a number": (_changed("actions", np.full(7, np.nan)), "actions is not finite"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_dataset_is_refused_before_anything_is_made(
    damage: str, data: Path, at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it, says = DAMAGE[damage]
    break_it(data)
    line = refused(submit(at, "--arms", "recon", "--data", str(data)), capsys)
    assert says in line
    assert str(data) in line, "the sentence names the place"
    assert not at.exists()
    assert not (data / "it-ran").exists()


def test_a_sound_dataset_is_accepted(data: Path, at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same folder undamaged, or the refusals above show nothing."""
    assert cli.main([*submit(at, "--arms", "recon", "--data", str(data)), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["jobs_added"] > 5


# --- options and configuration ----------------------------------------------------------------------------

WRONG: dict[str, tuple[list[str], str]] = {
    "unknown preset": (["--preset", "huge"], "unknown preset 'huge'"),
    "unknown arm": (["--arms", "recon,recno"], "unknown arm 'recno'"),
    "arm twice": (["--arms", "recon,recon"], "twice"),
    "unknown key": (["--set", "training.stepz=3"], "training.stepz"),
    "unknown model key": (["--set", "model.override.depth=3"], "unknown key 'depth'"),
    "negative steps": (["--set", "training.steps=-3"], "training.steps"),
    "no steps": (["--set", "training.steps=0"], "training.steps"),
    "negative rate": (["--set", "training.learning_rate=-0.1"], "training.learning_rate"),
    "infinite rate": (["--set", "training.learning_rate=.inf"], "training.learning_rate"),
    "word for a number": (["--set", "training.batch_size=many"], "training.batch_size"),
    "value for a section": (["--set", "training=3"], "training"),
    "no equals sign": (["--set", "training.steps"], "key.path=value"),
    "broken YAML value": (["--set", "arms=[recon"], "not YAML"),
    "negative seed": (["--seeds", "0,-1"], "seeds"),
    "seed of letters": (["--seeds", "a"], "seeds"),
    "unknown scene": (["--set", "data.training_scenes=[E]"], "training_scenes"),
    "unknown task": (["--set", "data.tasks=[fly]"], "unknown task 'fly'"),
    "unknown detector": (["--set", "gaze.detector=crystal_ball"], "crystal_ball"),
    "unknown model size": (["--set", "model.size=700b"], "700b"),
    "no such config": (["--config", "/nonexistent.yaml"], "/nonexistent.yaml"),
    "a ~ of nobody": (
        ["--data", "~nobody-of-this-name/x"],
        "--data: ~nobody-of-this-name names no home folder",
    ),
    "a ~ of nobody in a value": (
        ["--set", "data.root=~nobody-of-this-name/x"],
        "data.root: ~nobody-of-this-name",
    ),
    "a ~ of nobody for weights": (
        ["--set", "model.backbones.vision=~nobody-of-this-name/x"],
        "model.backbones.vision: ~nobody-of-this-name",
    ),
    "a ~ of nobody for instructions": (
        ["--set", "evaluation.instructions=~nobody-of-this-name"],
        "evaluation.instructions: ~nobody-of-this-name",
    ),
    "no duration": (["--session-limit", "soon"], "'soon' is not a duration"),
    "negative duration": (["--session-limit", "-5"], "positive"),
    "GPU of letters": (["--gpus", "first"], "--gpus"),
    "negative CPUs": (["--cpus", "-1"], "--cpus"),
    "unknown option": (["--frobnicate"], "--frobnicate"),
    "model value of a wrong type": (["--set", "model.override.vision=3"], "vision"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_options_are_refused_before_anything_is_made(
    wrong: str, at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, says = WRONG[wrong]
    assert says in refused(submit(at, *options), capsys)
    assert not at.exists()


@pytest.mark.parametrize("preset", ["calvin-debug", "calvin-abc-d"])
def test_calvins_presets_name_what_is_not_beside_them(
    preset: str,
    at: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["--home", str(at), "submit-ablation", "--preset", preset, "--detach"]
    assert f"{load_config(preset).data.root} is not a folder" in refused(command, capsys)
    assert cli.main([*command, "--data", str(data)]) == 3
    vision = load_config(preset).model.backbones.vision
    assert f"{vision} is not a folder; copy the pretrained model there" in capsys.readouterr().err
    assert not at.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [("training: {stepz: 3}", "stepz"), ("- a list", "mapping"), ("a: [", "not YAML"), ("name: 3", "name")],
)
def test_a_wrong_config_file_is_refused(
    text: str, says: str, at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    line = refused(submit(at, "--config", str(file)), capsys)
    assert says in line and str(file) in line
    assert not at.exists()


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "submitt" in refused(["submitt"], capsys)


# --- homes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [".", "below"])
def test_a_home_that_cannot_be_written_is_refused(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands where the folder should be: what permissions forbid, they do not forbid root."""
    file = tmp_path / "taken"
    file.write_text("mine")
    assert "cannot write the home folder" in refused(submit(file / place), capsys)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("command", [["up"], ["status"], ["artifacts"], ["events"], ["report"]])
def test_a_home_that_does_not_exist_is_not_made(
    command: list[str], at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no Baton home" in refused(["--home", str(at), *command], capsys)
    assert not at.exists()


@pytest.mark.parametrize("command", [["up"], ["submit-ablation", "--preset", "smoke", "--arms", "baseline"]])
def test_a_second_command_on_one_home_is_refused(
    command: list[str], at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(submit(at, "--arms", "recon")) == 0
    with Home(at).exclusive("up"):
        before = content(at)
        line = refused(["--home", str(at), *command], capsys)
        assert "already being run by 'up'" in line and str(os.getpid()) in line
        assert content(at) == before


@pytest.mark.parametrize("command", [["status", "nothing"], ["report", "nothing"]])
def test_an_ablation_that_does_not_exist(
    command: list[str], at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(submit(at, "--arms", "recon")) == 0
    assert "nothing" in refused(["--home", str(at), *command], capsys)


def test_a_state_that_is_no_database_is_refused(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at.mkdir()
    (at / "state.db").write_bytes(b"these are notes of mine, and no database\n" * 100)
    line = refused(["--home", str(at), "status"], capsys)
    assert "state.db" in line
    assert (at / "state.db").read_bytes().startswith(b"these are notes")


def test_a_state_url_that_leads_nowhere_is_refused_without_showing_its_password(
    at: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_STATE_URL", "nosuch://user:secret@host/state")
    line = refused(["--home", str(at), "status"], capsys)
    assert "BATON_STATE_URL" in line and "secret" not in line


def test_a_worker_without_a_broker_says_what_to_give(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "REDIS_URL" in refused(["--home", str(at), "worker"], capsys, code=3)


# --- good use ---------------------------------------------------------------------------------------------


def test_submitting_again_changes_nothing(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for expected in (True, False):
        assert cli.main([*submit(at, "--arms", "recon"), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["jobs_added"] > 0) == expected
    assert document["jobs_shared"] > 0


def test_status_of_what_was_submitted(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(submit(at, "--name", "mine", "--arms", "baseline,recon", "--seeds", "0,1")) == 0
    capsys.readouterr()
    assert cli.main(["--home", str(at), "status", "mine", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (entry,) = document["ablations"]
    assert document["home"] == str(at)
    assert (entry["name"], entry["state"]) == ("mine", "running")
    assert [(run["arm"], run["seed"], run["step"]) for run in entry["runs"]] == [
        ("baseline", 0, 0),
        ("recon", 0, 0),
        ("baseline", 1, 0),
        ("recon", 1, 0),
    ]
    assert set(entry["jobs"]) == {"blocked", "ready", "queued", "running", "succeeded", "failed", "cancelled"}


def test_every_command_has_a_module_and_help() -> None:
    for name, (_, text) in cli.COMMANDS.items():
        command = cli.cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None and command.name == name and text.endswith(".")
        assert CliRunner().invoke(command, ["--help"]).exit_code == 0


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, cli\n"
        "assert cli.main(['--help']) == 0\n"
        "heavy = {'torch', 'transformers', 'celery', 'sqlalchemy', 'numpy', 'pybullet', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "submit-ablation" in done.stdout


def test_a_full_disk_is_exit_code_4_even_where_nobody_can_be_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard error is a file on the disk that is full."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("db.migrate.open_state", full)
    monkeypatch.setattr("sys.stderr", SimpleNamespace(write=full, flush=full))
    home.state_db.touch()
    assert cli.main(["--home", str(home.root), "status"]) == 4


def test_a_name_that_the_shells_encoding_lacks_is_printed_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(printed, encoding="ascii", write_through=True))
    assert cli.main(["--help"]) == 0
    print("d\u00e9j\u00e0")
    assert printed.getvalue().endswith(b"d\\xe9j\\xe0\n")


@pytest.mark.parametrize("words", [["logs"], ["bundle", "export"]])
def test_what_a_command_misses_is_told_with_where_it_stands(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Missing argument '")
    assert said.endswith(f"'; what it takes: python cli.py {' '.join(words)} --help\n")
