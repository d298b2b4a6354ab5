import numpy as np
import pytest

from detectors.base import Candidate, Detection, FrameContext, NoTarget, Reason, Source, Target
from detectors.cache import FinderCache
from detectors.calibration import Calibration
from detectors.colour import ColourFinder
from detectors.pipeline import STAGES, GazePipeline
from detectors.scoring import FrameTruth, score_frame, summarise_objects
from detectors.targets.table import BUTTON, CARRIED_BLOCK, DRAWER_HANDLE, block
from errors import ConfigError, InvalidInput
from tests.detectors.calvin_mini import demonstrations, frames_of, needs_calvin_mini
from tests.detectors.made_up_finder import MadeUpFinder, at
from tests.detectors.scenes import PAINT, PLACES, furnished, paint, table

RED = block("red")
#: All that judge pictures are off: the made-up boxes have no pictures.
TIME_ONLY = ("second_pass", "temporal")


def numbered(count):
    images = np.tile(table(), (count, 1, 1, 1))
    images[:, 0, 0, 0] = np.arange(count)
    return images


def detect(finder, count, stages=TIME_ONLY, **options):
    return GazePipeline(finder, stages, **options).detect(numbered(count), [RED] * count)


def test_without_stages_it_is_the_best_box_of_each_frame():
    finder = MadeUpFinder({0: [at(10, 10, 0.6), at(90, 90, 0.9)], 1: [at(10, 10, 0.4)]})
    found = detect(finder, 3, stages=())
    assert found[0].box == (90, 90, 106, 106) and found[0].score == pytest.approx(0.9)
    assert found[1].reason is Reason.BELOW_THRESHOLD
    assert found[2] == NoTarget(Reason.NOT_FOUND, "red_block")
    assert finder.asked_closer == []


def test_the_second_pass_looks_only_where_the_first_was_weak():
    finder = MadeUpFinder({0: [at(10, 10)], 1: [at(10, 10, 0.3)]}, closer={1: [at(11, 10, 0.8)]})
    found = detect(finder, 3, stages=("second_pass",))
    assert finder.asked_closer == [1, 2]
    assert found[1].box == (11, 10, 27, 26)
    assert isinstance(found[2], NoTarget)


def test_a_jump_is_checked_and_the_fitting_box_wins():
    answers = {frame: [at(10 + frame, 10, 0.8)] for frame in range(7)}
    answers[3] = [at(150, 150, 0.95)]
    finder = MadeUpFinder(answers, closer={3: [at(13, 10, 0.6)]})
    found = detect(finder, 7)
    assert finder.asked_closer == [3]
    assert found[3].box == (13, 10, 29, 26)


def test_a_jump_that_stays_alone_is_no_target_but_remembered():
    answers = {frame: [at(10, 10, 0.8)] for frame in range(7)}
    answers[3] = [at(150, 150, 0.95)]
    [*_, third, _, _, _] = detect(MadeUpFinder(answers), 7)
    assert third.source is Source.REMEMBERED and third.box == (10, 10, 26, 26)
    assert not third.is_trusted and third.uncertainty_pixels > 0


def test_a_doubtful_box_counts_beside_a_trusted_one():
    answers = {0: [at(10, 10, 0.9)], 1: [at(11, 10, 0.3)], 2: [at(120, 120, 0.3)]}
    found = detect(MadeUpFinder(answers), 3)
    assert found[1].box == (11, 10, 27, 26) and not found[1].is_trusted
    assert found[2].source is Source.REMEMBERED
    alone = detect(MadeUpFinder({0: [at(10, 10, 0.3)]}), 1)
    assert alone[0].reason is Reason.BELOW_THRESHOLD


def test_what_is_long_out_of_sight_is_forgotten():
    found = detect(MadeUpFinder({0: [at(10, 10)]}), 30)
    uncertain = [result.uncertainty_pixels for result in found if isinstance(result, Detection)]
    assert uncertain == sorted(uncertain) and len(set(uncertain)) == len(uncertain) > 2
    assert found[-1] == NoTarget(Reason.LOST_TRACK, "red_block")


