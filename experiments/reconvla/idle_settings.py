"""Settings that decide nothing in an arm, as its method does not use them."""

from __future__ import annotations

from collections.abc import Sequence

from errors import ConfigError
from experiments.reconvla.config import AblationConfig

Place = tuple[str, ...]

#: Settings that only some methods use.
_OF_PRETRAINING = (
    ("pretraining",),
    ("data", "pretraining_root"),
    ("data", "pretraining_scenes"),
    ("data", "pretraining_demonstrations_per_task"),
)


#: Is seen in films only.
_SHOWN_LOOKS = ("evaluation", "video_attention")

#: Decides by itself whether an arm looks at regions.
_UNTRUSTED = ("gaze", "untrusted")


class ChangesNothing(ConfigError):
    """A setting that decides nothing in an arm: its row would look like a finding."""


def within(place: Place, other: Place) -> bool:
    """Whether `place` is `other` or below it."""
    return place[: len(other)] == other


def check_meaning(name: str, config: AblationConfig, said: Sequence[Place]) -> None:
    """Raises ChangesNothing for one of the settings `said` that decides nothing in an arm. config: all that it has."""
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
        idle.append((
            ("gaze",), "an arm that neither reconstructs a gaze region nor is told of one; name a `base`, such as recon"
        ))  # fmt: skip
    if not config.evaluation.videos:
        idle.append((_SHOWN_LOOKS, "an arm of whose failures no films are made (evaluation.videos is 0)"))
    for place, of_what in idle:
        found = next((p for p in said if within(p, place) and p != _UNTRUSTED), None)
        if found is not None:
            raise ChangesNothing(f"arms.{name}.set: {'.'.join(found)} changes nothing in {of_what}")
