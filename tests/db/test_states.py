"""The table of legal moves against the statements that make them."""

from __future__ import annotations

from db.states import BLOCKED, CANCELLED, FAILED, FINAL, MOVES, READY, RUNNING, STATES, SUCCEEDED


def test_every_move_is_between_known_states() -> None:
    for sources, targets in MOVES.values():
        assert set(sources) | set(targets) <= set(STATES)


def test_only_a_retry_leaves_a_final_state_and_nothing_leaves_success() -> None:
    leaving = {name for name, (sources, _) in MOVES.items() if set(sources) & set(FINAL)}
    assert leaving == {"retry"}
    assert SUCCEEDED not in MOVES["retry"][0]


def test_every_state_but_success_can_be_left_and_every_state_but_blocked_reached() -> None:
    left = {source for sources, _ in MOVES.values() for source in sources}
    reached = {target for _, targets in MOVES.values() for target in targets}
    assert left == set(STATES) - {SUCCEEDED}
    assert reached == set(STATES)
    assert {READY, BLOCKED} == set(MOVES["retry"][1])
    assert MOVES["fail"] == ((RUNNING,), (FAILED,))
    assert CANCELLED in MOVES["cancel"][1]
