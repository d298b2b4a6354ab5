"""Policies of the user's own are held to what policies promise."""

from __future__ import annotations

import numpy as np
import pytest

from errors import ConfigError, InvalidInput, NotFinite
from policies.base import Query
from policies.own import OwnPolicy
from policies.registry import open_policy, policy_from_json
from tests.own_code import POLICY, admitted

QUERY = Query({"robot_obs": np.zeros(15)}, "open the drawer", sequence=0, number=0)


def answering(answer: str) -> str:
    return f"import numpy as np\nclass Mine:\n    def act(self, queries):\n        return {answer}\n"


def test_it_is_opened_like_any_other() -> None:
    described = {"kind": "own", "class": str(admitted(POLICY)), "options": {"gripper": -1}}
    policy = open_policy(policy_from_json(described))
    assert policy.needs_images is False
    (chunk,) = policy.act([QUERY])
    assert chunk.tolist() == [[0, 0, 0, 0, 0, 0, -1]] and chunk.dtype == np.float64


def test_pictures_are_shown_to_one_that_says_nothing_of_them() -> None:
    text = answering("[np.ones((1, 7)) * q.observation['rgb_gripper'].shape[0] / 84 for q in queries]")
    policy = OwnPolicy(str(admitted(text)), {})
    assert policy.needs_images is True
    policy.check()


WRONG = {
    "too few": ("[]", r"/there/mine\.py: Mine\.act gave 0 answers to 1 queries"),
    "a vector": ("[np.ones(7)]", r"an array of the shape \(7,\): it is \(steps, 7\) with 1 to 360 steps"),
    "no step": ("[np.ones((0, 7))]", "1 to 360 steps"),
    "too many steps": ("[np.ones((361, 7))]", "1 to 360 steps"),
    "no numbers": ("['x']", "which are no numbers"),
    "half open": ("[np.full((1, 7), 0.5)]", r"neither 1 \(open\) nor -1"),
    "not finite": ("[np.full((1, 7), np.nan)]", "not finite"),
    "raises": ("queries[1]", r"/there/mine\.py, line 4: trying Mine raised IndexError"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_one_sentence_before_there_is_any_work(case: str) -> None:
    answer, says = WRONG[case]
    with pytest.raises(ConfigError, match=says) as refused:
        OwnPolicy(str(admitted(answering(answer))), {}).check()
    assert "\n" not in str(refused.value)


def test_a_job_refuses_the_same_answers() -> None:
    for case, error in (("half open", InvalidInput), ("not finite", NotFinite)):
        with pytest.raises(error):
            OwnPolicy(str(admitted(answering(WRONG[case][0]))), {}).act([QUERY])


def test_options_that_it_does_not_take() -> None:
    with pytest.raises(ConfigError, match=r"/there/mine\.py: making Mine raised TypeError: .*'speed'"):
        OwnPolicy(str(admitted(POLICY)), {"speed": 1})