def test_every_filter_leaves_its_reason():
    image = table()
    paint(image, (60, 80, 76, 96), PAINT["blue_block"])
    cases = [
        (RED, at(60, 80, words="blue block"), "phrase", Reason.OTHER_PHRASE),
        (RED, at(60, 80), "colour", Reason.OTHER_COLOUR),
        (RED, at(20, 20, size=160), "size", Reason.IMPLAUSIBLE_SIZE),
        (DRAWER_HANDLE, at(60, 10, words="drawer handle"), "place", Reason.IMPLAUSIBLE_PLACE),
    ]
    for target, candidate, stage, reason in cases:
        finder = MadeUpFinder({int(image[0, 0, 0]): [candidate]})
        kept = GazePipeline(finder, ()).detect(image[None], [target])
        assert isinstance(kept[0], Detection)
        found = GazePipeline(finder, (stage,)).detect(image[None], [target])
        assert found == [NoTarget(reason, target.object)]


def test_calibration_decides_what_is_trusted():
    finder = MadeUpFinder({0: [at(10, 10, 0.9)]})
    doubts = {"red_block": Calibration(((0.0, 0.0), (1.0, 0.4)))}
    assert isinstance(detect(finder, 1, stages=(), calibrations=doubts)[0], Detection)
    assert detect(finder, 1, ("calibration",), calibrations=doubts)[0].reason is Reason.BELOW_THRESHOLD
    others = {"": Calibration(((0.0, 0.0), (1.0, 0.8)))}
    assert detect(finder, 1, ("calibration",), calibrations=others)[0].score == pytest.approx(0.72)


def test_a_still_scene_is_detected_once_whatever_its_length():
    images = np.stack([table()] * 40)
    for frame, image in enumerate(images):
        paint(image, (60, 80, 76, 96), PAINT["red_block"])
        image[0, 0] = frame
    finder = MadeUpFinder({0: [at(60, 80)], 39: [at(60, 80)]})
    found = GazePipeline(finder, ("key_frames",)).detect(images, [RED] * 40)
    assert finder.asked == [0]
    assert {result.box for result in found} == {(60, 80, 76, 96)}
    assert [result.source for result in found[1:]] == [Source.UNCHANGED] * 39


def test_a_moving_block_is_followed_and_the_boxes_are_those_of_every_frame():
    images = np.stack([table()] * 33)
    for frame, image in enumerate(images):
        paint(image, (20 + 3 * frame, 80, 36 + 3 * frame, 96), PAINT["red_block"])
    targets = [RED] * 33
    every = GazePipeline(ColourFinder(), STAGES[:-1]).detect(images, targets)
    some = GazePipeline(ColourFinder(), STAGES).detect(images, targets)
    for result, alone in zip(some, every, strict=True):
        assert result.box == pytest.approx(alone.box, abs=0.5)
    sources = [result.source for result in some]
    assert sources.count(Source.TRACKED) >= 24


def test_following_costs_little_of_the_overlap():
    """Without a finder that looks nearby, pictures are compared."""
    images = np.stack([table()] * 33)
    for frame, image in enumerate(images):
        paint(image, (20 + 3 * frame, 80, 36 + 3 * frame, 96), PAINT["red_block"])
        image[0, 0] = frame
    finder = MadeUpFinder({frame: [at(20 + 3 * frame, 80)] for frame in range(33)})
    found = GazePipeline(finder, ("key_frames",)).detect(images, [RED] * 33)
    assert len(finder.asked) <= 12
    for frame, result in enumerate(found):
        assert result.box == pytest.approx((20 + 3 * frame, 80, 36 + 3 * frame, 96), abs=1)


def test_where_nothing_is_the_frames_between_are_taken_to_be_empty():
    finder = MadeUpFinder({})
    found = GazePipeline(finder, ("key_frames",), interval=8).detect(numbered(33), [RED] * 33)
    assert found == [NoTarget(Reason.NOT_FOUND, "red_block")] * 33
    assert len(finder.asked) <= 6


def test_what_moved_on_while_the_camera_was_dead_did_not_jump():
    images = numbered(16)
    images[2:14] = 0
    finder = MadeUpFinder({0: [at(10, 10)], 1: [at(12, 10)], 15: [at(74, 10)]})
    found = GazePipeline(finder, TIME_ONLY).detect(images, [RED] * 16)
    assert found[15].box[0] == 74 and found[15].is_trusted
    assert {result.reason for result in found[2:14]} == {Reason.BLANK_FRAME}


