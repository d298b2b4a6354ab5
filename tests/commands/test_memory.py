"""What is refused of training that no device of a session has the memory for, and what is proposed instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli
from commands.checks import science
from commands.checks.trial import Trial
from commands.memory import Room, check
from db.rows import OpenJob
from errors import ConfigError
from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import planned_config
from settings.given import Memory
from tests.training import training_spec

GIB = 2**30


def job(size: str = "7b", kind: str = "train", **training: Any) -> OpenJob:
    """Of the baseline, which needs no autoencoder."""
    spec = training_spec(1, arm="baseline", **training)
    spec["model"]["config"] = planned_config(size, {}, built_in_method("baseline"))
    return OpenJob(kind, f"{kind} baseline seed 0", spec)


def cards(gib: float, *groups: tuple[int, ...], shared: bool = False) -> Room:
    return Room(groups, {gpu: int(gib * GIB) for group in groups for gpu in group}, shared)


FULL = {"precision": "bf16", "gradient_checkpointing": True}


def test_full_training_of_7b_is_refused_on_80_gb_with_what_fits() -> None:
    with pytest.raises(ConfigError) as refused:
        check([job(**FULL)], cards(80, (3,)))
    sentence = str(refused.value)
    assert sentence.startswith("train baseline seed 0 needs 115.7 GiB")
    assert "weights 30.0, gradients 28.4, moments 56.9" in sentence and "GPU 3 has 80.0:" in sentence
    assert (
        "--set 'training.lora={rank: 16, alpha: 32, four_bit: false}' takes 16.3; over 2 devices each takes"
        in sentence
    )
    check([job(**FULL)], cards(141, (0,)))


def test_each_of_several_cards_holds_its_share() -> None:
    check([job(**FULL, devices=8)], cards(24, tuple(range(8))))
    with pytest.raises(ConfigError) as refused:
        check([job(**FULL, devices=2)], cards(60, (0, 1)))
    sentence = str(refused.value)
    assert "weights 15.0, gradients 14.2, moments 28.4" in sentence
    assert "--set 'training.devices=1' --set 'training.lora={" in sentence
    assert "; over 4 devices each takes 3" in sentence


def test_ranks_on_the_processor_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.memory.given.memory", lambda: Memory(12 * GIB, 12 * GIB, ""))
    assert Room((), {}).largest(1) == ("this machine", 12.0)
    assert Room((), {}).largest(2) == ("each of 2 ranks on this machine", 6.0)


@pytest.mark.parametrize("devices", [2, 8])
def test_on_the_processor_one_device_has_what_several_would_share(
    devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7b over ranks of a machine of 24 GiB: what fits one device of it is proposed, and no more ranks on it."""
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    monkeypatch.setattr("commands.memory.given.memory", lambda: Memory(24 * GIB, 24 * GIB, ""))
    with pytest.raises(ConfigError) as alone:
        check([job(**FULL)], Room((), {}))
    lora = "--set 'training.lora={rank: 16, alpha: 32, four_bit: false}' takes "
    assert lora in str(alone.value) and "over" not in str(alone.value)
    with pytest.raises(ConfigError) as several:
        check([job(**FULL, devices=devices)], Room((), {}))
    assert f"--set 'training.devices=1' {lora}" in str(several.value)


def test_what_cannot_fit_is_told_with_the_least_that_it_takes() -> None:
    with pytest.raises(ConfigError) as refused:
        check([job(**FULL, devices=2)], cards(4, (0, 1)))
    least = "--set 'training.devices=1' --set 'training.lora={rank: 16, alpha: 32, four_bit: true}' takes "
    assert f"no way to train this size fits; choose a smaller model.size; the least of it, {least}" in str(
        refused.value
    )


def test_devices_of_several_machines_are_counted_on_each() -> None:
    check([job(**FULL, devices=8, nodes=2)], cards(24, (0, 1, 2, 3)))
    with pytest.raises(ConfigError) as refused:
        check([job(**FULL, devices=4, nodes=2, elastic=True)], cards(30, (0,), (1,)))
    changes = ("elastic=false", "nodes=1", "devices=1")
    assert " ".join(f"--set 'training.{one}'" for one in changes) in str(refused.value)
    assert "; over 8 devices each takes 2" in str(refused.value)


