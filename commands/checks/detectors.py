"""Detectors of gaze regions: which of them work here, and why others do not."""

from __future__ import annotations

import os
from pathlib import Path

from commands.checks import bullet
from commands.checks.finding import MISSING, OK, WARNING, Finding, version_of
from errors import BatonError
from settings.installing import pip_install
from settings.places import expanded

_AREA = "detectors"
_FOLDER, _FILE = "grounding_dino", "grounding_dino .pth"


def findings(weights: str | None = None) -> list[Finding]:
    """`weights` of GroundingDINO, where some are named, are loaded and needed."""
    colour = Finding(_AREA, "colour", OK, "needs neither weights nor GPU")
    return [colour, _oracle(), *_grounding_dino(weights), _groundingdino_py()]


def _oracle() -> Finding:
    build = bullet.found()
    if build is None:
        detail = "only for datasets that have true boxes (boxes.json): no pybullet for those of the simulator"
        return Finding(_AREA, "oracle", WARNING, detail, bullet.remedy())
    detail = f"true boxes of the built-in simulator ({build}), or of a dataset that has boxes.json"
    return Finding(_AREA, "oracle", OK, detail)


def _grounding_dino(weights: str | None) -> list[Finding]:
    """A folder of transformers' format, and official files."""
    if version_of("transformers") is None:
        remedy = pip_install("transformers>=5,<6")
        return [Finding(_AREA, name, MISSING, "no transformers", remedy) for name in (_FOLDER, _FILE)]
    if weights is None:
        return [_default_weights(), _words_of_files()]
    if weights.endswith(".pth"):
        return [_default_weights(), _named(_FILE, weights)]
    return [_named(_FOLDER, weights), _words_of_files()]


def _default_weights() -> Finding:
    """Looks at the disk only: asking the hub would make every diagnosis wait for the network."""
    from huggingface_hub import snapshot_download

    from detectors.grounding_dino.files import DEFAULT_WEIGHTS, missing_parts

    remedy = f"hf download {DEFAULT_WEIGHTS}, or set gaze.weights to a folder of it (doctor --weights DIR tries it)"
    try:
        folder = Path(snapshot_download(DEFAULT_WEIGHTS, local_files_only=True))
    except (
        OSError,
        ValueError,
        RuntimeError,
    ):  # the last: whoever runs this has no home folder, nor a cache in it
        detail = (
            f"weights {DEFAULT_WEIGHTS} are not in this machine's cache of the hub, and no others were named"
        )
        return Finding(_AREA, _FOLDER, MISSING, detail, remedy)
    lacking = missing_parts(folder)
    if lacking:
        detail = f"weights {DEFAULT_WEIGHTS} are here in part: {folder} lacks {', '.join(lacking)}"
        return Finding(_AREA, _FOLDER, MISSING, detail, remedy)
    return Finding(_AREA, _FOLDER, OK, f"{DEFAULT_WEIGHTS} in {folder}")


def _words_of_files() -> Finding:
    """What an official file has not in itself."""
    from huggingface_hub import snapshot_download

    from detectors.grounding_dino.files import OFFICIAL_TOKENIZER, VOCABULARY

    tried = "doctor --weights FILE.pth tries a file"
    try:
        vocabulary = Path(snapshot_download(OFFICIAL_TOKENIZER, local_files_only=True)) / VOCABULARY
    except (OSError, ValueError, RuntimeError):  # the last: of users without a home folder
        vocabulary = None
    if vocabulary is None or not vocabulary.is_file():
        detail = (
            f"official files need the words of {OFFICIAL_TOKENIZER}: not in this machine's cache of the hub"
        )
        remedy = f"hf download {OFFICIAL_TOKENIZER} {VOCABULARY}, or put it beside the file: {tried}"
        return Finding(_AREA, _FILE, MISSING, detail, remedy)
    return Finding(_AREA, _FILE, OK, f"the words of official files are in {vocabulary}; {tried}")


def _named(name: str, weights: str) -> Finding:
    """Loads them."""
    from detectors.grounding_dino.finder import GroundingDinoFinder

    try:
        finder = GroundingDinoFinder(weights)
        finder.check()
        detail = f"{weights} can be loaded, version {finder.version}"
    except BatonError as error:
        remedy = "name others with --weights, and in gaze.weights"
        return Finding(_AREA, name, MISSING, str(error), remedy, needed=True)
    return Finding(_AREA, name, OK, detail, needed=True)


def _groundingdino_py() -> Finding:
    """Looks into the environment that is named for it, as the package cannot share Baton's."""
    from detectors.grounding_dino.py_package_interpreter import (
        HOW_TO_INSTALL,
        PACKAGE,
        PYTHON_VARIABLE,
        look_into,
    )

    python = os.environ.get(PYTHON_VARIABLE)
    if python is None:
        detail = "it needs an environment of its own, as it does not run with transformers 5; none is named"
        return Finding(_AREA, PACKAGE, MISSING, detail, f"use grounding_dino, or: {HOW_TO_INSTALL}")
    python = str(expanded(python, PYTHON_VARIABLE))
    installed = look_into(python)
    if installed.fault is not None:
        return Finding(_AREA, PACKAGE, MISSING, installed.fault, HOW_TO_INSTALL)
    if installed.doubts:
        detail = f"{installed} in {python}: {'; '.join(installed.doubts)}"
        return Finding(_AREA, PACKAGE, WARNING, detail, HOW_TO_INSTALL)
    return Finding(_AREA, PACKAGE, OK, f"{installed} in {python}")
