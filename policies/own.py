"""Policies of the user's own: a class with `act`, held to what `policies.base.Policy` promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.embodiment import CALVIN
from errors import ConfigError, InvalidInput, NotFinite
from policies.base import Query
from settings.code_source import reference_of
from settings.own_code import class_of, need_methods, place_of, told_by_line
from settings.shown import shown
from simulators.base import Observation

#: More than one subtask has.
_MOST_STEPS = 360


class OwnPolicy:
    """A `Policy` of a class whose source was admitted, made with the options by keyword.

    The class may have `needs_images` (True where it says nothing) and `counts`.
    """

    def __init__(self, class_: str, options: Mapping[str, object]) -> None:
        """Raises ConfigError naming file and line for a class that cannot be made, or has no `act`."""
        reference = reference_of(class_)
        if reference is None:
            raise ConfigError(f"class: {shown(class_)} is no class of yours as module:Class")
        self._reference = reference
        with told_by_line(reference, f"making {reference.name}"):
            self._policy = class_of(reference)(**options)
            need_methods(self._policy, reference, "act")
        self.needs_images = bool(getattr(self._policy, "needs_images", True))
        counts = getattr(self._policy, "counts", None)
        self.counts: Counter[str] = counts if isinstance(counts, Counter) else Counter()

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        """See `Policy.act`. Raises InvalidInput for what is no answer, NotFinite, and whatever the class raises."""
        chunks = list(self._policy.act(queries))
        if len(chunks) != len(queries):
            raise InvalidInput(f"{self._said()} {len(chunks)} answers to {len(queries)} queries")
        return [self._checked(chunk) for chunk in chunks]

    def check(self) -> None:
        """Try it once. Raises ConfigError, one sentence with file and line, for whatever it raises, and for what is no
        answer."""
        observation: Observation = {"robot_obs": np.zeros(CALVIN.robot_obs_size)}
        if self.needs_images:
            observation["rgb_static"] = np.full((CALVIN.static_pixels, CALVIN.static_pixels, 3), 90, np.uint8)
            observation["rgb_gripper"] = np.full(
                (CALVIN.gripper_pixels, CALVIN.gripper_pixels, 3), 90, np.uint8
            )
        query = Query(observation, "turn on the light bulb", 0, 0, task="turn_on_lightbulb", begins=True)
        with told_by_line(self._reference, f"trying {self._reference.name}"):
            self.act([query])
        self.counts.clear()

    def _checked(self, chunk: object) -> np.ndarray:
        try:
            actions = np.asarray(chunk, dtype=np.float64)
        except (TypeError, ValueError):
            raise InvalidInput(f"{self._said()} {shown(chunk)}, which are no numbers") from None
        if (
            actions.ndim != 2
            or actions.shape[1] != CALVIN.action_size
            or not 1 <= len(actions) <= _MOST_STEPS
        ):
            raise InvalidInput(
                f"{self._said()} an array of the shape {actions.shape}: it is (steps, {CALVIN.action_size}) with 1 to "
                f"{_MOST_STEPS} steps"
            )
        if not np.isfinite(actions).all():
            raise NotFinite(f"{self._said()} actions that are not finite")
        if not np.isin(actions[:, -1], (-1.0, 1.0)).all():
            raise InvalidInput(f"{self._said()} a gripper's command that is neither 1 (open) nor -1 (closed)")
        return actions

    def _said(self) -> str:
        return f"{place_of(self._reference)}: {self._reference.name}.act gave"
