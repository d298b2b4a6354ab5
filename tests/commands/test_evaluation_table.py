"""What is printed of one evaluation."""

from __future__ import annotations

from typing import Any

import pytest

from commands.evaluation_table import print_evaluation


def printed(capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
    document = {
        "policy": "3f2a9c01", "sequences": 2, "max_steps": 360, "scene": "D", "success": [0.5, 0, 0, 0, 0],
        "avg_len": 0.5, "official_compat": False, "tasks": {"open_drawer": {"attempted": 2, "succeeded": 1}},
        "results": [{"done": 1}, {"done": 0}], "counts": {"replays": 0, "retries": 2}, "needs_images": True,
        "counted_sequences": 2,
        "simulator_description": {"renderer": "tiny", "assets": ""}, "frames_renderer": "tiny", **changes,
    }  # fmt: skip
    capsys.readouterr()
    print_evaluation(document)
    return " ".join(capsys.readouterr().out.split())


def test_rates_n_and_what_was_counted(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys)
    assert "n = 2 sequences, 360 steps a subtask, scene D" in told
    assert "50.0%" in told and "open_drawer" in told
    assert "for one look at the end; those that were told before hold at any look." in told
    assert "Simulator: renderer tiny Counted: retries 2" in told  # nothing to warn of


@pytest.mark.parametrize(
    ("count", "said"),
    [({"not_found": 3, "occluded": 0}, "without_region not_found 3"), (3, "without_region 3")],
    ids=["by reason", "of an earlier version"],
)
def test_counts_by_reason(capsys: pytest.CaptureFixture[str], count: Any, said: str) -> None:
    assert printed(capsys, counts={"replays": 0, "without_region": count}).endswith(f"Counted: {said}")


@pytest.mark.parametrize(
    ("frames", "looks", "sentence"),
    [
        ("egl", True, "Renderer egl drew the frames that the policy was trained on, tiny these pictures"),
        (None, True, "Renderer tiny drew these pictures; nothing tells which drew the frames"),
        (None, False, None),
    ],
)
def test_another_or_an_unknown_renderer_of_the_frames_is_told(
    capsys: pytest.CaptureFixture[str], frames: str | None, looks: bool, sentence: str | None
) -> None:
    told = printed(capsys, frames_renderer=frames, needs_images=looks)
    assert sentence in told if sentence is not None else "drew" not in told


def test_tokens_that_are_no_actions_are_told_with_their_total(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, counts={"outside_tokens": 0, "answer_tokens": 350}).endswith(
        "Counted: outside_tokens 0 of 350"
    )
    told = printed(
        capsys, counts={"answer_tokens": 70, "outside_tokens": 3, "replays": 1}, counted_sequences=1
    )
    assert told.endswith("Counted in the 1 sequences of this call: outside_tokens 3 of 70, replays 1")


def test_the_units_of_an_openvla_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "in the units of data set 'bridge_orig'" in printed(capsys, statistics_used="bridge_orig")


def test_what_the_claim_rests_on_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, frames_basis="3 frames drawn anew come out the same")
    assert "Renderer tiny drew the frames that the policy was trained on: 3 frames drawn anew" in told
    assert "do worse" not in told
    told = printed(capsys, frames_renderer=None, frames_basis="only a file says egl")
    assert "which drew the frames that the policy was trained on is unknown (only a file says egl)" in told


def test_the_words_and_the_address_of_a_policy_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    own = "Instructions were Baton's own phrases"
    assert own not in printed(capsys, assets=None, simulator="playtable", instructions=None)
    assert own in printed(capsys, assets="calvin_env", simulator="playtable", instructions=None)
    assert own in printed(capsys, assets=None, simulator="calvin", instructions=None)
    assert own not in printed(
        capsys, assets="calvin_env", simulator="playtable", instructions={"open_drawer": "x"}
    )
    assert own not in printed(capsys, policy="random", assets="calvin_env", instructions=None)
    assert "is known by its address alone" in printed(capsys, policy="http://host:1")
