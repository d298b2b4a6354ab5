"""What every detector takes and gives: images and targets in, boxes or a named absence out.

A *finder* (GroundingDINO, colour) proposes candidates in single frames; the pipeline (`pipeline.py`) makes a
*detector* of it, which chooses among them over a whole demonstration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from errors import InvalidInput

if TYPE_CHECKING:  # schedulers and windows have no pictures, and numpy is a fifth of what they would import
    import numpy as np
    from numpy.typing import NDArray

#: From this score on a box is more likely right than wrong.
TRUSTED = 0.5

#: (x0, y0, x1, y1) in pixels of the static image; x1 and y1 are exclusive.
Box = tuple[float, float, float, float]


class Reason(str, Enum):
    """Why a frame has no gaze region. The value is what reports and artifacts hold."""

    UNKNOWN_WORDING = "unknown_wording"
    OTHER_THAN_THE_TASK = "other_than_the_task"
    NOT_FOUND = "not_found"
    OCCLUDED = "occluded"
    BLANK_FRAME = "blank_frame"
    BELOW_THRESHOLD = "below_threshold"
    AMBIGUOUS_BLOCK = "ambiguous_block"
    NOT_A_COLOURED_OBJECT = "not_a_coloured_object"
    OTHER_PHRASE = "other_phrase"
    OTHER_COLOUR = "other_colour"
    IMPLAUSIBLE_SIZE = "implausible_size"
    IMPLAUSIBLE_PLACE = "implausible_place"
    IMPLAUSIBLE_JUMP = "implausible_jump"
    LOST_TRACK = "lost_track"


class Source(str, Enum):
    """How a box came about: found by the first or the second pass, followed from a neighbouring frame whose
    pixels are the same or similar, or remembered while the target is out of sight."""

    FIRST_PASS = "first_pass"
    SECOND_PASS = "second_pass"
    UNCHANGED = "unchanged"
    TRACKED = "tracked"
    REMEMBERED = "remembered"


@dataclass(frozen=True)
class Target:
    """What to look for in a frame.

    `object` is a name of the true boxes (`red_block`, `drawer_handle`, ...), or `block` for the one the
    gripper handles and `other_block` for the one it is put upon. `phrase` is its English noun phrase.
    """

    object: str
    phrase: str
    colour: str | None = None


@dataclass(frozen=True)
class Candidate:
    """A box that may be the target: a finder's score in 0..1 and the words it saw in it."""

    box: Box
    score: float
    words: str
    source: Source = Source.FIRST_PASS


@dataclass(frozen=True)
class Detection:
    """A gaze region: its box, a score in 0..1 and the noun phrase it stands for.

    `uncertainty_pixels`: how far the target may have moved since it was last seen; 0 where it is seen.
    """

    box: Box
    score: float
    phrase: str
    source: Source = Source.FIRST_PASS
    uncertainty_pixels: float = 0.0

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if not (x0 < x1 and y0 < y1):
            raise InvalidInput(f"detection box {self.box} is empty: x0 < x1 and y0 < y1 are needed")
        if not 0.0 <= self.score <= 1.0:
            raise InvalidInput(f"detection score {self.score} lies outside 0..1")

    @property
    def is_trusted(self) -> bool:
        """More likely right than wrong."""
        return self.score >= TRUSTED


@dataclass(frozen=True)
class NoTarget:
    """There is no gaze region in this frame, and why. Never replaced by the whole image."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class FrameContext:
    """What is known about the frames besides their pixels. Each field has one entry per frame, or is None.

    `boxes`: true boxes by object name, None where no pixel of the object is visible.
    `gripper_xyz`: (N, 3) position of the tool centre point in metres, world frame (`robot_obs[:, :3]`).
    `gripper_action`: (N,) what the hand was last told, 1 to open and -1 to close (`robot_obs[:, 14]`).
    """

    boxes: Sequence[Mapping[str, Box | None]] | None = None
    gripper_xyz: NDArray[np.floating] | None = None
    gripper_action: NDArray[np.floating] | None = None


class Finder(Protocol):
    """Proposes boxes for a target in single frames; knows nothing of time.

    `version` names all that decides the candidates: code, weights, thresholds.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def precision(self) -> str | None:
        """What this machine computes boxes in (`fp32`, `fp16`, ...), where `version` leaves that open; else None."""
        ...

    @property
    def threshold(self) -> float:
        """The score from which on the finder itself counts a box as found; weaker candidates may be given."""
        ...

    @property
    def zooms(self) -> bool:
        """True where a part of a frame is seen at a larger scale than the whole."""
        ...

    def check(self) -> None:
        """See `Detector.check`."""
        ...

    def find(self, images: Sequence[NDArray[np.uint8]], target: Target) -> list[list[Candidate] | NoTarget]:
        """Candidates of each (H, W, 3) uint8 image in any order; NoTarget where there is none."""
        ...

    def find_thoroughly(
        self, images: Sequence[NDArray[np.uint8]], target: Target
    ) -> list[list[Candidate] | NoTarget]:
        """The same at a higher price, for frames in which `find` saw nothing convincing."""
        ...

    def find_near(self, image: NDArray[np.uint8], target: Target, box: Box) -> Box | None:
        """The target's box in the part of an image around `box`, at a fraction of the price; None where it is
        not found there."""
        ...

    def finds_near(self, target: Target) -> bool:
        """True where `find_near` can be asked about this target."""
        ...


class Detector(Protocol):
    """Finds the target of each frame.

    `name` and `version` decide, with the options, whether an earlier extraction can be reused: a change
    of behaviour changes `version`.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def precision(self) -> str | None:
        """See `Finder.precision`."""
        ...

    def check(self) -> None:
        """Find out, before there is any work, what would end all of it: raises WeightsMissing where weights are not
        there, CheckpointError where they are damaged. What only workers need to have is not asked for."""
        ...

    def detect(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None = None
    ) -> list[Detection | NoTarget]:
        """One result per frame, in order.

        `images`: (N, H, W, 3) uint8 RGB frames of one demonstration in time order; `targets`: N entries.
        Raises InvalidInput when shapes, type or lengths do not fit.
        """
        ...


def check_frames(
    images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None = None
) -> None:
    """Raise InvalidInput unless images, targets and context describe the same N RGB frames."""
    shape = getattr(images, "shape", None)
    if shape is None or len(shape) != 4 or shape[3] != 3 or 0 in shape[1:]:
        raise InvalidInput(f"images must be (N, H, W, 3) RGB, not {shape} (grey and RGBA are not accepted)")
    if images.dtype != "uint8":
        raise InvalidInput(f"images must be uint8, not {images.dtype}")
    counts = {"targets": len(targets)}
    if context is not None and context.boxes is not None:
        counts["context.boxes"] = len(context.boxes)
    if context is not None and context.gripper_xyz is not None:
        counts["context.gripper_xyz"] = len(context.gripper_xyz)
    if context is not None and context.gripper_action is not None:
        counts["context.gripper_action"] = len(context.gripper_action)
    for field, count in counts.items():
        if count != len(images):
            raise InvalidInput(f"{field} has {count} entries for {len(images)} images")


def blank_frames(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(N,) True where all pixels of a frame of (N, H, W, 3) are equal: a dead camera, not a scene."""
    first = images[:, :1, :1]
    # A few pixels of a scene are never all of one colour, and settle it at once.
    blank: NDArray[np.bool_] = (images[:, ::16, ::16] == first).all(axis=(1, 2, 3))
    for frame in blank.nonzero()[0]:
        blank[frame] = (images[frame] == first[frame]).all()
    return blank
