"""A trained model judged in each precision: evaluation, attention and reconstruction, and outside any job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn

from commands.model_options import precision_option
from errors import CheckpointError
from experiments.reconvla.sections import Evaluation
from models.checkpoint import weights_of
from models.precision import JUDGED
from models.recipe import device, load_model, recipe_of
from models.reconvla import ReconVLA
from models.weight_files import open_weights as read_weights
from models.weights import write_weights
from policies.base import Query
from policies.checkpoint_folder import open_folder, open_weights
from policies.reconvla import ReconVLAPolicy
from policies.registry import AUTO, PRECISIONS
from tasks.context import Finished, InputFile
from tasks.evaluate.model import judged_model
from tasks.evaluate.open_loop import run_open_loop
from tasks.probes import attention, reconstruct
from tasks.registry import ATTENTION, EVALUATE, RECONSTRUCT, AnyKind
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import INSTRUCTION, model_spec, training_spec, write_training_index

SPEC = training_spec(1)
RECIPE = recipe_of(model_spec(SPEC))
LOOKED_AT = {"frames": 2, "layer": -1, "heads": []}
STEPS = 3  # of sampling


@pytest.fixture(params=list(JUDGED))
def precision(request: pytest.FixtureRequest) -> str:
    if request.param == "4bit":
        pytest.importorskip("bitsandbytes", reason="needs the extra `qlora`")
    return str(request.param)


@pytest.fixture(scope="module")
def trained() -> ReconVLA:
    """Weights large enough for answers to depend on the picture."""
    model = ReconVLA(RECIPE.config, 5)
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.1, generator=random)
    return model


@pytest.fixture(scope="module")
def inputs(trained: ReconVLA, tmp_path_factory: pytest.TempPathFactory) -> Sequence[InputFile]:
    folder = tmp_path_factory.mktemp("inputs")
    write_weights(weights_of(trained), folder / "weights.safetensors")
    files = write_training_index(folder, frames=2)
    return (
        input_file("checkpoint", "checkpoint", "weights", folder / "weights.safetensors"),
        *(input_file("index", "index", name, path) for name, path in files.items()),
    )


def context(
    folder: Path,
    inputs: Sequence[InputFile],
    precision: str | None,
    kind: AnyKind = RECONSTRUCT,
    **more: Any,
) -> FakeContext:
    told = {} if precision is None else {"precision": precision}
    return FakeContext(
        folder, {"model": SPEC["model"], "threads": 1, "seed": 0, **told, **more}, inputs, kind=kind
    )


def test_every_job_that_judges_obeys(
    tmp_path: Path,
    inputs: Sequence[InputFile],
    in_full: dict[str, float],
    precision: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconstruct, "STEPS", STEPS)
    model = judged_model(context(tmp_path / "model", inputs, precision), RECIPE)
    block = model.language_model.model.layers[0].mlp.gate_proj.weight
    assert block.dtype == (torch.uint8 if precision == "4bit" else JUDGED[precision])
    assert model.vision_tower.encoder.layers[0].mlp.fc1.weight.dtype == JUDGED[precision]
    assert model.denoiser is not None and model.denoiser.x_embedder.proj.weight.dtype == torch.float32
    assert not model.training

    figures = judged(tmp_path, inputs, precision)
    if precision == "fp32":
        assert figures == in_full, "fp32 is what a job without the parameter does"
    else:
        assert figures != in_full
        assert figures == pytest.approx(in_full, rel=0.2)


def judged(folder: Path, inputs: Sequence[InputFile], precision: str | None) -> dict[str, float]:
    """A figure of every kind of job."""
    figures = {}
    for run, kind, figure in (
        (run_open_loop, EVALUATE, "mean_absolute_error"),
        (attention.run, ATTENTION, "mass_in_gaze"),
        (reconstruct.run, RECONSTRUCT, "psnr_db"),
    ):
        done = run(context(folder / figure, inputs, precision, kind, attention=LOOKED_AT))
        assert isinstance(done, Finished)
        figures[figure] = done.result.row()[figure]
    return figures


@pytest.fixture(scope="module")
def in_full(tmp_path_factory: pytest.TempPathFactory, inputs: Sequence[InputFile]) -> dict[str, float]:
    """Figures of jobs that are told no precision."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconstruct, "STEPS", STEPS)
        return judged(tmp_path_factory.mktemp("full"), inputs, None)


def test_every_place_knows_the_same_precisions() -> None:
    (option,) = precision_option(lambda: None).__click_params__  # type: ignore[attr-defined]
    told = get_args(Evaluation.model_fields["precision"].annotation)
    assert option.type.choices == PRECISIONS == (AUTO, *JUDGED) == told


def test_four_bits_take_a_seventh_of_the_blocks(
    tmp_path: Path, inputs: Sequence[InputFile], trained: ReconVLA
) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra `qlora`")
    packed = judged_model(context(tmp_path, inputs, "4bit"), RECIPE).language_model.model.layers
    sizes = [
        sum(p.nbytes for layer in layers for p in layer.parameters() if p.ndim == 2)
        for layers in (trained.language_model.model.layers, packed)
    ]
    assert sizes[1] < sizes[0] / 7
    assert not any(p.requires_grad for p in packed.parameters() if p.ndim == 2)


def test_a_checkpoint_of_two_types_says_what_to_do_and_does_it(tmp_path: Path, trained: ReconVLA) -> None:
    trained.save_pretrained(tmp_path)
    RECIPE.prompts.tokenizer.save_pretrained(tmp_path)
    tensors = dict(read_weights(tmp_path))
    half = {n: t.bfloat16() if n.startswith("language_model.") else t for n, t in tensors.items()}
    write_weights(half, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"types torch\.bfloat16, torch\.float32; say with --precision"):
        open_folder(tmp_path)
    model, recipe = open_folder(tmp_path, "bf16")
    assert model.projector[0].weight.dtype == torch.bfloat16
    assert answers(ReconVLAPolicy(model, recipe, batch=2))


def test_a_checkpoint_outside_any_job(tmp_path: Path, inputs: Sequence[InputFile], precision: str) -> None:
    weights = inputs[0].path
    model, recipe = open_weights(model_spec(SPEC), weights, precision)
    assert answers(ReconVLAPolicy(model, recipe, batch=2))
    plain, _ = open_weights(model_spec(SPEC), weights)
    same = load_model(RECIPE.config, weights, device=device())
    assert all(map(torch.equal, weights_of(plain).values(), weights_of(same).values()))
    assert {p.dtype for p in plain.parameters()} == {torch.float32}
    assert isinstance(plain.language_model.lm_head, nn.Linear)


def answers(policy: ReconVLAPolicy) -> bool:
    """Whether it answers with finite actions."""
    frames = {"rgb_static": 200, "rgb_gripper": 84}
    pictures = {
        name: torch.full((side, side, 3), 90, dtype=torch.uint8).numpy() for name, side in frames.items()
    }
    observation = {**pictures, "robot_obs": torch.zeros(15).numpy()}
    (chunk,) = policy.act([Query(observation, INSTRUCTION, 0, 0)])
    return chunk.shape == (5, 7) and bool((abs(chunk) <= 1).all())
