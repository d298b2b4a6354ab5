"""GroundingDINO through the `groundingdino-py` package, in a Python environment of its own.

The package (0.4.0) runs with transformers up to 4.x only, so it cannot share Baton's environment. Baton starts
that environment's interpreter on `py_package_server.py` and talks to it over pipes; nothing else is
shared. Name the interpreter by the option `python` or by BATON_GROUNDINGDINO_PYTHON.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, Candidate, NoTarget, Reason, Target
from detectors.grounding_dino.files import existing, weights_digest
from detectors.grounding_dino.py_package_interpreter import SERVER, find_python, package_version
from detectors.tiles import cut, to_frame, windows
from errors import CheckpointError, ConfigError, EnvironmentLacks, WeightsMissing
from settings.faults import need_fact
from settings.shown import shown_path

#: What tells text encoders apart in a folder: weights, sizes, words.
_ENCODER_FILES = ("*.safetensors", "*.bin", "*.json", "*.txt")


class GroundingDinoPyFinder:
    """The original code's boxes for the target's phrase; the other interpreter starts at the first use.

    `weights`: an official `.pth` checkpoint. `config`: the model's configuration file, by default the one that
    the package has for the checkpoint's file name; `text_encoder`: a folder with bert-base-uncased, by default the
    hub's. Raises ConfigError when a threshold lies outside 0..1 or no weights are named.
    """

    name = "groundingdino_py"
    zooms = True
    precision = None

    def __init__(
        self,
        weights: str | None = None,
        box_threshold: float = 0.35,
        text_threshold: float = 0.25,
        python: str | None = None,
        config: str | None = None,
        text_encoder: str | None = None,
        device: str = "cpu",
    ) -> None:
        for field, value in (("box_threshold", box_threshold), ("text_threshold", text_threshold)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{field} is {value}, it must lie in 0..1")
        if weights is None:
            raise ConfigError("groundingdino_py needs the path of an official .pth checkpoint as its weights")
        self.weights = weights
        self.threshold = box_threshold
        self._python = python
        self._config, self._text_encoder = config, text_encoder
        self._text_threshold = text_threshold
        self._options = {
            "weights": weights,
            "config": config,
            "text_encoder": text_encoder,
            "device": device,
            "box_threshold": box_threshold / 2,
            "text_threshold": text_threshold,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @cached_property
    def version(self) -> str:
        """Code version, digest of the weights, of the configuration and of the text encoder where these are named,
        thresholds, the package's version (`package_version`). Raises WeightsMissing, and ConfigError where a file of
        the others is missing."""
        config, encoder = self._config, self._text_encoder
        others = [] if config is None else [Path(config)]
        if encoder is not None and Path(encoder).is_dir():
            others += sorted(file for pattern in _ENCODER_FILES for file in Path(encoder).glob(pattern))
            encoder = None
        try:
            digest = weights_digest(self.weights, *others)
        except FileNotFoundError as error:
            raise ConfigError(
                f"{error.filename}, named for groundingdino_py, cannot be read: {error.strerror}"
            ) from None
        parts = ["2", digest, f"{self.threshold:g}", f"{self._text_threshold:g}"]
        parts += [package_version(self._python), *([encoder] if encoder else [])]
        return " ".join(parts)

    def check(self) -> None:
        """See `Finder.check`: that there are weights; what reads them is another interpreter, the workers' own."""
        existing(Path(self.weights))

    def find(self, images: Sequence[NDArray[np.uint8]], target: Target) -> list[list[Candidate] | NoTarget]:
        """See `Finder.find`. Raises EnvironmentLacks when the other interpreter or its package is missing or does not
        work there, WeightsMissing or CheckpointError when the weights are missing or damaged,
        ConfigError when the configuration is none."""
        found: list[list[Candidate] | NoTarget] = []
        for image in images:
            answer = self._ask(image, target.phrase)
            candidates = [Candidate(tuple(box), score, words) for box, score, words in answer]
            found.append(candidates or NoTarget(Reason.BELOW_THRESHOLD, target.phrase))
        return found

    def find_thoroughly(
        self, images: Sequence[NDArray[np.uint8]], target: Target
    ) -> list[list[Candidate] | NoTarget]:
        """See `Finder.find_thoroughly`: in overlapping tiles at two larger scales."""
        merged: list[list[Candidate] | NoTarget] = []
        for image in images:
            candidates: list[Candidate] = []
            for window in windows(*image.shape[:2]):
                [found] = self.find([cut(image, window)], target)
                if not isinstance(found, NoTarget):
                    candidates += to_frame(found, window, image.shape)
            merged.append(candidates or NoTarget(Reason.BELOW_THRESHOLD, target.phrase))
        return merged

    def finds_near(self, target: Target) -> bool:
        """A part of a frame costs as much as the whole."""
        return False

    def find_near(self, image: NDArray[np.uint8], target: Target, box: Box) -> Box | None:
        """See `Finder.find_near`."""
        return None

    def close(self) -> None:
        """End the other interpreter; it also ends with Baton."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _ask(self, image: NDArray[np.uint8], phrase: str) -> list[Any]:
        process = self._started()
        assert process.stdin is not None
        request = {"height": image.shape[0], "width": image.shape[1], "phrase": phrase}
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n" + np.ascontiguousarray(image).tobytes())
            process.stdin.flush()
        except BrokenPipeError:
            raise EnvironmentLacks("groundingdino-py's interpreter ended before its answer") from None
        answer: list[Any] = self._reply(process)["found"]
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            python = find_python(self._python)
            try:
                process = subprocess.Popen(
                    [python, str(SERVER), json.dumps(self._options)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            except OSError as error:
                need_fact(error)
                raise EnvironmentLacks(
                    f"{shown_path(python)}, named for groundingdino-py, cannot be started: {error.strerror}"
                ) from None
            self._reply(process)
            self._process = process
        return self._process

    def _reply(self, process: subprocess.Popen[bytes]) -> Any:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise EnvironmentLacks(
                "groundingdino-py's interpreter ended without an answer; see its messages above"
            )
        try:
            reply = json.loads(line)
        except ValueError:
            python = find_python(self._python)
            raise EnvironmentLacks(
                f"{shown_path(python)}, named for groundingdino-py, is no Python"
            ) from None
        if "error" in reply:
            process.wait()
            self._process = None
            kinds = {
                "package": EnvironmentLacks,
                "config": ConfigError,
                "missing": WeightsMissing,
                "damaged": CheckpointError,
            }
            raise kinds[reply["error"]](reply["message"])
        return reply
