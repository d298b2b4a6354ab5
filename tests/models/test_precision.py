"""Exact resume in every precision and with every way to save memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from errors import TrainingDiverged
from models.checkpoint import weights_of
from models.precision import check_scale, load_scaler, make_scaler, scaler_state
from models.recipe import load_model, recipe_of
from models.weight_files import open_file
from tasks.context import Finished, InputFile
from tasks.results import TrainResult
from tasks.train import run as train
from tasks.train.state import TrainState
from tasks.train.step import train_step
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import model_spec, training_spec, write_training_index

STEPS = 3
CPU = torch.device("cpu")
LORA = {"rank": 4, "alpha": 8, "four_bit": False}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[InputFile, ...]:
    files = write_training_index(tmp_path_factory.mktemp("index"))
    return tuple(input_file("index", "index", name, path) for name, path in files.items())


def trained(
    folder: Path, index: Sequence[InputFile], cut: int | None, **training: Any
) -> tuple[str, FakeContext, Path]:
    """Digest of the final weights of a run that is cut after `cut` steps and resumed from files."""
    spec = training_spec(STEPS, **training)
    context: FakeContext | None = None
    for checks in (cut, None) if cut else (None,):
        context = FakeContext(folder, spec, index, earlier=context, checks=checks)
        result = train.run(context)
    assert context is not None and isinstance(result, Finished)
    file = result.artifacts[0].file
    context.published_points += result.points
    return hashlib.sha256(file.read_bytes()).hexdigest(), context, file


@pytest.fixture(scope="module")
def plain(index: tuple[InputFile, ...], tmp_path_factory: pytest.TempPathFactory) -> str:
    """By the libraries' modules, which compute all of these but micro batches."""
    return trained(tmp_path_factory.mktemp("plain"), index, None, operations=None)[0]


@pytest.mark.parametrize(
    "training",
    [
        {"precision": "bf16"},
        {"precision": "fp16"},
        {"gradient_checkpointing": True},
        {"micro_batch": 2},
        {"lora": LORA},
        {"lora": {**LORA, "four_bit": True}, "precision": "bf16"},
    ],
    ids=["bf16", "fp16", "gradient checkpointing", "micro batches", "lora", "qlora"],
)
def test_a_cut_run_gives_the_weights_of_the_uncut_one(
    tmp_path: Path, index: tuple[InputFile, ...], plain: str, training: dict[str, Any]
) -> None:
    if training.get("lora"):
        pytest.importorskip("peft", reason="needs the extra `lora`")
        if training["lora"]["four_bit"]:
            pytest.importorskip("bitsandbytes", reason="needs the extra `qlora`")
    uncut, whole, _ = trained(tmp_path / "uncut", index, None, **training)
    cut, pieces, file = trained(tmp_path / "cut", index, 2, **training)
    assert cut == uncut
    assert whole.published_points == pieces.published_points
    assert (cut == plain) == bool(training.get("gradient_checkpointing")), (
        "computing activations again gives the same bits; everything else is another order of sums"
    )
    config = recipe_of(model_spec(training_spec(1))).config
    assert load_model(config, file).config == config, (
        "whatever trained it, the result is a checkpoint like any"
    )


def test_fp16_leaves_out_a_step_that_overflows_and_halves_the_scale(
    tmp_path: Path, index: tuple[InputFile, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scale far beyond fp16's largest number overflows with any gradient; the next step finds another."""
    scales, changed = [], []
    monkeypatch.setattr(
        "tasks.train.state.make_scaler", lambda *_: torch.amp.GradScaler("cpu", init_scale=2.0**100)
    )

    def watched(train_state: TrainState, *arguments: Any) -> dict[str, float]:
        if not scales:
            scales.append(train_state.scaler.get_scale())
        before = {name: tensor.clone() for name, tensor in weights_of(train_state.model).items()}
        losses = train_step(train_state, *arguments)
        scales.append(train_state.scaler.get_scale())
        changed.append(any(not torch.equal(t, before[n]) for n, t in weights_of(train_state.model).items()))
        if len(scales) == 2:
            train_state.scaler.update(2.0**10)
        return losses

    monkeypatch.setattr(train, "train_step", watched)
    _, context, _ = trained(tmp_path, index, 2, precision="fp16")
    assert scales == [2.0**100, 2.0**99, 2.0**10, 2.0**10]
    assert changed == [False, True, True]
    optimizer = next(file for file in context.published if file.name == "optimizer")
    assert open_file(optimizer.path)["gradient_scaler"].tolist() == [2.0**10, 1], "it goes on with that scale"


def test_steps_that_fp16_left_out_are_told_and_a_run_of_nothing_else_fails(
    tmp_path: Path, index: tuple[InputFile, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: str, scale: float) -> Finished:
        monkeypatch.setattr(
            "tasks.train.state.make_scaler", lambda *_: torch.amp.GradScaler("cpu", init_scale=scale)
        )
        result = train.run(FakeContext(tmp_path / folder, training_spec(STEPS, precision="fp16"), index))
        assert isinstance(result, Finished)
        return result

    sound = run("sound", 2.0**4)
    assert (sound.result, sound.notes) == (TrainResult(steps=3, overflowed_steps=0), [])
    with pytest.raises(TrainingDiverged, match="fp16 in each of 3 steps, so nothing was trained"):
        run("nothing", 2.0**120)


def test_a_scale_goes_on_where_it_was() -> None:
    first = make_scaler("fp16", CPU)
    first.scale(torch.ones(1))
    first.load_state_dict({**first.state_dict(), "scale": 512.0, "_growth_tracker": 7})
    tensors = scaler_state(first) | {"other": torch.ones(1)}
    second = make_scaler("fp16", CPU)
    load_scaler(second, tensors)
    assert set(tensors) == {"other"}
    assert second.state_dict()["scale"] == 512.0 and second.state_dict()["_growth_tracker"] == 7
    assert scaler_state(make_scaler("bf16", CPU)) == {}
    check_scale(second, 3)
    second.load_state_dict({**second.state_dict(), "scale": 2.0**-30})
    with pytest.raises(TrainingDiverged, match="overflow at every scale"):
        check_scale(second, 3)