@pytest.mark.parametrize(
    ("size", "gib", "training", "proposed"),
    [
        ("small", 8.5, {}, "gradient_checkpointing=true' --set 'pretraining.precision=bf16' --set 'pretraining.lora={"),
        ("7b", 16, FULL, "--set 'pretraining.lora={rank: 16, alpha: 32, four_bit: true}' takes"),
        ("7b", 16, {**FULL, "lora": {"rank": 64, "alpha": 8, "four_bit": False}},
         "--set 'pretraining.lora={rank: 64, alpha: 8, four_bit: true}' takes"),
        ("7b", 4, FULL, "no way to train this size fits; choose a smaller model.size"),
    ],
)  # fmt: skip
def test_the_least_change_that_fits_is_proposed(
    size: str, gib: float, training: dict[str, Any], proposed: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        check([job(size, kind="pretrain", **training, batch_size=1)], cards(gib, (0,)))
    assert proposed in str(refused.value)


def test_the_best_cards_count_and_the_smallest_of_them() -> None:
    room = Room([(0, 1), (2, 3)], {0: 200 * GIB, 1: 80 * GIB, 2: 90 * GIB, 3: 91 * GIB})
    assert room.largest(1) == ("GPU 0", 200.0)
    assert room.largest(2) == ("GPU 3", 91.0)
    assert room.largest(4) == ("GPU 1", 80.0)
    assert room.largest(5) is None


def test_where_workers_have_not_as_many_devices_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    check([job(**FULL, devices=8)], cards(80, (0, 1), (2,)))
    assert "asks for 8 devices, and the workers here have 3: nothing was compared" in capsys.readouterr().err


def test_other_machines_may_have_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    check([job(**FULL), job(**FULL)], cards(80, (0,), shared=True))
    check([job(**FULL)], cards(80, (0,)), refuse=False)
    first, second = capsys.readouterr().err.splitlines()
    assert first == second and first.startswith("warning: train baseline seed 0 needs 115.7 GiB")


def test_a_micro_batch_that_will_be_halved_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    check([job(**FULL, micro_batch=40, batch_size=40)], cards(120, (0,)))
    (line,) = capsys.readouterr().err.splitlines()
    assert "a micro-batch of 40 needs" in line and "--set training.micro_batch=1 spares the tries" in line
    check([job(**FULL, batch_size=40)], cards(120, (0,)))
    assert capsys.readouterr().err == "", "without one it is found out, as ever"


def test_what_cannot_be_estimated_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = OpenJob("train", "train mine seed 0", {**job().spec})
    unknown.spec["model"]["config"] = {**unknown.spec["model"]["config"], "depth": 3}
    unreadable = OpenJob("train", "its worker says why", {})
    check([unknown, unreadable, OpenJob("gaze", "gaze", {}), job("toy")], cards(80, (0,)))
    check([job(**FULL)], Room([(0,)], {}))
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: train mine seed 0: what it takes of memory is not known here: ")
    assert "no GPU told its memory" in second


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.memory.given.memory", lambda: Memory(6 * GIB, 6 * GIB, ""))


def test_a_submission_is_refused_before_anything_is_made_and_up_warns(
    small_machine: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    words = ["--home", str(home), "submit-ablation", "--preset", "smoke", "--set", "model.size=small"]
    words += ["--set", "arms=[baseline]"]
    assert cli.main([*words, "--gpus", "none"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: train baseline seed 0 needs 14.5") and "this machine has 6.0" in line
    assert "the copy of a checkpoint 5.9)" in line, "in the memory that it is trained in"
    assert not home.exists()
    assert cli.main([*words, "--detach"]) == 0, "a larger machine may come"
    capsys.readouterr()
    ran: list[object] = []
    monkeypatch.setattr("commands.run.run_home", lambda *given, **options: ran.append(given))
    assert cli.main(["--home", str(home), "up", "--gpus", "none"]) == 0
    assert capsys.readouterr().err.startswith("warning: train baseline seed 0 needs 14.5") and len(ran) == 1
    again = [*words, "--name", "again", "--set", "training.learning_rate=0.5", "--gpus", "none"]
    assert cli.main(again) == 2, "in a home that is there new jobs are refused too"


@pytest.mark.parametrize(
    ("gib", "cards", "fits", "not_"),
    [
        (15, 2, "7b QLoRA (", "7b LoRA ("),
        (79, 2, "7b full over 2 GPUs (67.3 each)", ""),
        (40, 2, "7b LoRA (", "7b full (118.2; over 4 such GPUs 38.2 each)"),
        (40, 4, "7b full over 4 GPUs (38.2 each)", ""),
        (141, 1, "7b full (118.2)", ""),
    ],
)
def test_doctor_says_what_can_be_trained(
    gib: int, cards: int, fits: str, not_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    gpu: Callable[[int], Any] = lambda size: {"fault": None, "memory_bytes": size * GIB}  # noqa: E731
    gpus = [gpu(gib + number) for number in reversed(range(cards))]
    monkeypatch.setattr(science, "try_machine", lambda packages: Trial({}, gpus))
    told = science._room_for_training().detail
    does, _, does_not = told.partition("; does not: ")
    assert f"a GPU has {gib}.0 GiB" in does and fits in does and not_ in does_not
    assert bool(does_not) is bool(not_)
