import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import TRUSTED, Detection, NoTarget, Reason, Source
from detectors.temporal import choose_track, faded, hidden_reach, is_jump, remember
from tests.detectors.made_up_finder import at

SEEN = Detection((50, 50, 66, 66), 0.9, "red block")
HIDDEN = NoTarget(Reason.NOT_FOUND, "red_block")


def test_the_consistent_track_beats_the_single_better_score():
    lists = [[at(10, 10, 0.8)], [at(150, 20, 0.95), at(12, 10, 0.5)], [at(14, 10, 0.8)]]
    chosen = choose_track([0, 1, 2], lists, 200)
    assert [candidate.box[0] for candidate in chosen] == [10, 12, 14]


def test_without_a_rival_a_jump_in_between_is_a_miss_but_a_real_move_is_not():
    jump = choose_track([0, 1, 2], [[at(10, 10)], [at(150, 20)], [at(10, 10)]], 200)
    assert [candidate is None for candidate in jump] == [False, True, False]
    move = choose_track(range(6), [[at(10, 10)]] * 3 + [[at(150, 20)]] * 3, 200)
    assert None not in move


def test_a_long_absence_costs_neither_what_was_before_nor_after():
    lists = [[at(10, 10)]] * 5 + [[]] * 12 + [[at(150, 20)]] * 5
    chosen = choose_track(range(22), lists, 200)
    assert [candidate is not None for candidate in chosen] == [bool(options) for options in lists]


def test_time_makes_room_for_movement():
    near, far = (10, 10, 26, 26), (90, 10, 106, 26)
    assert is_jump(near, far, 1, 200)
    assert not is_jump(near, far, 12, 200)


def test_nothing_to_choose_from():
    assert choose_track([], [], 200) == []
    assert choose_track([0, 5], [[], []], 200) == [None, None]


def test_between_two_sightings_it_lies_between_them():
    later = Detection((58, 50, 74, 66), 0.9, "red block")
    _, first, second, third, _ = remember([SEEN, HIDDEN, HIDDEN, HIDDEN, later], 200)
    assert second.box == (54, 50, 70, 66)
    assert second.uncertainty_pixels > first.uncertainty_pixels == third.uncertainty_pixels > 0
    assert second.score < first.score < 0.5
    assert second.source is Source.REMEMBERED


@pytest.mark.parametrize("reason", [Reason.BLANK_FRAME, Reason.UNKNOWN_WORDING])
def test_some_reasons_stay(reason):
    assert remember([SEEN, NoTarget(reason)], 200)[1] == NoTarget(reason)


@given(st.lists(st.booleans(), max_size=40))
def test_no_frame_is_lost_and_no_memory_is_trusted(visible):
    results = [SEEN if seen else HIDDEN for seen in visible]
    filled = remember(results, 200)
    assert len(filled) == len(results)
    for before, after in zip(results, filled, strict=True):
        if before is SEEN:
            assert after is SEEN
        else:
            assert isinstance(after, NoTarget) or not after.is_trusted
    if not any(visible):
        assert filled == results


def test_time_is_told_by_the_frames_and_not_by_how_many_were_kept():
    """Frames between may be blank: the target moved on in the meantime."""
    _, after = remember([SEEN, HIDDEN], 200, times=[0, 3])
    *_, third = remember([SEEN, HIDDEN, HIDDEN, HIDDEN], 200)
    assert after == third


def test_trust_is_lost_at_half_a_box_length():
    box = (50, 50, 66, 62)
    assert faded(1.0, box, 0.0) == 1.0
    assert faded(1.0, box, 8.0) == TRUSTED > faded(1.0, box, 8.1)
    assert faded(1.0, box, 16.0) == faded(1.0, box, 99.0) == 0.0


def test_reach_grows_with_the_frames_in_which_nobody_saw_it():
    reaches = [hidden_reach(frames, 200) for frames in range(5)]
    assert reaches[0] == 0.0 and reaches == sorted(set(reaches))
