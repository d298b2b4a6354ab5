"""Simulators of the user's own are held to what simulators promise, in this process and in another."""

from __future__ import annotations

import pytest

from errors import ConfigError
from simulators.own import try_own
from simulators.own_process import OwnProcess
from simulators.registry import create
from tests.own_code import SIMULATOR, admitted


def changed(method: str) -> str:
    return f"import numpy as np\n{SIMULATOR}\n    def {method}\n"


def test_it_is_made_like_any_other_here_and_apart() -> None:
    reference = admitted(SIMULATOR)
    try_own(reference, "D")
    for make in (create, OwnProcess):
        simulator = make(str(reference), "A")
        simulator.reset(seed=1)
        assert simulator.description()["simulator"] == "mine" and simulator.description()["scene"] == "A"
        simulator.close()


WRONG = {
    "no method": (
        "class Mine:\n    def __init__(self, scene): ...",
        r"/there/mine\.py: Mine has no method reset",
    ),
    "no scene": ("class Mine: ...", "making Mine raised TypeError"),
    "a state of another shape": (
        changed("state(self): return np.zeros(3), np.zeros(24)"),
        r"shape \(3,\), and not",
    ),
    "no picture": (changed("observe(self): return {}"), r"rgb_static of observe has the shape \(\)"),
    "no number": (changed("state(self): return np.full(15, np.nan), np.zeros(24)"), "not finite"),
    "no info": (changed("info(self): return {'robot_info': {}}"), "info has no scene_info"),
    "an error": (
        changed("step(self, action): raise KeyError('x')"),
        r"mine\.py, line \d+: trying Mine raised KeyError",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_one_sentence_before_there_is_any_work(case: str) -> None:
    text, says = WRONG[case]
    with pytest.raises(ConfigError, match=says) as refused:
        try_own(admitted(text), "D")
    assert "\n" not in str(refused.value)