def test_a_dead_camera_makes_what_is_hidden_after_it_more_uncertain():
    images = numbered(6)
    finder = MadeUpFinder({0: [at(10, 10)]})
    alive = GazePipeline(finder, TIME_ONLY).detect(images, [RED] * 6)
    images[1:3] = 0
    dead = GazePipeline(finder, TIME_ONLY).detect(images, [RED] * 6)
    assert dead[3] == alive[3] and dead[3].source is Source.REMEMBERED


class Unfollowable(MadeUpFinder):
    """Finds the target near in every fourth frame only, so that boxes between lie on a line."""

    def __init__(self, answers, near):
        super().__init__(answers)
        self.near = near

    def finds_near(self, target):
        return True

    def find_near(self, image, target, box):
        candidates = self.near.get(int(image[0, 0, 0]))
        return candidates[0].box if candidates else None


def test_where_nobody_looked_the_box_is_uncertain_and_trusted_up_to_a_bound():
    """A block drawn in each frame moves; between two looks its box is a guess, the further the less sure."""
    images = np.stack([table()] * 9)
    for frame, image in enumerate(images):
        paint(image, (20 + 2 * frame, 80, 36 + 2 * frame, 96), PAINT["red_block"])
        image[0, 0] = frame

    def found(size):
        places = {frame: [at(20 + 2 * frame, 80, 1.0, size=size)] for frame in range(9)}
        finder = Unfollowable({0: places[0], 8: places[8]}, {4: places[4], 8: places[8]})
        return GazePipeline(finder, ("key_frames",), {}).detect(images, [RED] * 9)

    large = found(16)
    assert [result.source for result in large] == [Source.FIRST_PASS] + [Source.TRACKED] * 8
    uncertain = [result.uncertainty_pixels for result in large]
    assert uncertain[0] == uncertain[4] == uncertain[8] == 0 < uncertain[1] < uncertain[2]
    assert uncertain[1:4] == uncertain[5:8] and uncertain[1] == uncertain[3]
    assert large[4].score == large[0].score > large[1].score > large[2].score
    assert all(result.is_trusted for result in large)
    small = found(8)
    assert [result.box[0] for result in small] == [result.box[0] for result in large]
    assert [result.is_trusted for result in small] == [True, True, False, True, True, True, False, True, True]


class SeesLargeThings:
    """Red things, convincing where they are more than a hundredth of the picture that is looked at."""

    name, version, precision, threshold, zooms = "large", "1", None, 0.5, True

    def __init__(self):
        self.sizes = []
        self.thorough = 0

    def check(self):
        pass

    def finds_near(self, target):
        return False

    def find(self, images, target):
        found = []
        for image in images:
            self.sizes.append(image.shape[:2])
            y, x = np.nonzero((image == PAINT["red_block"]).all(axis=2))
            score = 0.9 if len(x) > 0.01 * image.shape[0] * image.shape[1] else 0.3
            box = tuple(map(float, (x.min(), y.min(), x.max() + 1, y.max() + 1))) if len(x) else None
            found.append([Candidate(box, score, target.phrase)] if box else NoTarget(Reason.NOT_FOUND))
        return found

    def find_thoroughly(self, images, target):
        self.thorough += len(images)
        return [NoTarget(Reason.NOT_FOUND)] * len(images)


def partly_hidden(hidden):
    """A block of 24 x 24 pixels that moves, of which some frames show a quarter."""
    images = np.stack([table()] * 9)
    boxes = []
    for frame, image in enumerate(images):
        size = 12 if frame in hidden else 24
        boxes.append((60 + 2 * frame, 80, 60 + 2 * frame + size, 80 + size))
        paint(image, boxes[-1], PAINT["red_block"])
    return images, boxes


def test_a_weak_frame_beside_a_sure_one_is_looked_at_where_the_target_must_be():
    images, boxes = partly_hidden({4})
    finder = SeesLargeThings()
    found = GazePipeline(finder, ("second_pass", "temporal", "key_frames")).detect(images, [RED] * 9)
    assert finder.thorough == 0
    assert (90, 90) in finder.sizes and len(finder.sizes) < 9
    assert found[4].box == boxes[4]
    assert found[4].source is Source.SECOND_PASS and found[4].is_trusted


