import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Detection, NoTarget, Reason
from detectors.scoring import (
    FrameTruth,
    difficulty,
    iou,
    object_truths,
    score_frame,
    summarise,
    summarise_objects,
)

AREA = 200 * 200
BOX = (50.0, 50.0, 70.0, 70.0)


def found(box=BOX):
    return Detection(box, 0.9, "red block")


def test_iou_by_hand():
    assert iou(BOX, BOX) == 1.0
    assert iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert iou((0, 0, 2, 2), (2, 0, 4, 2)) == 0.0


coordinates = st.integers(0, 50)
boxes = st.tuples(coordinates, coordinates, st.integers(1, 50), st.integers(1, 50)).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(a, b):
    assert iou(a, b) == iou(b, a)
    assert 0.0 <= iou(a, b) <= 1.0


def test_how_much_shows_is_relative_to_the_usual_area():
    boxes = [(0, 0, 10, 10), (0, 0, 10, 20), (0, 0, 20, 10), None]
    other = (30, 30, 40, 40)
    frames = [{"red_block": box, "blue_block": other, "button": other} for box in boxes]
    truths = object_truths(frames, "red_block")
    assert [truth.visible_share for truth in truths] == [0.5, 1.0, 1.0, 0.0]
    assert [truth.box for truth in truths] == boxes
    assert all(truth.distractors == (other,) for truth in truths), "a button is taken for no block"
    assert object_truths(frames, "button")[0].distractors == ()


def test_pixels_tell_what_a_box_does_not():
    """A hand across the middle of a block leaves its box whole."""
    frames = [{"red_block": (0, 0, 10, 10)}] * 3 + [{"red_block": None}]
    pixels = [{"red_block": count} for count in (100, 100, 40, 0)]
    truths = object_truths(frames, "red_block", pixels)
    assert [truth.visible_share for truth in truths] == [1.0, 1.0, 0.4, 0.0]
    assert [truth.visible_share for truth in object_truths(frames, "red_block")] == [1.0, 1.0, 1.0, 0.0]


def test_what_a_frame_does_not_name_is_not_known():
    assert object_truths([{"button": None}, {}], "button") == [FrameTruth(None, 0.0), None]


@pytest.mark.parametrize(
    ("truth", "level"),
    [
        (None, "unlabelled"),
        (FrameTruth(None), "absent"),
        (FrameTruth(BOX), "simple"),
        (FrameTruth(BOX, visible_share=0.74), "complex"),
        (FrameTruth((0, 0, 9, 9)), "complex"),
        (FrameTruth(BOX, distractors=((79, 50, 99, 70),)), "complex"),
        (FrameTruth(BOX, distractors=((81, 50, 99, 70),)), "simple"),
    ],
)
def test_difficulty(truth, level):
    assert difficulty(truth, AREA) == level


@pytest.mark.parametrize(
    ("result", "truth", "outcome"),
    [
        (found(), FrameTruth(BOX), "detected"),
        (found((60, 60, 80, 80)), FrameTruth(BOX), "misplaced"),
        (found((60, 50, 80, 70)), FrameTruth(BOX, distractors=((70, 50, 90, 70),)), "misplaced"),
        (found((62, 50, 82, 70)), FrameTruth(BOX, distractors=((70, 50, 90, 70),)), "false_target"),
        (found((52, 50, 72, 70)), FrameTruth(BOX, distractors=((52, 50, 72, 70),)), "detected"),
        (found(), FrameTruth(None), "false_target"),
        (found(), None, "found"),
        (NoTarget(Reason.OCCLUDED), FrameTruth(None), "occluded"),
        (NoTarget(Reason.NOT_FOUND), FrameTruth(BOX), "not_found"),
    ],
)
def test_outcomes(result, truth, outcome):
    assert score_frame(result, truth, AREA).outcome == outcome


@pytest.mark.parametrize(
    ("result", "truth", "failed"),
    [
        (found(), FrameTruth(BOX), False),
        (found((60, 60, 80, 80)), FrameTruth(BOX), True),
        (NoTarget(Reason.NOT_FOUND), FrameTruth(BOX), True),
        (found(), FrameTruth(None), True),
        (NoTarget(Reason.OCCLUDED), FrameTruth(None), False),
        (found(), None, False),
        (NoTarget(Reason.NOT_FOUND), None, True),
    ],
)
def test_what_a_person_should_look_at(result, truth, failed):
    assert score_frame(result, truth, AREA).has_failed is failed


def test_summary_counts_add_up():
    hidden = FrameTruth(BOX, visible_share=0.2)
    frames = [
        score_frame(found(), FrameTruth(BOX), AREA),
        score_frame(NoTarget(Reason.NOT_FOUND), FrameTruth(BOX), AREA),
        score_frame(found((60, 60, 80, 80)), hidden, AREA),
        score_frame(found(), FrameTruth(None), AREA),
    ]
    summary = summarise(frames)
    assert summary["simple"] == {
        "frames": 2,
        "detected": 1,
        "rate": 0.5,
        "mean_iou": 1.0,
        "trusted_right": 1,
        "outcomes": {"detected": 1, "not_found": 1},
    }
    assert summary["complex"]["rate"] == 0.0
    assert summary["complex"]["mean_iou"] == pytest.approx(1 / 7)
    assert summary["absent"]["outcomes"] == {"false_target": 1}
    assert all(sum(part["outcomes"].values()) == part["frames"] for part in summary.values())


def test_a_right_box_without_trust_is_detected_and_no_more():
    frames = [score_frame(Detection(BOX, score, "red block"), FrameTruth(BOX), AREA) for score in (0.9, 0.2)]
    assert summarise(frames)["simple"]["detected"] == 2
    assert summarise(frames)["simple"]["trusted_right"] == 1
    whole = summarise_objects(frames)["all"]
    assert (whole["detected"], whole["trusted_right"]) == (2, 1)
    unknown = summarise_objects([score_frame(found(), None, AREA)])["all"]
    assert unknown["trusted_right"] == 0, "where no truth is known nothing is right"


def test_trusted_and_wrong_is_every_trusted_box_off_the_target():
    off = (60, 60, 80, 80)
    frames = [
        score_frame(found(), FrameTruth(BOX), AREA),
        score_frame(found(off), FrameTruth(BOX), AREA),
        score_frame(Detection(off, 0.2, "red block"), FrameTruth(BOX), AREA),
        score_frame(found(), FrameTruth(None), AREA),
        score_frame(found(), None, AREA),
    ]
    whole = summarise_objects(frames)["all"]
    assert (whole["trusted_right"], whole["trusted_wrong"], whole["false_targets"]) == (1, 2, 1)


def test_what_was_not_measured_is_none():
    summary = summarise([])
    assert summary["simple"] == {
        "frames": 0, "detected": 0, "rate": None, "mean_iou": None, "trusted_right": 0, "outcomes": {},
    }  # fmt: skip
    assert summarise([score_frame(found(), None, AREA)])["unlabelled"]["rate"] is None
