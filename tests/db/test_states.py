"""The table of legal moves against the statements that make them."""

from __future__ import annotations

from db.states import BLOCKED, CANCELLED, FAILED, FINAL, MOVES, READY, RUNNING, STATES, SUCCEEDED


def test_every_move_is_between_known_states() -> None:
    for sources, targets in MOVES.values():
        assert set(sources) | set(targets) <= set(STATES)


def test_only_a_retry_leaves_failure_and_only_damage_leaves_success() -> None:
    leaving = {name: set(sources) & set(FINAL) for name, (sources, _) in MOVES.items()}
    assert {name: left for name, left in leaving.items() if left} == {
        "retry": {FAILED, CANCELLED},
        "redo": {SUCCEEDED},
    }


def test_every_state_can_be_left_and_reached() -> None:
    assert {source for sources, _ in MOVES.values() for source in sources} == set(STATES)
    assert {target for _, targets in MOVES.values() for target in targets} == set(STATES)
    assert {READY, BLOCKED} == set(MOVES["retry"][1])
    assert MOVES["fail"] == ((RUNNING,), (FAILED,))
    assert CANCELLED in MOVES["cancel"][1]