def test_where_nothing_is_sure_yet_a_weak_frame_is_looked_at_everywhere():
    images, _ = partly_hidden(range(9))
    finder = SeesLargeThings()
    GazePipeline(finder, ("second_pass",)).detect(images, [RED] * 9)
    assert finder.thorough == 9 and set(finder.sizes) == {(200, 200)}


def test_a_closer_look_is_remembered_too():
    images, _ = partly_hidden({4})
    cache, finder = FinderCache(), SeesLargeThings()
    pipeline = GazePipeline(finder, ("second_pass", "temporal", "key_frames"), cache=cache)
    first = pipeline.detect(images, [RED] * 9)
    asked = len(finder.sizes)
    assert pipeline.detect(images, [RED] * 9) == first and len(finder.sizes) == asked


def test_blank_frames_and_unknown_blocks_have_names():
    images = numbered(2)
    images[1] = 7
    unknown, _ = GazePipeline(ColourFinder()).detect(images, [CARRIED_BLOCK, BUTTON])
    assert unknown.reason is Reason.AMBIGUOUS_BLOCK
    assert GazePipeline(ColourFinder()).detect(images, [RED, RED])[1] == NoTarget(Reason.BLANK_FRAME)


@pytest.mark.parametrize("count", [0, 1])
def test_very_short_episodes(count):
    context = FrameContext(gripper_xyz=np.zeros((count, 3)))
    for target in (RED, CARRIED_BLOCK):
        assert len(GazePipeline(ColourFinder()).detect(numbered(count), [target] * count, context)) == count


@pytest.mark.parametrize("name", [*PLACES, "drawer", "slider"])
@pytest.mark.parametrize(("height", "width"), [(100, 100), (84, 84), (400, 400), (120, 160), (200, 300)])
def test_other_sizes_are_scaled(height, width, name):
    pipeline, target = GazePipeline(ColourFinder()), Target(name, name)
    [usual] = pipeline.detect(furnished()[None], [target])
    [found] = pipeline.detect(furnished(height, width)[None], [target])
    scaled = np.array(usual.box) / 200 * [width, height, width, height]
    assert found.box == pytest.approx(scaled.tolist(), abs=2)
    if name in PLACES:
        assert usual.box == pytest.approx([200 * share for share in PLACES[name]], abs=1)


@pytest.mark.parametrize("shape", [(1, 200, 200), (1, 200, 200, 1), (1, 200, 200, 4), (200, 200, 3)])
def test_grey_and_rgba_are_refused_with_a_sentence(shape):
    with pytest.raises(InvalidInput, match="RGB"):
        GazePipeline(ColourFinder()).detect(np.zeros(shape, np.uint8), [RED])


def test_options_are_checked():
    with pytest.raises(ConfigError, match="'magic'"):
        GazePipeline(ColourFinder(), ("magic",))
    with pytest.raises(ConfigError, match="interval is 0"):
        GazePipeline(ColourFinder(), interval=0)


def test_a_cache_spares_the_finder():
    cache, finder = FinderCache(), MadeUpFinder({0: [at(10, 10)], 1: [at(10, 10)]})
    first = detect(finder, 3, cache=cache)
    asked = list(finder.asked)
    assert detect(finder, 3, cache=cache) == first
    assert finder.asked == asked and cache.hits >= 3


@needs_calvin_mini
def test_on_validation_frames_of_calvin():
    """The whole pipeline on every block that a frame may show."""
    scored = []
    for demonstration in demonstrations("validation"):
        images, _, truth = frames_of("validation", demonstration)
        for colour in ("red", "blue", "pink"):
            name = f"{colour}_block"
            found = GazePipeline(ColourFinder()).detect(images, [block(colour)] * len(images))
            scored += [
                score_frame(result, FrameTruth(boxes[name]), 200 * 200, name)
                for result, boxes in zip(found, truth, strict=True)
            ]
    figures = summarise_objects(scored)["all"]
    assert figures["visible"] > 0 and figures["frames"] > figures["visible"]
    assert figures["rate"] >= 0.98
    assert figures["false_targets"] == 0
