"""Why a job is done again that an older home has done, in words for people.

A key that changes is work that every home does once more. It changes for one of two reasons, and each has its sentence:
a body of a higher version (`tasks.kind.Kind.changes`), or parameters that older keys did not hold, which are here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from settings.json_values import JsonObject

_JUDGING = ("evaluate", "attention", "reconstruct")


@dataclass(frozen=True)
class KeyChange:
    """A parameter that decides results and that keys of 753aa3a did not hold, or held another value of.

    field: its place in a job's parameters, dots between levels. was_absent: older keys did not hold it, so that of
    two values the later one is no build's doing.
    """

    kinds: tuple[str, ...]
    field: str
    reason: str
    was_absent: bool = False


KEYS = (
    KeyChange(
        ("evaluate",), "frames",
        "held-out losses of one report are of the same frames, and the last one was of others than those before",
    ),
    KeyChange(
        ("evaluate",), "jpeg",
        "a model of the official conventions is judged on pictures with JPEG's losses, as it was trained, and was not",
    ),
    KeyChange(
        ("train", "pretrain"), "training.early_stopping.same_frames",
        "held-out losses of one report are of the same frames, and early stopping measured on others",
    ),
    KeyChange(
        ("train", "pretrain"), "training.early_stopping.by_demonstration",
        "early stopping compares each demonstration with itself, and took their differences for errors, so that hardly "
        "any run that gained no more was ended",
        was_absent=True,
    ),
    KeyChange(
        ("train", "pretrain"), "training.over",
        "several devices are ranks that the model is divided over, with other sums, and each held a copy of it",
    ),
    KeyChange(
        ("train", "pretrain"), "training.operations",
        "small models are trained on a processor in few operations, with other sums",
    ),
    KeyChange(
        ("train", "pretrain"), "training.early_stopping.lasting_noise",
        "early stopping reckons with noise that lasts from one measurement to the next, and took it for independent, "
        "so that runs which still gained were ended too often",
        was_absent=True,
    ),
    KeyChange(
        ("evaluate",), "assets_digest",
        "a clone of calvin_env counts by its files, and after a change of them the results of before were taken",
        was_absent=True,
    ),
    KeyChange(
        ("evaluate",), "calvin_env",
        "the official simulator counts by its files and versions, and after a change the results of before were taken",
        was_absent=True,
    ),
    KeyChange(
        ("evaluate",), "frames_renderer",
        "what drew the training frames rests on evidence, and rested on a file that people edit",
    ),
    KeyChange(
        ("evaluate",), "renderer",
        "what drew the training frames rests on evidence, and rested on a file that people edit",
    ),
    KeyChange(
        ("train", "pretrain", *_JUDGING), "model.config",
        "what configurations of pretrained folders say is computed, and was not read",
    ),
    KeyChange(
        ("evaluate",), "contents",
        "sequences are the first of one long list and count by what they are, and a list of another length held others",
        was_absent=True,
    ),
    KeyChange(
        ("report",), "not_held_out",
        "the report says how many validation demonstrations were trained on too, and did not",
    ),
)  # fmt: skip


def reasons(kind: str, before: JsonObject, now: JsonObject) -> Iterator[str]:
    """Why a job of `kind` with these parameters is another than it was; nothing where only what it reads changed."""
    for change in KEYS:
        earlier = _at(before, change.field)
        by_build = earlier is None or not change.was_absent
        if kind in change.kinds and by_build and earlier != _at(now, change.field):
            yield change.reason


def _at(spec: JsonObject, field: str) -> object:
    value: object = spec
    for name in field.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
