import numpy as np
import pytest

from detectors.base import Detection, FrameContext, Target, blank_frames, check_frames
from errors import InvalidInput

RED = Target("red_block", "red block", "red")


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 20, 20), np.uint8),  # grey
        np.zeros((1, 20, 20, 4), np.uint8),  # RGBA
        np.zeros((20, 20, 3), np.uint8),  # one image, not a batch
        np.zeros((1, 0, 20, 3), np.uint8),
        np.zeros((1, 20, 20, 3), np.float32),
    ],
)
def test_unusable_images_are_refused(images):
    with pytest.raises(InvalidInput, match="images must be"):
        check_frames(images, [RED])


def test_counts_must_agree():
    images = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(InvalidInput, match="targets has 1 entries for 2 images"):
        check_frames(images, [RED])
    with pytest.raises(InvalidInput, match="boxes has 1"):
        check_frames(images, [RED, RED], FrameContext(boxes=[{}]))
    with pytest.raises(InvalidInput, match="gripper_xyz has 3"):
        check_frames(images, [RED, RED], FrameContext(gripper_xyz=np.zeros((3, 3))))
    check_frames(images, [RED, RED], FrameContext(boxes=[{}, {}], gripper_xyz=np.zeros((2, 3))))


def test_blank_means_one_colour():
    images = np.full((3, 4, 4, 3), 7, np.uint8)
    images[1] = 9
    images[2, 3, 3, 0] = 8
    assert blank_frames(images).tolist() == [True, True, False]


@pytest.mark.parametrize(("box", "score"), [((5, 5, 5, 9), 0.5), ((0, 0, 2, 2), 1.5)])
def test_a_detection_is_a_region_with_a_share_as_score(box, score):
    with pytest.raises(InvalidInput):
        Detection(box, score, "red block")
