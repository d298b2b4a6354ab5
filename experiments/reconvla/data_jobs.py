"""Demonstrations, their gaze regions and their indexes, as jobs."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from calvin.split import TRAINING, VALIDATION, open_split
from db.plans import Dependency
from detectors.registry import FINDERS, LEARNED, ON_ACCELERATOR, check_detector, make_detector
from detectors.spec import DetectorSpec, FinderOptions, NoOptions
from detectors.targets.table import BY_TASK, TARGETS_VERSION
from errors import ConfigError
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.demonstrations import (
    PRETRAINING,
    Corpus,
    generated,
    place_of,
    reading_of,
    recorded,
)
from experiments.reconvla.hub_data import local
from experiments.reconvla.job_book import JobBook
from experiments.reconvla.sections import Data, Gaze
from tasks.context import FRAMES
from tasks.registry import GAZE, INDEX, INGEST
from tasks.specs import About, GazeSpec, IndexSpec, SplitName


class DataJobs:
    """Of one set of demonstrations, detector and conventions. `of`: added to labels; empty for the ablation's own."""

    def __init__(self, book: JobBook, config: AblationConfig, of: str = "") -> None:
        self._book = book
        self._data, self._gaze = config.data, config.gaze
        self._official = config.model.official_compat
        self._of = f" of {of}" if of else ""
        self._corpora: dict[SplitName, Corpus] = {}
        self._indexes: dict[SplitName, str] = {}
        self._frames: dict[str, list[str]] = {}  # index -> jobs that made its frames

    @staticmethod
    def settings(config: AblationConfig) -> tuple[Data, Gaze, bool]:
        """What decides them; equal where two would be."""
        return config.data, config.gaze, config.model.official_compat

    @property
    def pretrains_on_training_data(self) -> bool:
        return self._data.root is not None and self._data.pretrained_on == self._data.root

    def corpus(self, purpose: SplitName) -> Corpus:
        """Raises ConfigError or DatasetError for what cannot work."""
        if purpose == PRETRAINING and self.pretrains_on_training_data:
            purpose = TRAINING
        if purpose not in self._corpora:
            root = place_of(self._data, purpose)
            self._corpora[purpose] = (
                generated(self._data, purpose)
                if root is None
                else recorded(
                    root,
                    VALIDATION if purpose == VALIDATION else TRAINING,
                    self._gaze.detector == "oracle",
                    self._gaze.unknown_wording == BY_TASK,
                    reading_of(self._data, purpose),
                )
            )
        return self._corpora[purpose]

    def instructions(self) -> frozenset[str]:
        """Phrases of what is trained on. Those of a pretraining on data of its own are among them whether there is one
        or not, so that an arm that is pretrained can join others.
        """
        phrases = self.corpus(TRAINING).instructions
        other = self._data.pretraining_root
        if other is None or other == self._data.root:
            return phrases
        split = open_split(local(other), TRAINING, reading_of(self._data, PRETRAINING))
        return phrases | {demonstration.instruction for demonstration in split.demonstrations}

    def index(self, purpose: SplitName) -> str:
        """Ingest, gaze and index jobs of one corpus. Returns the index job's key."""
        if purpose not in self._indexes:
            self._indexes[purpose] = self._index(purpose, self.corpus(purpose))
        return self._indexes[purpose]

    def reads(self, purpose: SplitName, role: str = "index") -> list[Dependency]:
        """What reads an index also needs the frames it speaks of."""
        index = self.index(purpose)
        return [Dependency(index, role), *(Dependency(key, role + FRAMES) for key in self._frames[index])]

    def _index(self, purpose: SplitName, corpus: Corpus) -> str:
        gaze, named = self._gaze, f"{purpose}{self._of}"
        resource = "accelerator" if self._on_accelerator else None
        needs = []
        looked_for = GazeSpec(number=0, unknown_wording=gaze.unknown_wording, **vars(self.detector))
        add_gaze = self._book.alike(GAZE, looked_for, "number", "episode", resource)
        for first in range(0, len(corpus.entries), self._data.chunk):
            entries = corpus.entries[first : first + self._data.chunk]
            last = first + len(entries) - 1
            spec = corpus.ingest(first, last + 1)
            label = f"ingest {named} {first}-{last}"
            ingest = self._book.add(INGEST, label, spec, [], target_steps=len(entries))
            needs.append(Dependency(ingest, "episode"))
            for entry in entries:
                found = add_gaze(f"gaze {named} task_{entry.number}", entry.number, ingest)
                needs.append(Dependency(found, "gaze"))
        about = IndexSpec(
            split=corpus.split,
            numbers=tuple(entry.number for entry in corpus.entries),
            about=About(scenes=dict(corpus.scenes)) if corpus.scenes else None,
            untrusted=gaze.untrusted if corpus.split != VALIDATION else "keep",
            repeat_motion=self._official,
        )
        index = self._book.add(INDEX, f"index {named}", about, needs)
        self._frames[index] = [need.key for need in needs if need.role == "episode"]
        return index

    @property
    def detector(self) -> DetectorSpec:
        """Raises what a detector raises that cannot work here."""
        return self._looked_at[0]

    @property
    def _on_accelerator(self) -> bool:
        return self._looked_at[1]

    @cached_property
    def _looked_at(self) -> tuple[DetectorSpec, bool]:
        """The detector, and whether it uses a GPU."""
        gaze = self._gaze
        try:
            check_detector(gaze.detector)
        except ConfigError as error:
            raise ConfigError(f"gaze.detector: {error}") from None
        options: FinderOptions | NoOptions = NoOptions()
        if gaze.detector in FINDERS:
            learned = gaze.detector in LEARNED
            options = FinderOptions(
                stages=gaze.stages,
                interval=gaze.key_frame_interval,
                box_threshold=gaze.box_threshold if learned else None,
                text_threshold=gaze.text_threshold if learned else None,
                weights=gaze.weights if learned else None,
                precision=gaze.precision if gaze.detector == "grounding_dino" else None,
                python=gaze.python if gaze.detector == "groundingdino_py" else None,
            )
        spec = DetectorSpec(detector=gaze.detector, version=None, options=options, targets=TARGETS_VERSION)
        detector = make_detector(spec.detector, **spec.keywords)
        version = detector.version
        detector.check()
        found = replace(spec, version=version)
        return found, gaze.detector in ON_ACCELERATOR or getattr(detector, "on_accelerator", False)
