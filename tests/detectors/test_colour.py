import cv2
import numpy as np
import pytest

from detectors.base import Detection, NoTarget, Reason, Target
from detectors.colour import ColourDetector, find_block
from detectors.scoring import FrameTruth, score_frame, summarise
from detectors.targets import CARRIED_BLOCK, DRAWER, block
from tests.detectors.calvin_mini import demonstrations, frames_of, needs_calvin_mini
from tests.detectors.scenes import PAINT, paint, table

BOX = (60, 80, 76, 96)


def detect_one(image, target):
    return ColourDetector().detect(image[None], [target])[0]


@pytest.mark.parametrize("colour", ["red", "blue", "pink"])
def test_finds_its_colour_among_the_others(colour):
    image = table()
    for index, (name, paint_colour) in enumerate(PAINT.items()):
        paint(image, (20 + 50 * index, 80, 36 + 50 * index, 96), paint_colour)
        if name == f"{colour}_block":
            expected = (20 + 50 * index, 80, 36 + 50 * index, 96)
    found = detect_one(image, block(colour))
    assert isinstance(found, Detection)
    assert found.box == expected
    assert found.phrase == f"{colour} block"


def test_shading_does_not_split_a_block():
    image = table()
    paint(image, BOX, (150, 0, 0))
    paint(image, (60, 80, 76, 86), (240, 10, 10))
    assert detect_one(image, block("red")).box == BOX


def test_a_finger_across_the_block_does_not_split_it():
    image = table()
    paint(image, BOX, PAINT["red_block"])
    paint(image, (66, 70, 70, 110), (190, 190, 190))
    assert detect_one(image, block("red")).box == BOX


def test_partly_hidden_scores_lower():
    whole, hidden = table(), table()
    paint(whole, BOX, PAINT["red_block"])
    paint(hidden, (60, 80, 64, 96), PAINT["red_block"])
    assert detect_one(whole, block("red")).score == 1.0
    assert detect_one(hidden, block("red")).score == pytest.approx(64 / 250)


@pytest.mark.parametrize("box", [(60, 80, 62, 84), (0, 0, 60, 60)])  # a sliver, a wall
def test_implausible_sizes_are_not_found(box):
    image = table()
    paint(image, box, PAINT["blue_block"])
    assert detect_one(image, block("blue")) == NoTarget(Reason.NOT_FOUND, "blue_block")


def test_wood_is_not_a_red_block():
    image = table()
    image[:] = (92, 45, 30)  # the dark reddish wood of CALVIN's scene A
    image[0, 0] = 0
    assert find_block(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL), "red_block") is None


def test_absence_has_a_name():
    blank = np.zeros((1, 40, 40, 3), np.uint8)
    assert ColourDetector().detect(blank, [block("red")]) == [NoTarget(Reason.BLANK_FRAME)]
    assert detect_one(table(), DRAWER).reason is Reason.NOT_A_COLOURED_OBJECT
    assert detect_one(table(), CARRIED_BLOCK).reason is Reason.AMBIGUOUS_BLOCK


def test_an_empty_batch_gives_an_empty_list():
    assert ColourDetector().detect(np.zeros((0, 8, 8, 3), np.uint8), []) == []


def test_sizes_scale_with_the_image():
    image = table(400, 400)
    paint(image, (120, 160, 152, 192), PAINT["pink_block"])
    assert detect_one(image, block("pink")).score == 1.0


@needs_calvin_mini
@pytest.mark.parametrize(
    ("name", "least_rate", "least_iou"),
    [
        ("red_block", 0.97, 0.98),
        ("blue_block", 0.97, 0.98),
        ("pink_block", 0.97, 0.98),
        ("drawer_handle", 0.99, 0.9),
        ("switch", 0.99, 0.95),
        ("button", 0.85, 0.95),
        ("slider_handle", 0.7, 0.85),
    ],
)
def test_on_validation_frames_of_calvin(name, least_rate, least_iou):
    scored = []
    for demonstration in demonstrations("validation"):
        images, _, truth = frames_of("validation", demonstration)
        found = ColourDetector().detect(images, [Target(name, name)] * len(images))
        scored += [
            score_frame(result, FrameTruth(boxes[name]), 200 * 200)
            for result, boxes in zip(found, truth, strict=True)
        ]
    figures = summarise(scored)
    visible = figures["simple"]["frames"] + figures["complex"]["frames"]
    detected = figures["simple"]["detected"] + figures["complex"]["detected"]
    overlaps = [frame.iou for frame in scored if frame.iou is not None]
    assert detected / visible >= least_rate
    assert np.mean(overlaps) >= least_iou
    assert figures["absent"]["outcomes"].get("false_target", 0) == 0
