"""OpenVLA as a policy: what it is asked, what it answers, and through `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from commands.evaluate import command
from errors import CheckpointError, InvalidInput, NotFinite, WeightsMissing
from models.openvla_pictures import middle
from policies.base import Query
from policies.openvla import OpenVLAPolicy
from tests.models.openvla_sample import SIZE, make_openvla


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openvla")
    make_openvla(folder, seed=4)
    return folder


@pytest.fixture(scope="module")
def policy(folder: Path) -> OpenVLAPolicy:
    return OpenVLAPolicy(folder)


def query(seed: int, instruction: str = "open the drawer") -> Query:
    random = np.random.default_rng(seed)
    observation: dict[str, Any] = {
        "rgb_static": np.kron(random.integers(0, 2, (2, 2, 3)) * 255, np.ones((100, 100, 1))).astype(
            np.uint8
        ),
        "rgb_gripper": random.integers(0, 256, (84, 84, 3), dtype=np.uint8),
        "robot_obs": np.zeros(15),
    }
    return Query(observation, instruction, sequence=seed, number=0)


def test_an_answer_is_one_action_within_its_bounds(policy: OpenVLAPolicy) -> None:
    answers = policy.act([query(0), query(1)])
    for answer in answers:
        assert answer.shape == (1, 7)
        assert answer[0, 6] in (-1.0, 1.0)
        assert (np.abs(answer) <= 1.0).all()


def test_what_a_query_gets_depends_on_it_alone(policy: OpenVLAPolicy) -> None:
    first, second = policy.predict([query(0), query(1)])
    np.testing.assert_array_equal(policy.predict([query(1)])[0], second)
    np.testing.assert_array_equal(policy.predict([query(1), query(0)])[1], first)
    assert len({policy.predict([query(seed)])[0].tobytes() for seed in range(6)}) > 1
    asked = ("open the drawer", "turn on led", "take action", "robot", "turn to the robot")
    assert len({policy.predict([query(0, text)])[0].tobytes() for text in asked}) > 1


def test_tokens_that_are_no_actions_are_counted(folder: Path) -> None:
    policy = OpenVLAPolicy(folder)
    policy.predict([query(0)])
    assert (policy.counts["outside_tokens"], policy.counts["answer_tokens"]) == (0, 7)
    with torch.no_grad():
        policy._model.language_model.lm_head.weight[31744:32000] = 0.0
    policy.predict([query(0)])
    assert (policy.counts["outside_tokens"], policy.counts["answer_tokens"]) == (7, 14)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_no_action(folder: Path, value: float) -> None:
    policy = OpenVLAPolicy(folder)
    with torch.no_grad():
        policy._model.language_model.lm_head.weight[5] = value  # no action token
    with pytest.raises(NotFinite, match=rf"^{folder} gives numbers .* in fp32 \(logits of token 1 of 7\)"):
        policy.predict([query(0)])


def test_an_overflow_in_half_precision_is_no_action_and_another_precision_can_be_asked_for(
    tmp_path: Path,
) -> None:
    make_openvla(tmp_path, seed=4)
    tensors = {
        name: tensor.to(torch.float16) for name, tensor in load_file(tmp_path / "model.safetensors").items()
    }
    tensors["language_model.model.layers.1.mlp.down_proj.weight"] *= 6e4
    tensors["language_model.model.layers.1.mlp.up_proj.weight"] *= 6e4
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(NotFinite, match=r"in fp16 .*bf16 and fp32 reach further"):
        OpenVLAPolicy(tmp_path).predict([query(0)])
    assert np.isfinite(OpenVLAPolicy(tmp_path, precision="bf16").predict([query(0)])).all()
    with pytest.raises(InvalidInput, match="--precision 4bit is for a ReconVLA"):
        OpenVLAPolicy(tmp_path, precision="4bit")
    tensors["projector.fc1.weight"] = tensors["projector.fc1.weight"].float()
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"tensors are of types torch\.float16, torch\.float32; say with"
    ):
        OpenVLAPolicy(tmp_path)


def test_a_folder_without_tokenizer_is_named(tmp_path: Path) -> None:
    make_openvla(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(WeightsMissing, match="holds no tokenizer"):
        OpenVLAPolicy(tmp_path)


def test_evaluate_takes_its_folder(folder: Path) -> None:
    given = [str(folder), "--sequences", "1", "--max-steps", "2", "--simulators", "1", "--json"]
    ended = CliRunner().invoke(command, given, catch_exceptions=False)
    assert ended.exit_code == 0
    document = json.loads(ended.stdout)
    assert document["results"][0]["steps"] == 2
    assert document["counts"]["answer_tokens"] == 14 and "outside_tokens" in document["counts"]
    assert (document["statistics"], document["statistics_used"]) == (None, "calvin")


def test_a_model_trained_with_crops_sees_the_middle(folder: Path, tmp_path: Path) -> None:
    plain = OpenVLAPolicy(folder)
    assert not plain.center_crop
    run = tmp_path / "openvla-7b+calvin+b16--image_aug"
    run.symlink_to(folder)
    cropped = OpenVLAPolicy(run)
    assert cropped.center_crop and OpenVLAPolicy(folder, center_crop=True).center_crop
    seen = [middle(query(seed).observation["rgb_static"], SIZE) for seed in range(6)]
    for seed, picture in enumerate(seen):
        asked = query(seed)
        asked.observation["rgb_static"] = picture
        np.testing.assert_array_equal(cropped.predict([query(seed)])[0], plain.predict([asked])[0])
    with pytest.raises(InvalidInput, match=r"^--no-center-crop: .*image_aug says image_aug, and"):
        OpenVLAPolicy(run, center_crop=False)
    with pytest.raises(InvalidInput, match="rename the folder"):
        OpenVLAPolicy(tmp_path / "openvla-7b+calvin+b16--image_aug" / ".", center_crop=False)


def test_results_say_that_pictures_were_cropped(folder: Path, tmp_path: Path) -> None:
    given = ["--sequences", "1", "--max-steps", "1", "--simulators", "1", "--json"]
    out = ["--out", str(tmp_path / "results.json")]
    ended = CliRunner().invoke(command, [str(folder), *given, *out], catch_exceptions=False)
    assert ended.exit_code == 0 and "center_crop" not in json.loads(ended.stdout)
    ended = CliRunner().invoke(command, [str(folder), *given, "--center-crop"], catch_exceptions=False)
    assert ended.exit_code == 0 and json.loads(ended.stdout)["center_crop"] is True
    with pytest.raises(InvalidInput):
        CliRunner().invoke(command, [str(folder), *given, *out, "--center-crop"], catch_exceptions=False)
    with pytest.raises(
        InvalidInput, match="--no-center-crop is for a folder of OpenVLA, which random is not"
    ):
        CliRunner().invoke(command, ["random", *given, "--no-center-crop"], catch_exceptions=False)
