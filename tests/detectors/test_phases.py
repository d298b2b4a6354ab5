import numpy as np
import pytest

from detectors.base import FrameContext
from detectors.phases import frame_targets, switch_frame
from detectors.targets import BUTTON, CARRIED_BLOCK, DRAWER, TASK_PHASES
from tests.detectors.calvin_mini import demonstrations, frames_of, needs_calvin_mini


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


def test_pushing_goes_from_the_first_frame_to_the_last():
    assert switch_frame(along_x(0, 0.1, 0.2, 0.3), np.ones(4)) == 2


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


@needs_calvin_mini
@pytest.mark.parametrize("split", ["training", "validation"])
def test_recorded_demonstrations_look_at_both(split):
    seen = 0
    for demonstration in demonstrations(split):
        phases = TASK_PHASES[demonstration["task"]]
        if len(phases) == 1:
            continue
        images, gripper, _ = frames_of(split, demonstration)
        targets = frame_targets(phases, FrameContext(gripper_xyz=gripper), len(images))
        assert targets[0] == phases[0] and targets[-1] == phases[1]
        assert sorted(targets, key=phases.index) == targets
        seen += 1
    assert seen > 0
