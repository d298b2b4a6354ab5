"""Action tokens and the state's tokens against the official ActionTokenizer.

Recordings with `use_norm_bins` are left out: an option that no official script switches on, so there is nothing of it
here.
"""

import numpy as np
import pytest

from models.action_tokenizer import ActionTokenizer, StateStatistics
from tests.parity.model_fixtures import read_json

RECORDED = read_json("action_tokenizer.json")
STATISTICS = RECORDED["statistics"]["robot_obs"][0]
TOKENIZERS = [case for case in RECORDED["tokenizers"] if not case["use_norm_bins"]]


@pytest.mark.parametrize("case", TOKENIZERS, ids=lambda c: str(c["vocab_size"]))
def test_ids_and_values_equal_the_official(case: dict) -> None:
    tokenizer = ActionTokenizer(case["vocab_size"])
    assert tokenizer.encode(case["actions"]).tolist() == case["token_ids"]
    np.testing.assert_allclose(tokenizer.decode(case["token_ids"]), case["decoded"], atol=1e-12, rtol=0)
    np.testing.assert_allclose(tokenizer.decode(case["probe_ids"]), case["probe_decoded"], atol=1e-12, rtol=0)


@pytest.mark.parametrize("case", [c for c in TOKENIZERS if "bins" in c], ids=lambda c: str(c["vocab_size"]))
def test_edges_and_centres_equal_the_official(case: dict) -> None:
    tokenizer = ActionTokenizer(case["vocab_size"])
    np.testing.assert_allclose(tokenizer.edges, case["bins"], atol=1e-12, rtol=0)
    np.testing.assert_allclose(tokenizer.centres, case["bin_centers"], atol=1e-12, rtol=0)


def test_chunks_of_relative_actions() -> None:
    tokenizer = ActionTokenizer(RECORDED["tokenizers"][0]["vocab_size"])
    for case in RECORDED["encode_actions"]:
        values = [float(text) for text in case["sentence"].split(" ")]
        ids = tokenizer.encode(values)
        assert ids.tolist() == case["token_ids_no_stats"]
        np.testing.assert_allclose(tokenizer.decode(ids), case["decoded_no_stats"], atol=1e-12, rtol=0)


def test_absolute_poses_scaled_to_their_bounds() -> None:
    """An option that the official scripts leave off: other numbers, the same tokens."""
    tokenizer = ActionTokenizer(RECORDED["tokenizers"][0]["vocab_size"])
    low, high = (np.tile(RECORDED["statistics"][f"act_{end}_bound"], 5) for end in ("min", "max"))
    for case in RECORDED["encode_actions"]:
        values = np.array([float(text) for text in case["absolute_sentence"].split(" ")])
        ids = tokenizer.encode((values - low) / (high - low) * 2 - 1)
        assert ids.tolist() == case["token_ids_with_stats"]
        back = (tokenizer.decode(ids) + 1) / 2 * (high - low) + low
        np.testing.assert_allclose(back, case["decoded_then_denormalized"], atol=1e-12, rtol=0)


def test_robot_states() -> None:
    tokenizer = ActionTokenizer(RECORDED["tokenizers"][0]["vocab_size"])
    statistics = StateStatistics(tuple(STATISTICS["mean"]), tuple(STATISTICS["std"]))
    for case in RECORDED["encode_robot_obs"]:
        state = [float(text) for text in case["robot_obs_sentence"].split(" ")]
        assert tokenizer.encode(statistics.normalise(state)).tolist() == case["token_ids"]
