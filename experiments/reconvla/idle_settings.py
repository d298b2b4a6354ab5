"""Settings that decide nothing in an arm, as none of its jobs reads them, or as they only say how the work is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detectors.registry import FINDERS, LEARNED
from errors import ChangesNothing, ConfigError
from experiments.reconvla.config import AblationConfig
from settings.code_source import reference_of
from settings.shown import cut

Place = tuple[str, ...]

#: Settings that only some methods use.
_OF_PRETRAINING = (
    ("pretraining",),
    ("data", "pretraining_root"),
    ("data", "pretraining_scenes"),
    ("data", "pretraining_demonstrations_per_task"),
)
#: Of demonstrations that the built-in simulator makes.
_OF_MADE = ("training_scenes", "demonstrations_per_task", "starts", "seed")
#: Of a judgement without a simulator; all else of the section is of the simulator.
_WITHOUT_SIMULATOR = frozenset({"precision", "threads"})
#: These say when and where work is done; its keys do not hold them.
_HOW = (
    *((stage, entry) for stage in ("training", "pretraining") for entry in ("slice_seconds", "checkpoint_seconds")),
    *(("evaluation", entry) for entry in ("slice_seconds", "simulators_per_batch", "parallel_simulators")),
    ("gaze", "python"),
)  # fmt: skip

#: Of the model's configuration what settings of their own decide, and more with it.
_SAID_ELSEWHERE = {
    "size": "model.size",
    "grounding": "method.grounding",
    "official_compat": "model.official_compat",
}

#: Is seen in films only.
_SHOWN_LOOKS = ("evaluation", "video_attention")

#: Decides by itself whether an arm looks at regions.
_UNTRUSTED = ("gaze", "untrusted")

#: Where a method has none.
_LOOKS_AT_NOTHING = (
    "an arm that neither reconstructs a gaze region nor is told of one; name a `base`, such as recon"
)


def within(place: Place, other: Place) -> bool:
    """Whether `place` is `other` or below it."""
    return place[: len(other)] == other


def check_meaning(name: str, config: AblationConfig, said: Sequence[Place]) -> None:
    """Raises ChangesNothing for one of the settings `said` that the method of an arm, or what is filmed of it, leaves
    without a meaning. config: all that it has."""
    method, gaze = config.method, config.gaze
    looks = method.reconstruction == "gaze" or method.grounding != "none" or gaze.untrusted != "keep"
    idle: list[tuple[Place, str]] = []
    if method.reconstruction == "none":
        idle += [
            (
                (stage, "reconstruction_weight"),
                "an arm that reconstructs nothing (method.reconstruction is none)",
            )
            for stage in ("training", "pretraining")
        ]
    if not method.pretrained:
        idle += [
            (place, "an arm that is not pretrained (method.pretrained is false)") for place in _OF_PRETRAINING
        ]
    if not looks:
        idle.append((("gaze",), _LOOKS_AT_NOTHING))
    if not config.evaluation.videos:
        idle.append((_SHOWN_LOOKS, "an arm of whose failures no films are made (evaluation.videos is 0)"))
    for place, of_what in idle:
        found = next((p for p in said if within(p, place) and p != _UNTRUSTED), None)
        if found is not None:
            raise nothing_by(name, found, of_what)


def check_read(
    name: str, config: AblationConfig, judged: AblationConfig, said: Sequence[Place], own: Sequence[Place]
) -> None:
    """Raises ChangesNothing for one of the settings `said` that no job of an arm reads, and where all that is its `own`
    only says how work is done.

    config, judged: what it is trained and judged with. Ablations that are there may have such arms, so this is asked of
    new ones.
    """
    for place, of_what in _unread(config, judged):
        found = next((p for p in said if within(p, place)), None)
        if found is not None:
            raise nothing_by(name, found, of_what)
    if own and all(map(says_how, own)):
        because = "it says how the work is done, and nothing of what comes of it"
        raise ChangesNothing(
            f"arms.{name}.set: {'.'.join(own[0])} makes no row: {because}, so this would be its base again",
            because,
            name,
        )


def check_override(config: AblationConfig) -> None:
    """Raises ConfigError for a part of the model that a setting of its own decides. Asked of new ablations too."""
    for key, setting in _SAID_ELSEWHERE.items():
        if key in config.model.override:
            raise ConfigError(f"model.override.{key}: {setting} says it, and jobs follow that; set it there")


def nothing_by(name: str, place: Place, of_what: str) -> ChangesNothing:
    """of_what: in which arms it decides nothing."""
    return ChangesNothing(f"arms.{name}.set: {'.'.join(place)} changes nothing in {of_what}", of_what, name)


def says_how(place: Place) -> bool:
    """Whether it decides when and where work is done, and nothing of what comes of it."""
    return any(within(place, how) for how in _HOW)


def _unread(config: AblationConfig, judged: AblationConfig) -> Iterator[tuple[Place, str]]:
    yield from _unread_by_detector(config.gaze.detector)
    data, evaluation = config.data, judged.evaluation
    if data.root is not None:
        for entry in _OF_MADE:
            yield (
                ("data", entry),
                "an arm that is trained on a dataset (data.root), as nothing is made for it",
            )
    if judged.data.validated_on is not None:
        entry = "validation_demonstrations_per_task"
        yield ("data", entry), "an arm that is judged on frames of a dataset, as none are made for it"
    if data.pretrained_on is not None:
        for entry in ("pretraining_scenes", "pretraining_demonstrations_per_task"):
            yield ("data", entry), "an arm that is pretrained on a dataset, as nothing is made for it"
    if not judged.has_closed_loop:
        of_what = "an arm that is judged without a simulator; evaluation.assets gives it one"
        for entry in type(evaluation).model_fields:
            if entry not in _WITHOUT_SIMULATOR:
                yield ("evaluation", entry), of_what
        yield ("data", "evaluation_scene"), of_what
    if evaluation.protocol is not None:
        for entry in ("sequences", "max_steps"):
            yield (
                ("evaluation", entry),
                f"an arm whose evaluation.protocol, {evaluation.protocol}, decides it",
            )


def _unread_by_detector(detector: str) -> Iterator[tuple[Place, str]]:
    own = reference_of(detector)
    of_what = f"an arm whose detector (gaze.detector) is {cut(detector if own is None else own.label)}"
    options = {
        "box_threshold": detector in LEARNED,
        "text_threshold": detector in LEARNED,
        "weights": detector in LEARNED,
        "precision": detector == "grounding_dino",
        "python": detector == "groundingdino_py",
        "stages": detector in FINDERS,
        "key_frame_interval": detector in FINDERS,
    }
    for entry, is_read in options.items():
        if not is_read:
            yield ("gaze", entry), f"{of_what}, which has no such option"
