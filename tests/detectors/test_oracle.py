import numpy as np
import pytest

from detectors.base import Detection, FrameContext, NoTarget, Reason
from detectors.oracle import OracleDetector
from detectors.targets.table import DRAWER, block
from errors import InvalidInput

IMAGES = np.zeros((2, 20, 20, 3), np.uint8)


def test_gives_the_true_box_or_says_occluded():
    context = FrameContext(boxes=[{"red_block": (1, 2, 5, 6)}, {"red_block": None}])
    found = OracleDetector().detect(IMAGES, [block("red")] * 2, context)
    assert found == [Detection((1, 2, 5, 6), 1.0, "red block"), NoTarget(Reason.OCCLUDED, "red_block")]


@pytest.mark.parametrize("context", [None, FrameContext()])
def test_needs_the_truth(context):
    with pytest.raises(InvalidInput, match="true boxes"):
        OracleDetector().detect(IMAGES, [block("red")] * 2, context)


def test_a_name_nobody_knows_is_an_error_not_an_absence():
    with pytest.raises(InvalidInput, match="'drawer'"):
        OracleDetector().detect(IMAGES, [DRAWER] * 2, FrameContext(boxes=[{"red_block": None}] * 2))
