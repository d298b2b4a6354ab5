"""Wrong options, configurations and homes: one sentence, the right exit code, and nothing changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cli
from experiments.reconvla.named_config import load_config
from settings.home import Home
from tests.refusals import _sound as _sound
from tests.refusals import at as at
from tests.refusals import content, refused, submit
from tests.refusals import data as data

WRONG: dict[str, tuple[list[str], str]] = {
    "unknown preset": (["--preset", "huge"], "unknown preset 'huge'"),
    "unknown arm": (["--arms", "recon,recno"], "unknown arm 'recno'"),
    "arm twice": (["--arms", "recon,recon"], "twice"),
    "unknown key": (["--set", "training.stepz=3"], "training.stepz"),
    "unknown model key": (["--set", "model.override.depth=3"], "unknown key 'depth'"),
    "mistyped model key": (["--set", "model.override.vison={}"], "; did you mean vision?"),
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
    "mistyped task": (["--set", "data.tasks=[opn_drawer]"], "(did you mean 'open_drawer'?)"),
    "unknown detector": (
        ["--set", "gaze.detector=crystal_ball"],
        "gaze.detector: unknown detector 'crystal_ball'",
    ),
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
    "empty data": (["--data", ""], "--data is empty"),
    "empty data, joined": (["--data="], "--data is empty"),
    "empty arms": (["--arms", ""], "--arms is empty"),
    "empty seeds": (["--seeds", ""], "--seeds is empty"),
    "empty preset": (["--preset", ""], "--preset is empty"),
    "empty broker": (["--broker", ""], "--broker is empty"),
    "empty notice file": (["--notice-file", ""], "--notice-file is empty"),
    "an empty path in a value": (["--set", "data.root=''"], "data.root: a path has at least one character"),
    "no duration": (["--session-limit", "soon"], "'soon' is not a duration"),
    "negative duration": (["--session-limit", "-5"], "positive"),
    "GPU of letters": (["--gpus", "first"], "--gpus"),
    "CPUs of letters": (["--cpus", "many"], "'many' is no whole number"),
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


@pytest.mark.parametrize("preset", ["calvin-debug", "calvin-abc-d", "calvin-abc-d-8gpu"])
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
    [("training: {stepz: 3}", "stepz"), ("- a list", "mapping"), ("a: [", "not YAML"), ("name: [3]", "name")],
)
def test_a_wrong_config_file_is_refused(
    text: str, says: str, at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    line = refused(submit(at, "--config", str(file)), capsys)
    assert says in line and str(file) in line
    assert not at.exists()


@pytest.mark.parametrize(
    "words", [["data", "check", ""], ["evaluate", ""], ["bundle", "import", ""], ["logs", "", "--follow"]]
)
def test_an_empty_argument_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = words[words.index("") - 1]
    assert f"what follows '{before}' is empty" in refused(words, capsys)


@pytest.mark.parametrize("words", [[], ["bundle"], ["checkpoint"], ["data"], ["ablation"]])
def test_who_names_no_command_sees_which_there_are_in_lines(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Usage: ") and "error" not in lines[0]
    assert "Commands:" in lines
    assert cli.main([*words, "--help"]) == 0
    assert capsys.readouterr().out.splitlines() == lines


def test_serve_takes_no_empty_address(capsys: pytest.CaptureFixture[str]) -> None:
    """To a socket it means every address of the machine."""
    assert "--host is empty" in refused(["serve", "3f2a9c01", "--host", ""], capsys)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "submitt" in refused(["submitt"], capsys)


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


@pytest.mark.parametrize("command", ["worker", "scheduler"])
def test_a_home_that_cannot_be_is_told_before_a_broker_that_is_not_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine\n")
    assert "it is no folder" in refused(["--home", str(tmp_path / "file"), command], capsys)


def test_a_worker_without_a_broker_says_what_to_give(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "REDIS_URL" in refused(["--home", str(at), "worker"], capsys, code=3)


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["submti-ablation"], "submit-ablation"), (["statsu"], "status"), (["artifacts", "verfy"], "verify"),
        (["bundle", "exprot"], "export"), (["data", "chekc"], "check"), (["ablation", "remvoe"], "remove"),
    ],
)  # fmt: skip
def test_a_mistyped_command_gets_a_suggestion(
    words: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert capsys.readouterr().err == f"error: No such command '{words[-1]}'; did you mean {near}?\n"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("Baton ")
