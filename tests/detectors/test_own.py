"""Detectors of the user's own are held to what detectors promise."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.base import Detection, FrameContext, NoTarget, Reason
from detectors.own import OwnDetector
from detectors.registry import make_detector
from detectors.spec import any_version
from detectors.targets.table import CARRIED_BLOCK, block
from errors import ConfigError, InvalidInput, WeightsMissing
from settings.code_source import Reference
from tests.own_code import DETECTOR, admitted

FRAMES = np.zeros((2, 200, 200, 3), np.uint8)


def answering(answer: str, more: str = "") -> str:
    return (
        "import math\nimport numpy as np\nfrom detectors.base import *\nfrom errors import *\n"
        f"class Mine:\n    def detect(self, images, targets, context=None):\n        return {answer}\n{more}"
    )


def test_it_is_a_detector_like_any_other() -> None:
    reference = admitted(DETECTOR)
    detector = make_detector(str(reference))
    assert (detector.name, detector.version, detector.precision) == (
        "mine:Mine",
        str(reference.digest)[:12],
        None,
    )
    detector.check()
    found = detector.detect(FRAMES, [block("red")] * 2)
    assert found == [Detection((10.0, 10.0, 20.0, 20.0), 0.9, "red block")] * 2
    assert any_version(str(reference)).difference() is None, "no look at a state runs code"


def test_what_it_says_of_itself_counts() -> None:
    more = "    version = 'weights 7'\n    precision = 'fp16'\n    on_accelerator = True\n"
    detector = OwnDetector(admitted(answering("[]", more)))
    assert (
        detector.version.endswith(" weights 7") and detector.precision == "fp16" and detector.on_accelerator
    )


def test_numbers_of_numpy_become_pythons() -> None:
    answer = "[Detection(tuple(np.float32([1, 2, 3, 4])), np.float32(0.5), 'x') for _ in images]"
    found = OwnDetector(admitted(answering(answer))).detect(FRAMES, [block("red")] * 2)
    assert isinstance(found[0], Detection) and {type(one) for one in (*found[0].box, found[0].score)} == {
        float
    }


WRONG = {
    "too few": ("[]", r"/there/mine\.py: Mine\.detect gave 0 results for 2 frames"),
    "no detection": (
        "[(1, 2, 3, 4)] * 2",
        r"gave \(1, 2, 3, 4\) for frame 0: it is a Detection or a NoTarget",
    ),
    "a reason of its own": ("[NoTarget('none')] * 2", "a NoTarget with a Reason"),
    "outside": (
        "[Detection((0, 0, 201, 5), .5, 'x')] * 2",
        "frame 0: it must lie within the 200 x 200 pixels",
    ),
    "before it": ("[Detection((-1, 0, 20, 5), .5, 'x')] * 2", "must lie within"),
    "no number": ("[Detection((0, 0, math.inf, 5), .5, 'x')] * 2", "must be finite"),
    "empty": (
        "[Detection((5, 5, 5, 9), .5, 'x')] * 2",
        r"mine\.py, line 7: trying Mine: detection box .* is empty",
    ),
    "nan": ("[Detection((5, 5, math.nan, 9), .5, 'x')] * 2", r"line 7: .* is empty"),
    "raises": ("1 / 0", r"/there/mine\.py, line 7: trying Mine raised ZeroDivisionError: division by zero"),
    "nothing": ("None", r"/there/mine\.py: trying Mine raised TypeError"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_one_sentence_before_there_is_any_work(case: str) -> None:
    answer, says = WRONG[case]
    with pytest.raises(ConfigError, match=says) as refused:
        OwnDetector(admitted(answering(answer))).check()
    assert "\n" not in str(refused.value)


def test_a_job_refuses_the_same_answers() -> None:
    with pytest.raises(InvalidInput, match="must lie within"):
        OwnDetector(admitted(answering(WRONG["outside"][0]))).detect(FRAMES, [block("red")] * 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Mine: ...", r"/there/mine\.py: Mine has no method detect; docs/own-code\.md"),
        ("class Mine:\n    def __init__(self, x): ...", "making Mine raised TypeError: .*missing 1 required"),
        (
            "class Mine:\n    def __init__(self):\n        open('/nowhere/x')",
            "line 3: making Mine raised FileNotFound",
        ),
    ],
)
def test_a_class_that_is_no_detector(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        OwnDetector(admitted(text))


def test_what_its_check_says_a_machine_lacks_is_said() -> None:
    text = answering("[]", "    def check(self):\n        raise WeightsMissing('get them')\n")
    with pytest.raises(WeightsMissing, match="get them"):
        OwnDetector(admitted(text)).check()


def test_it_is_never_asked_for_a_block_that_nobody_named() -> None:
    """Each colour is looked for, and the block that goes with the hand is the one that is meant."""
    text = """
from detectors.base import Detection

class Mine:
    asked = []
    def detect(self, images, targets, context=None):
        Mine.asked += [target.object for target in targets]
        assert len(images) == len(targets) == len(context.gripper_xyz)
        return [self.box(image, target) for image, target in zip(images, targets)]
    def box(self, image, target):
        x = 100 + (int(image[0, 0, 0]) if target.colour == "blue" else 0)
        return Detection((x, 100, x + 10, 110), 0.9, target.phrase)
"""
    frames = np.zeros((5, 200, 200, 3), np.uint8)
    frames[:, 0, 0, 0] = range(0, 50, 10)
    known = FrameContext(gripper_xyz=np.zeros((5, 3)))
    found = OwnDetector(admitted(text)).detect(frames, [CARRIED_BLOCK] * 5, known)
    assert [one.phrase for one in found if isinstance(one, Detection)] == ["blue block"] * 5
    assert [one.box[0] for one in found if isinstance(one, Detection)] == [100, 110, 120, 130, 140]
    unknown = OwnDetector(admitted(DETECTOR)).detect(frames, [CARRIED_BLOCK] * 5)
    assert [one.reason for one in unknown if isinstance(one, NoTarget)] == [Reason.AMBIGUOUS_BLOCK] * 5


def test_it_takes_no_options_and_needs_its_source() -> None:
    with pytest.raises(ConfigError, match="detector mine:Mine has no options"):
        make_detector(str(admitted(DETECTOR)), stages=[])
    with pytest.raises(InvalidInput, match="no source of it was named here"):
        make_detector(str(Reference("mine", "Mine", "0" * 64)))
