"""What is refused of a submission in the foreground, whose workers have too few GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

import cli
from commands.checks.trial import Trial
from commands.submit import _check_devices, _check_nodes, _check_threads
from db import members
from db.engine import Database
from db.schema import Session
from errors import ConfigError
from experiments.reconvla.named_config import load_config
from settings import given
from settings.home import Home
from settings.typed import typed
from tests.support import NOW, worker
from workers.supervisor import Devices

SMOKE = ("submit-ablation", "--preset", "smoke")
#: Of rows, where an ablation is planned.
CHECKS = ("check_new", "check_distinct", "check_needed")


@pytest.mark.parametrize("stage", ["training", "pretraining"])
def test_more_gpus_than_a_worker_of_a_session_has(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.run.devices_of", lambda *_: Devices([(0,)], 1, {0: "a GPU"}))
    home = tmp_path / "home"
    wanted = ("--home", str(home), *SMOKE, "--set", f"{stage}.devices=2")
    assert cli.main(list(wanted)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"error: {stage}.devices is 2, but the workers of this session have 1 GPU together"
    )
    assert line.endswith("--gpus 0,1") and not home.exists()
    assert cli.main([*wanted, "--detach"]) == 0, "a worker that has both may come"


def test_where_other_machines_may_have_them_it_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config("smoke", None, ("training.devices=8",))
    _check_devices(config, 2, shared=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: training.devices is 8")
    with pytest.raises(ConfigError):
        _check_devices(config, 7, shared=False)
    _check_devices(config, 8, shared=False)
    _check_devices(load_config("smoke"), 1, shared=False)
    assert capsys.readouterr().err == ""


def test_gpus_that_are_not_there_are_refused_before_anything_is_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker would compute on the processor, and the record would name a GPU."""
    monkeypatch.setattr("settings.gpus.ask_nvidia_smi", lambda *_: [])
    monkeypatch.setattr("commands.gpus.try_machine", lambda gpus: Trial(torch="2.9 (built without CUDA)"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    home = tmp_path / "home"
    assert cli.main(["--home", str(home), *SMOKE, "--gpus", "0,1"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "GPUs 0, 1 are asked for, and torch 2.9 (built without CUDA) sees 0 of them" in line
    assert not home.exists()
    assert cli.main(["--home", str(home), *SMOKE, "--detach"]) == 0
    assert cli.main(["--home", str(home), "up", "--gpus", "0"]) == 3


@pytest.mark.parametrize(
    ("url", "code", "said"), [("amqp://here", 2, "is none"), ("redis://127.0.0.1:9/0", 3, "does not answer")]
)
def test_a_broker_that_cannot_be_used_ends_it_before_anything_is_made(
    url: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    words = ["submit-ablation", "--preset", "smoke", "--gpus", "none", "--broker", url]
    assert cli.main(["--home", str(home), *words]) == code
    assert said in capsys.readouterr().err
    assert not home.exists()


def test_what_only_plans_asks_no_gpu_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: str) -> list[str]:
        raise AssertionError("a driver that hangs would be waited for")

    monkeypatch.setattr("settings.gpus.ask_nvidia_smi", asked)
    assert cli.main(["--home", str(tmp_path / "home"), *SMOKE, "--detach"]) == 0
    assert cli.main(["--home", str(tmp_path / "home"), *SMOKE, "--detach", "--gpus", "x"]) == 2


def test_what_only_plans_asks_no_broker_of_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs lie in the state, and whoever runs them rings."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    assert cli.main(["--home", str(tmp_path / "home"), *SMOKE, "--detach"]) == 0
    assert cli.main(["--home", str(tmp_path / "other"), *SMOKE]) == 3
    assert not (tmp_path / "other").exists()


def test_more_threads_than_cores_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(given, "cores", lambda: given.Cores(2, 64, "SLURM_CPUS_PER_TASK=2"))
    _check_threads(load_config("smoke", None, ["training.threads=3", "evaluation.threads=2"]))
    lines = capsys.readouterr().err.splitlines()
    assert (
        lines[0]
        == "warning: training.threads is 3, more than the 2 cores given (SLURM_CPUS_PER_TASK=2): slower"
    )


def test_an_arm_of_its_own_devices_and_threads_is_looked_at_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = "arms={recon: null, wide: {base: recon, set: {training.devices: 2, training.threads: 1000}}}"
    config = load_config("smoke", None, (arms,))
    with pytest.raises(ConfigError, match=r"^training\.devices of the arm wide is 2, but the workers"):
        _check_devices(config, 1, shared=False)
    _check_threads(config)
    assert "training.threads of the arm wide is 1000, more than the" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.lora.rank=8", "training.lora is trained on one device, and training.devices is 2"),
        ("training.precision=fp16", "training.precision fp16 is trained on one device"),
        ("pretraining.lora.four_bit=true", "pretraining.lora is trained on one device"),
    ],
)
def test_what_is_trained_on_one_device_is_refused_with_several(
    setting: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, stage = tmp_path / "home", setting.partition(".")[0]
    words = ["--home", str(home), *SMOKE, "--detach", "--set", setting, "--set", f"{stage}.devices=2"]
    assert cli.main([*words, "--set", "model.size=small"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}") and not home.exists()


def test_a_session_on_the_processor_takes_any_number_of_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[object] = []
    monkeypatch.setattr("commands.run.run_home", lambda *given, **options: ran.append(given))
    words = ["--home", str(tmp_path / "home"), *SMOKE, "--gpus", "none", "--set", "training.devices=3"]
    assert cli.main(words) != 2 and len(ran) == 1, "it would begin"


def test_room_is_asked_for_once_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def told_room(home: object, proposal: object) -> str:
        asked.append(proposal)
        return "9 GB are yet to come"

    monkeypatch.setattr("commands.hub_room.told_room", told_room)
    words = ["--home", str(tmp_path / "home"), *SMOKE, "--detach"]
    for times in (1, 2):
        assert cli.main(words) == 0
        assert len(asked) == times
        assert capsys.readouterr().err.count("9 GB are yet to come") == 1


def test_what_is_refused_does_not_hold_the_home_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else another command that starts beside it would be refused too."""

    def held(*_: object) -> None:
        raise AssertionError("the home is held")

    where = ["--home", str(tmp_path / "home")]
    assert cli.main([*where, *SMOKE, "--detach"]) == 0
    monkeypatch.setattr(Home, "exclusive", held)
    refused = [*where, *SMOKE, "--gpus", "none", "--set", "training.steps=7"]
    assert cli.main(refused) == 2
    assert "is in this home with other settings: training.steps is" in capsys.readouterr().err


def test_a_plan_is_made_once_unless_the_home_changes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes, and whatever another submitted between."""
    from experiments import proposal

    made: list[object] = []
    propose, exclusive = proposal.propose, Home.exclusive
    between: list[list[str]] = []

    def counted(*given: Any) -> Any:
        made.append(given)
        return propose(*given)

    def held(home: Home, command: str) -> Any:
        for words in between:
            assert cli.main(words) == 0
        made.clear()
        return exclusive(home, command)

    monkeypatch.setattr("experiments.proposal.propose", counted)
    monkeypatch.setattr("commands.run.run_home", lambda *_, **__: None)
    monkeypatch.setattr(Home, "exclusive", held)
    where = ["--home", str(tmp_path / "home")]
    for _ in range(2):
        assert cli.main([*where, *SMOKE, "--gpus", "none"]) == 1, "nobody does it"
        assert made == []
    between.append([*where, *SMOKE, "--name", "other", "--detach"])
    assert cli.main([*where, *SMOKE, "--gpus", "none"]) == 1
    assert len(made) == 1


def test_a_run_over_machines_that_share_no_state_is_told_to_wait(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config("smoke", None, ("training.devices=8", "training.nodes=2"))
    _check_nodes(config, home)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: training.nodes is 2, and the state lies in this home")
    monkeypatch.setenv("BATON_STATE_URL", "postgresql://there/baton")
    _check_nodes(config, home)
    assert capsys.readouterr().err == ""
    with pytest.raises(ConfigError, match=r"training\.devices for each of 2 machines is 4, but"):
        _check_devices(config, 2, shared=False)
    _check_devices(config, 4, shared=False)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("training.devices=3", "training.nodes=2"), r"devices \(3\) is not a multiple of nodes \(2\)"),
        (("training.devices=2", "training.elastic=true"), "nodes is 1"),
    ],
)
def test_machines_have_as_many_devices_each(said: tuple[str, ...], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load_config("smoke", None, said)


def test_a_row_of_no_effect_that_was_submitted_before_is_told_how_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier builds took such rows."""
    (file := tmp_path / "mine.yaml").write_text(
        "arms: {recon: null, alike: {base: recon, set: {gaze.weights: /nowhere}}}\n"
    )
    wanted = ["--home", str(tmp_path / "home"), *SMOKE, "--config", str(file), "--detach"]
    assert cli.main(wanted) == 2
    assert "goes on" not in capsys.readouterr().err
    with monkeypatch.context() as before:
        for check in ("named_config.check_new", *map("planner.{}".format, CHECKS)):
            before.setattr(f"experiments.reconvla.{check}", lambda *_: None)
        assert cli.main(wanted) == 0
    capsys.readouterr()
    for words in (wanted, [*wanted[:2], "plan", *wanted[3:-1]]):
        assert cli.main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "arms.alike.set: gaze.weights changes nothing in" in line
        assert "; ablation mine (1), which has it, goes on with: " in line and line.endswith(
            "up --until-done"
        )


def test_what_is_left_to_a_session_that_runs_is_not_told_to_be_run(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """`up` beside it would be refused."""
    words = ["--home", str(home.root), *SMOKE, "--detach"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out.endswith(f"; run them with: {typed('up --until-done', home)}\n")
    session = members.open_session(database, "up", None, NOW)
    watch = typed("status --watch", home)
    assert cli.main(words) == 0
    told = f"; session {session}, which runs, takes them up; watch it with: {watch}\n"
    assert capsys.readouterr().out.endswith(told)
    assert cli.main([*words[:2], "evaluate", "recon seed 0"]) == 2
    assert capsys.readouterr().err.endswith(f"takes it up; watch it with: {watch}\n")
    members.close_session(database, session, "interrupted", NOW)
    worker(database)
    assert cli.main(words) == 0
    assert capsys.readouterr().out.endswith(
        f"; workers are there, which take them up; watch them with: {watch}\n"
    )


def test_a_session_that_cannot_be_seen_from_here_may_be_there_or_not(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    session = members.open_session(database, "up", None, NOW)
    with database.write() as tx:
        tx.execute(update(Session).values(process_space="elsewhere"))
    assert cli.main(["--home", str(home.root), *SMOKE, "--detach"]) == 0
    up = typed("up --until-done", home)
    unless = f"(unless session {session}, not seen from here, still runs)"
    assert capsys.readouterr().out.endswith(f"; run them with: {up} {unless}\n")
