import cv2
import numpy as np
import pytest

from detectors.base import NoTarget, Reason, Source, Target
from detectors.colour import ColourFinder, find_blocks
from detectors.pipeline import GazePipeline
from detectors.scoring import FrameTruth, score_frame, summarise
from detectors.targets.table import CABINET, CARRIED_BLOCK, DRAWER, DRAWER_HANDLE, block
from tests.detectors.calvin_mini import demonstrations, frames_of, needs_calvin_mini
from tests.detectors.scenes import PAINT, paint, table

BOX = (60, 80, 76, 96)


def candidates(image, target):
    return ColourFinder().find([image], target)[0]


def best(image, target):
    return max(candidates(image, target), key=lambda candidate: candidate.score)


@pytest.mark.parametrize("colour", ["red", "blue", "pink"])
def test_finds_its_colour_among_the_others(colour):
    image = table()
    for index, (name, paint_colour) in enumerate(PAINT.items()):
        paint(image, (20 + 50 * index, 80, 36 + 50 * index, 96), paint_colour)
        if name == f"{colour}_block":
            expected = (20 + 50 * index, 80, 36 + 50 * index, 96)
    [found] = candidates(image, block(colour))
    assert found.box == expected
    assert found.words == f"{colour} block"


def test_shading_does_not_split_a_block():
    image = table()
    paint(image, BOX, (150, 0, 0))
    paint(image, (60, 80, 76, 86), (240, 10, 10))
    assert best(image, block("red")).box == BOX


def test_a_finger_across_the_block_does_not_split_it():
    image = table()
    paint(image, BOX, PAINT["red_block"])
    paint(image, (66, 70, 70, 110), (190, 190, 190))
    assert best(image, block("red")).box == BOX


def test_partly_hidden_scores_lower():
    whole, hidden = table(), table()
    paint(whole, BOX, PAINT["red_block"])
    paint(hidden, (60, 80, 64, 96), PAINT["red_block"])
    assert best(whole, block("red")).score == 1.0
    assert best(hidden, block("red")).score == pytest.approx(64 / 250)


@pytest.mark.parametrize("box", [(60, 80, 62, 84), (0, 0, 60, 60)])  # a sliver, a wall
def test_implausible_sizes_are_not_found(box):
    image = table()
    paint(image, box, PAINT["blue_block"])
    assert candidates(image, block("blue")) == NoTarget(Reason.NOT_FOUND, "blue_block")


def test_wood_is_not_a_red_block():
    image = table()
    image[:] = (92, 45, 30)  # the dark reddish wood of CALVIN's scene A
    image[0, 0] = 0
    assert find_blocks(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL), "red_block") == []


def test_two_things_of_one_colour_are_two_candidates():
    image = table()
    paint(image, BOX, PAINT["red_block"])
    paint(image, (150, 20, 160, 30), PAINT["red_block"])
    assert [one.box for one in candidates(image, block("red"))] == [BOX, (150, 20, 160, 30)]


def test_the_second_pass_sees_paler_and_smaller_pieces():
    image = table()
    paint(image, BOX, (40, 20, 20))
    assert candidates(image, block("red")) == NoTarget(Reason.NOT_FOUND, "red_block")
    [[found]] = ColourFinder().find_thoroughly([image], block("red"))
    assert (found.box, found.source) == (BOX, Source.SECOND_PASS)


def test_absence_has_a_name():
    assert candidates(table(), DRAWER_HANDLE) == NoTarget(Reason.NOT_FOUND, "drawer_handle")
    assert candidates(table(), DRAWER) == NoTarget(Reason.NOT_FOUND, "drawer")
    assert candidates(table(), CABINET) == NoTarget(Reason.NOT_FOUND, "slider")
    assert candidates(table(), CARRIED_BLOCK).reason is Reason.NOT_A_COLOURED_OBJECT


def test_sizes_scale_with_the_image():
    image = table(400, 400)
    paint(image, (120, 160, 152, 192), PAINT["pink_block"])
    assert best(image, block("pink")).score == 1.0


@needs_calvin_mini
@pytest.mark.parametrize(
    ("name", "least_rate", "least_iou"),
    [
        ("red_block", 0.97, 0.98),
        ("blue_block", 0.97, 0.98),
        ("pink_block", 0.97, 0.98),
        ("drawer_handle", 0.99, 0.9),
        ("drawer", 0.99, 0.85),
        ("switch", 0.99, 0.95),
        ("button", 0.85, 0.95),
        ("slider_handle", 0.7, 0.85),
    ],
)
def test_on_validation_frames_of_calvin(name, least_rate, least_iou):
    """Without any stage: what the finder sees in single frames."""
    scored = []
    for demonstration in demonstrations("validation"):
        images, _, truth = frames_of("validation", demonstration)
        found = GazePipeline(ColourFinder(), stages=()).detect(images, [Target(name, name)] * len(images))
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


def test_the_second_pass_adds_nothing_to_fixtures():
    assert ColourFinder().find_thoroughly([table()], DRAWER) == [NoTarget(Reason.NOT_FOUND, "drawer")]


@needs_calvin_mini
@pytest.mark.parametrize(
    "name", ["blue_block", "drawer_handle", "slider_handle", "switch", "drawer", "slider"]
)
def test_a_look_near_the_last_box_finds_what_a_look_at_the_whole_frame_finds(name):
    finder, target = ColourFinder(), Target(name, name)
    assert finder.finds_near(target)
    alike = moves = 0
    for demonstration in demonstrations("validation"):
        images, _, _ = frames_of("validation", demonstration)
        found = finder.find(list(images), target)
        for image, before, after in zip(images[1:], found, found[1:]):
            if isinstance(before, NoTarget) or isinstance(after, NoTarget):
                continue
            moves += 1
            alike += finder.find_near(image, target, before[0].box) == after[0].box
    assert moves > 50
    assert alike / moves >= 0.95  # pieces that the arm cut off may lie outside of what is looked at
