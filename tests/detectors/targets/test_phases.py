import numpy as np
import pytest

from detectors.base import FrameContext
from detectors.targets.phases import frame_targets, is_push, switch_frame
from detectors.targets.table import BUTTON, CABINET, CARRIED_BLOCK, DRAWER


def along_x(*x):
    return np.array([[value, 0.0, 0.5] for value in x])


def test_half_of_the_way_not_of_the_time():
    hand = along_x(0, 0, 0, 0, 0, 0.1, 0.2)
    assert switch_frame(hand, None) == 5


def test_the_way_is_that_between_grasp_and_release():
    # Approach from afar with an open hand, carry from frame 3 to 7, go away again.
    hand = along_x(9, 6, 3, 0, 0.1, 0.2, 0.3, 0.4, 5)
    action = np.array([1, 1, 1, -1, -1, -1, -1, 1, 1])
    assert switch_frame(hand, action) == 5


def test_a_first_grasp_that_failed_does_not_count():
    hand = along_x(0, 4, 4, 4, 4.1, 4.2)
    action = np.array([-1, -1, 1, -1, -1, -1])
    assert switch_frame(hand, action) == 5


def test_a_hand_that_closes_again_after_its_release_carries_nothing():
    hand = along_x(*0.01 * np.arange(34))
    assert switch_frame(hand, np.array([-1] * 21 + [1] * 10 + [-1] * 3)) == 11


def test_a_hand_that_never_closes_goes_from_the_first_frame_to_the_last():
    assert switch_frame(along_x(0, 0.1, 0.2, 0.3), np.ones(4)) == 2


def pushed(*y, z=0.46):
    """Down from above behind a block on the table, then along these y at one height."""
    approach = [(0.3, y[0], 0.55), (0.2, y[0], 0.55), (0.1, y[0], 0.55), (0, y[0], 0.55)]
    return np.array([*approach, *((0, value, z) for value in y)])


PUSH = (-0.04, -0.08, -0.12, -0.16, -0.2)


@pytest.mark.parametrize("z", [0.46, 0.5], ids=["at the block", "on its upper edge"])
@pytest.mark.parametrize("action", [None, -1, 1], ids=["unknown", "closed", "open"])
def test_a_push_looks_at_the_drawer_with_a_block_to_go(action, z):
    hand = pushed(*PUSH, z=z)
    told = None if action is None else np.full(len(hand), action)
    assert switch_frame(hand, told, into_drawer=True) == 4 + 3
    assert switch_frame(hand, told) < 4 + 3


def test_what_comes_before_and_after_a_push_is_no_part_of_it():
    hand = pushed(
        -0.1, 0.0, *PUSH, -0.15, -0.1
    )  # gets behind the block on the table, and goes back afterwards
    assert switch_frame(hand, -np.ones(len(hand)), into_drawer=True) == 4 + 2 + 3
    lifted = np.concatenate([hand, pushed(0.1, 0.1, 0.1)])
    assert switch_frame(lifted, -np.ones(len(lifted)), into_drawer=True) == 4 + 2 + 3


def test_half_of_a_push_of_less_than_two_blocks():
    hand = pushed(-0.1, -0.12, -0.14, -0.16, -0.18)
    assert switch_frame(hand, -np.ones(len(hand)), into_drawer=True) == 4 + 2


def test_a_block_that_is_put_down_is_not_pushed():
    hand = np.concatenate([pushed(*PUSH), along_x(0, 0)])
    action = np.array([-1] * (len(hand) - 2) + [1, 1])
    assert switch_frame(hand, action, into_drawer=True) == switch_frame(hand, action)
    in_the_air = pushed(*PUSH, z=0.55)
    assert switch_frame(in_the_air, None, into_drawer=True) == switch_frame(in_the_air, None)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_hand_at_rest_never_moves_on(count):
    hand = along_x(*[0.3] * count)
    assert switch_frame(hand, -np.ones(count)) == count


def test_targets_of_frames():
    context = FrameContext(gripper_xyz=along_x(0, 0.1, 0.2, 0.3))
    assert frame_targets((BUTTON,), context, 4) == [BUTTON] * 4
    two = (CARRIED_BLOCK, DRAWER)
    assert frame_targets(two, context, 4) == [CARRIED_BLOCK] * 2 + [DRAWER] * 2
    assert frame_targets(two, None, 4) == [CARRIED_BLOCK] * 4
    assert frame_targets(two, FrameContext(gripper_xyz=np.zeros((0, 3))), 0) == []


def test_which_demonstrations_push():
    hand = pushed(*PUSH)
    phases = (CARRIED_BLOCK, DRAWER)
    assert is_push(phases, FrameContext(gripper_xyz=hand))
    assert is_push(phases, FrameContext(gripper_xyz=hand, gripper_action=-np.ones(len(hand))))
    opens = np.array([-1.0] * (len(hand) - 1) + [1.0])
    assert not is_push(phases, FrameContext(gripper_xyz=hand, gripper_action=opens))
    assert not is_push((CARRIED_BLOCK, CABINET), FrameContext(gripper_xyz=hand))
    assert not is_push((CARRIED_BLOCK,), FrameContext(gripper_xyz=hand))
    assert not is_push(phases, None) and not is_push(phases, FrameContext())


def test_the_boxes_of_a_pushed_block_go_before_the_hand():
    known, phases = FrameContext(gripper_xyz=pushed(*PUSH)), (CARRIED_BLOCK, DRAWER)
    told = lambda boxes: frame_targets(phases, known, 9, boxes).index(DRAWER)  # noqa: E731
    moving = [(x, 50, x + 10, 60) for x in (20, 20, 20, 21, 25, 30, 42, 50, 60)]
    assert told(moving) == 6
    unseen = [box if frame not in (0, 6) else None for frame, box in enumerate(moving)]
    assert told(unseen) == 7
    by_hand = frame_targets(phases, known, 9).index(DRAWER)
    assert told([(20, 50, 30, 60)] * 9) == told([None] * 9) == by_hand
