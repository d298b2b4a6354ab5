"""A detector as a job is told of it, as JSON holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict

from detectors.targets.table import TARGETS_VERSION
from errors import BatonError
from settings.bounds import AtLeastOne, Number, PathText, Share, Text
from settings.code_source import reference_of
from settings.typed_json import Aside, Items, to_json


@dataclass(frozen=True, kw_only=True)
class FinderOptions:
    """What `detectors.registry.make_detector` is told of a detector that finds in pictures; None where it has no such
    option."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # they are handed on as they are

    stages: Items[Text] | None
    interval: AtLeastOne
    box_threshold: Share | None = None
    text_threshold: Share | None = None
    precision: Text | None = None
    weights: PathText | None = None
    python: Aside[PathText | None] = None


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """Of a detector that has none."""

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """version: of the detector's code and weights; None where it was not recorded. targets: of
    what instructions ask for (`TARGETS_VERSION`)."""

    detector: Text
    version: Text | None
    options: FinderOptions | NoOptions
    targets: Number

    def difference(self) -> str | None:
        """As `tasks.kind.Part`. A detector whose weights are not on this machine, or whose code is the user's own, is
        judged by the job itself."""
        from detectors.registry import make_detector

        if self.targets != TARGETS_VERSION:
            return f"targets {self.targets} (here {TARGETS_VERSION})"
        if reference_of(self.detector) is not None:
            return None
        try:
            here = make_detector(self.detector, **self.keywords).version
        except BatonError:
            return None
        if self.version in (None, here):
            return None
        return f"detector {self.detector} {self.version} (here {here})"

    @property
    def keywords(self) -> dict[str, Any]:
        """For `detectors.registry.make_detector`: what is not None, and `stages` where there are any."""
        plain = to_json(self.options)
        assert isinstance(plain, dict)
        return plain


def any_version(detector: str) -> DetectorSpec:
    """This detector as it is here, with its own options."""
    return DetectorSpec(detector=detector, version=None, options=NoOptions(), targets=TARGETS_VERSION)
