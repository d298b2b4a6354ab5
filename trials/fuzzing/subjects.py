"""All that is fuzzed, and how one case of it is judged."""

from __future__ import annotations

import random
import traceback
from pathlib import Path
from typing import Protocol

from errors import BatonError
from trials.fuzzing.answers import Answers
from trials.fuzzing.bundles import Bundles
from trials.fuzzing.checkpoints import Checkpoints
from trials.fuzzing.code import OwnCode
from trials.fuzzing.conversions import Conversions
from trials.fuzzing.datasets import Datasets
from trials.fuzzing.documents import Documents
from trials.fuzzing.hub import HubAnswers
from trials.fuzzing.lerobot import LeRobotSets
from trials.fuzzing.lists import Lists
from trials.fuzzing.pickled import Pickles
from trials.fuzzing.shards import Shards

_LONGEST_SENTENCE = 1500


class Subject(Protocol):
    """name; readers: patterns of the files whose lines are to be reached."""

    name: str
    readers: tuple[str, ...]

    def __init__(self, folder: Path) -> None: ...

    def meet(self, draw: random.Random) -> None:
        """Change a sound input and read it; raises what the reader raises."""


SUBJECTS: dict[str, type[Subject]] = {
    subject.name: subject
    for subject in (
        Pickles,
        Datasets,
        Documents,
        Checkpoints,
        Bundles,
        Answers,
        LeRobotSets,
        HubAnswers,
        Shards,
        Conversions,
        OwnCode,
        Lists,
    )
}


def outcome(subject: Subject, seed: int, case: int) -> tuple[str, str]:
    """('taken' | 'refused' | 'wrong', what was said): refused is one printable sentence, all other errors are wrong."""
    try:
        subject.meet(random.Random(f"{seed}/{subject.name}/{case}"))
    except BatonError as error:
        said = str(error)
        if said.isprintable() and len(said) <= _LONGEST_SENTENCE:
            return "refused", said
        return "wrong", f"a sentence of {len(said)} characters: {said[:300]!a}"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-4:]
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(where))
        return "wrong", f"{type(error).__name__}: {str(error)[:200]!a} at {places}"
    return "taken", ""
