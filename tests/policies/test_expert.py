from __future__ import annotations

import numpy as np

from policies.base import Query
from policies.expert import ExpertPolicy
from simulators.playtable.env import PlayTable


def test_the_expert_stays_put_once_its_plan_is_through() -> None:
    simulator = PlayTable("D")
    simulator.reset(seed=0)
    expert, last = ExpertPolicy(), None
    for number in range(200):
        asked = Query(
            {"robot_obs": simulator.state()[0]}, "", 0, number, "open_drawer", number == 0, simulator
        )
        (chunk,) = expert.act([asked])
        assert chunk.shape == (1, 7)
        simulator.step(chunk[0])
        last = chunk[0]
    assert last is not None
    np.testing.assert_array_equal(last[:6], 0)
    assert last[6] in (-1.0, 1.0)
    assert simulator.state()[1][1] > 0.12  # the drawer is open
    simulator.close()
