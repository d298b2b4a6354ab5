import numpy as np
import pytest

from detectors.base import FrameContext, NoTarget, Reason
from detectors.oracle import OracleDetector
from detectors.registry import make_detector
from detectors.targets.camera import project_static
from detectors.targets.carried import block_beside, carried_block, resolve_blocks
from detectors.targets.table import BUTTON, CARRIED_BLOCK, OTHER_BLOCK, TASK_PHASES, block
from tests.detectors.calvin_mini import demonstrations, frames_of, needs_calvin_mini

FAR = (150, 150, 160, 160)
NEAR = (40, 40, 60, 60)


def test_a_block_that_the_hand_passes_does_not_win():
    tracks = {"red_block": [NEAR, NEAR, NEAR], "blue_block": [FAR, (50, 50, 51, 51), FAR]}
    assert carried_block(tracks, np.full((3, 2), 50.0)) == "red_block"


def test_the_one_that_leaves_its_place_wins_though_the_hand_is_longer_near_another():
    """A push: the hand comes over the red block and pushes the blue one at the end."""
    tracks = {"red_block": [NEAR] * 5, "blue_block": [FAR, FAR, FAR, FAR, (120, 120, 130, 130)]}
    hand = np.array([[50.0, 50.0]] * 4 + [[125.0, 125.0]])
    assert carried_block(tracks, hand) == "blue_block"
    dropped = {"pink_block": [(50, 50, 60, 60), *[NEAR] * 2, (50, 90, 60, 100), None]}
    assert carried_block(tracks | dropped, hand) == "blue_block", "it began with another in hand"


def test_slivers_of_a_block_behind_a_door_do_not_move():
    """An unstacked block is lifted by less than its length, and a door uncovers parts of another."""
    slivers = [(58, 62, 59, 64), (58, 62, 59, 64), (62, 68, 70, 71)]
    lifted = [(120, 94, 140, 112), (120, 94, 140, 112), (112, 86, 132, 103)]
    hand = np.array([[60.0, 60.0], [60.0, 60.0], [122.0, 95.0]])
    assert carried_block({"red_block": slivers, "blue_block": lifted}, hand) == "blue_block"


def test_unseen_blocks_do_not_compete():
    assert carried_block({"red_block": [None], "blue_block": [FAR]}, np.zeros((1, 2))) == "blue_block"
    assert carried_block({"red_block": [None]}, np.zeros((1, 2))) is None


def test_the_block_beside_is_judged_at_the_end():
    tracks = {
        "red_block": [FAR, NEAR, None],
        "blue_block": [FAR] * 3,
        "pink_block": [None, (50, 50, 70, 70), None],
    }
    assert block_beside(tracks, "red_block") == "pink_block"
    assert block_beside({"red_block": [NEAR], "blue_block": [None]}, "red_block") is None


def test_only_unnamed_blocks_are_resolved():
    gripper_xyz = np.array([[0.1, -0.1, 0.46]])
    x, y = project_static(gripper_xyz)[0]
    tracks = {"red_block": [(x - 5, y - 5, x + 5, y + 5)], "blue_block": [(0, 0, 9, 9)]}
    targets = [CARRIED_BLOCK]
    assert resolve_blocks(targets, tracks, FrameContext(gripper_xyz=gripper_xyz), 200) == [block("red")]
    assert resolve_blocks([OTHER_BLOCK], tracks, FrameContext(gripper_xyz=gripper_xyz), 200) == [
        block("blue")
    ]
    assert resolve_blocks([BUTTON], tracks, None, 200) == [BUTTON]
    [unknown] = resolve_blocks(targets, tracks, None, 200)
    assert isinstance(unknown, NoTarget)
    assert unknown.reason is Reason.AMBIGUOUS_BLOCK


def test_the_block_that_is_named_tells_the_other():
    gripper_xyz = np.full((1, 3), [0.1, -0.1, 0.46])
    x, y = project_static(gripper_xyz)[0]
    tracks = {
        "red_block": [(x - 5, y - 5, x + 5, y + 5)],
        "blue_block": [(x + 10, y, x + 20, y + 10)],
        "pink_block": [(x + 40, y, x + 50, y + 10)],
    }
    known = FrameContext(gripper_xyz=np.repeat(gripper_xyz, 2, axis=0))
    twice = {name: boxes * 2 for name, boxes in tracks.items()}
    onto_red = [CARRIED_BLOCK, block("red")]
    assert resolve_blocks(onto_red, twice, known, 200) == [block("blue"), block("red")], "it is put on red"
    pink_onto = [block("pink"), OTHER_BLOCK]
    assert resolve_blocks(pink_onto, twice, known, 200) == [block("pink"), block("blue")]
    assert resolve_blocks(pink_onto, twice, None, 200) == [block("pink"), block("blue")], "without a hand too"
    [_, unseen] = resolve_blocks(pink_onto, {"red_block": [None, None]}, known, 200)
    assert isinstance(unseen, NoTarget)


@needs_calvin_mini
@pytest.mark.parametrize(
    "detector", [make_detector("colour"), OracleDetector()], ids=lambda detector: detector.name
)
@pytest.mark.parametrize("split", ["training", "validation"])
def test_finds_the_block_that_moved(split, detector):
    checked = 0
    for demonstration in demonstrations(split):
        if TASK_PHASES[demonstration["task"]][0] != CARRIED_BLOCK or demonstration["task"] == "unstack_block":
            continue
        images, gripper, truth = frames_of(split, demonstration)
        found = detector.detect(images, [CARRIED_BLOCK] * len(images), FrameContext(truth, gripper))
        phrases = {result.phrase for result in found if not isinstance(result, NoTarget)}
        moved = max(("red_block", "blue_block", "pink_block"), key=lambda name: _travel(truth, name))
        assert phrases == {moved.replace("_", " ")}, demonstration["task"]
        checked += 1
    assert checked


def _travel(truth, name):
    boxes = [frame[name] for frame in truth if frame[name] is not None]
    return np.abs(np.subtract(boxes[-1], boxes[0])).sum() if boxes else 0
