"""`initial_state_obs` and its seeds against the official values, recorded in `calvin_initial_states.json`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.initial_states import fnv1_32, initial_state_obs, seed_of

PARITY = Path(os.environ.get("BATON_PARITY", Path(__file__).parents[3] / "shared" / "parity"))


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    path = PARITY / "calvin_initial_states.json"
    if not path.is_file():
        pytest.skip(f"recorded official outputs are absent: {path}")
    return json.loads(path.read_text())


def test_hashes(recorded: dict[str, Any]) -> None:
    assert recorded["pyhash_fnv1_32_vectors"]
    for vector in recorded["pyhash_fnv1_32_vectors"]:
        assert fnv1_32(vector["text"].encode("utf-16-le")) == vector["hash"], vector["text"]
    for vector in recorded.get("pyhash_fnv1_32_bytes_vectors", []):
        assert fnv1_32(vector["text"].encode("utf-8")) == vector["hash_of_utf8_bytes_input"], vector["text"]


def test_states(recorded: dict[str, Any]) -> None:
    assert recorded["states"]
    for entry in recorded["states"]:
        state = entry["initial_state"]
        assert seed_of(state) == entry["fnv1_32"], state
        robot_obs, scene_obs = initial_state_obs(state)
        np.testing.assert_array_equal(robot_obs, entry["robot_obs"], err_msg=str(state))
        np.testing.assert_array_equal(scene_obs, entry["scene_obs"], err_msg=str(state))
