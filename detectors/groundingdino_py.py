"""GroundingDINO through the `groundingdino-py` package, in a Python environment of its own.

The package (0.4.0) runs with transformers up to 4.x only, so it cannot share Baton's environment. Baton starts
that environment's interpreter on `groundingdino_py_server.py` and talks to it over pipes; nothing else is
shared. Name the interpreter by the option `python` or by BATON_GROUNDINGDINO_PYTHON.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, Candidate, NoTarget, Reason, Target
from detectors.grounding_dino_files import existing, weights_digest
from detectors.tiles import cut, to_frame, windows
from errors import CheckpointError, ConfigError, EnvironmentLacks, WeightsMissing

PYTHON_VARIABLE = "BATON_GROUNDINGDINO_PYTHON"
SERVER = Path(__file__).with_name("groundingdino_py_server.py")
IMPORT_TIMEOUT_SECONDS = 120
#: The versions that were tried together; later transformers lack what the package calls.
TRIED_VERSION = "0.4.0"
HOW_TO_INSTALL = (
    f"python -m venv DIR && DIR/bin/pip install groundingdino-py=={TRIED_VERSION} 'transformers>=4.40,<4.50' "
    f"'numpy<2', then set {PYTHON_VARIABLE}=DIR/bin/python"
)


class GroundingDinoPyFinder:
    """The original code's boxes for the target's phrase; the other interpreter starts at the first use.

    `weights`: an official `.pth` checkpoint. `config`: the model's configuration file, by default the one that
    the package has for the checkpoint's name; `text_encoder`: a folder with bert-base-uncased, by default the
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
        """Code version, digest of the weights, thresholds. Raises WeightsMissing."""
        text_threshold = self._options["text_threshold"]
        return f"1 {weights_digest(self.weights)} {self.threshold:g} {text_threshold:g}"

    def check(self) -> None:
        """See `Finder.check`: that there are weights; what reads them is another interpreter, the workers' own."""
        existing(Path(self.weights))

    def find(self, images: Sequence[NDArray[np.uint8]], target: Target) -> list[list[Candidate] | NoTarget]:
        """See `Finder.find`. Raises EnvironmentLacks when the other interpreter or its package is missing,
        WeightsMissing or CheckpointError when the weights are."""
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
                raise EnvironmentLacks(
                    f"{python!r}, named for groundingdino-py, cannot be started: {error.strerror}"
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
            raise EnvironmentLacks(f"{python!r}, named for groundingdino-py, is no Python") from None
        if "error" in reply:
            process.wait()
            kinds = {"package": EnvironmentLacks, "missing": WeightsMissing, "damaged": CheckpointError}
            raise kinds[reply["error"]](reply["message"])
        return reply


def installed_version(python: str) -> tuple[str | None, str]:
    """The package's version if it can be imported by this interpreter, else None and why not."""
    code = "import importlib.metadata as m, groundingdino.util.inference as i; print(m.version('groundingdino-py'))"
    try:
        done = subprocess.run(
            [python, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"{python} does not answer: {error}"
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return None, f"{python} cannot import it: {last}"
    return done.stdout.strip().splitlines()[-1], ""


def find_python(named: str | None = None) -> str:
    """The interpreter that has the package. Raises EnvironmentLacks saying how to make one."""
    python = named or os.environ.get(PYTHON_VARIABLE)
    if python is None:
        raise EnvironmentLacks(f"no interpreter with groundingdino-py is named: {HOW_TO_INSTALL}")
    if not Path(python).is_file():
        raise EnvironmentLacks(f"{python!r}, named for groundingdino-py, is no file: {HOW_TO_INSTALL}")
    if not os.access(python, os.X_OK):
        raise EnvironmentLacks(f"{python!r}, named for groundingdino-py, may not be run: {HOW_TO_INSTALL}")
    return python
