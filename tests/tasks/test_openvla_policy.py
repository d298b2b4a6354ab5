"""OpenVLA as a policy: what it is asked, what it answers, and through `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from commands.evaluate import command
from errors import WeightsMissing
from tasks.openvla_policy import OpenVLAPolicy
from tasks.policies import Query
from tests.models.openvla_sample import make_openvla


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
    assert policy.counts["outside_tokens"] == 0
    with torch.no_grad():
        policy._model.language_model.lm_head.weight[31744:32000] = 0.0
    policy.predict([query(0)])
    assert policy.counts["outside_tokens"] == 7


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
    assert "outside_tokens" in document["counts"]
