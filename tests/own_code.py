"""Classes of a user's own, for tests: written beside a configuration, or admitted as they stand."""

from __future__ import annotations

from pathlib import Path

from settings.code_source import Reference, Source
from settings.own_code import admit

DETECTOR = """
from detectors.base import Detection, NoTarget, Reason

class Mine:
    def detect(self, images, targets, context=None):
        return [Detection((10, 10, 20, 20), 0.9, target.phrase) for target in targets]
"""

POLICY = """
import numpy as np

class Mine:
    needs_images = False

    def __init__(self, gripper=1.0):
        self.gripper = gripper

    def act(self, queries):
        return [np.array([[0, 0, 0, 0, 0, 0, self.gripper]]) for _ in queries]
"""

SIMULATOR = """
from simulators.playtable.env import PlayTable

class Mine(PlayTable):
    def description(self):
        return {**super().description(), "simulator": "mine"}
"""


def admitted(text: str) -> Reference:
    """The class Mine of a module with this text."""
    return Reference("mine", "Mine", admit(Source({"mine.py": text}, "/there")))


def write(folder: Path, text: str, name: str = "mine") -> Path:
    """The file of a module."""
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    return file
