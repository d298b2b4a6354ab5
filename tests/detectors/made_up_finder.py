"""A finder that says what a test tells it to, and counts how often it is asked."""

from __future__ import annotations

from detectors.base import Candidate, NoTarget, Reason


class MadeUpFinder:
    """`answers` maps a frame's number, painted into its first pixel, to candidates; `closer` likewise."""

    name = "made_up"
    zooms = False
    version = "1"
    precision = None
    threshold = 0.5

    def __init__(self, answers, closer=None):
        self.answers = answers
        self.closer = closer or {}
        self.asked: list[int] = []
        self.asked_closer: list[int] = []

    def check(self):
        pass

    def find(self, images, target):
        numbers = [int(image[0, 0, 0]) for image in images]
        self.asked += numbers
        return [self.answers.get(n) or NoTarget(Reason.NOT_FOUND, target.object) for n in numbers]

    def find_thoroughly(self, images, target):
        numbers = [int(image[0, 0, 0]) for image in images]
        self.asked_closer += numbers
        return [self.closer.get(n) or NoTarget(Reason.NOT_FOUND, target.object) for n in numbers]

    def finds_near(self, target):
        return False


def at(x, y, score=0.9, words="red block", size=16):
    return Candidate((float(x), float(y), float(x + size), float(y + size)), score, words)
