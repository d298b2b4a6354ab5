"""The official calvin_env in an interpreter of its own, whose pins may be other than ours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmark.cameras import EGL, TINY
from errors import BatonError, SimulatorMissing
from settings.places import expanded
from simulators.egl_devices import egl_environment
from simulators.piped import ANSWER_SECONDS, PipedSimulator

SCRIPT = Path(__file__).parent / "external" / "calvin_env_script.py"
#: Names the interpreter where no option does.
PYTHON_VARIABLE = "BATON_CALVIN_PYTHON"
HOW_TO_NAME = f"--calvin-python, evaluation.calvin_python or {PYTHON_VARIABLE}"
HOW_TO_INSTALL = "clone github.com/mees/calvin_env with its submodules and pip install -e it there"


class CalvinEnv(PipedSimulator):
    """The `calvin` simulator. Without `scene_obs` a reset gives the scene of its configuration; it tells no boxes."""

    def __init__(
        self,
        scene: str = "D",
        python: str | None = None,
        *,
        renderer: str = TINY,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """python: where it is None, PYTHON_VARIABLE names it. renderer: `tiny` or `egl`. Raises SimulatorMissing
        when that is no interpreter that can import calvin_env.
        """
        python = python or os.environ.get(PYTHON_VARIABLE)
        if python is None:
            raise SimulatorMissing(
                "the calvin simulator needs the interpreter that calvin_env is installed in; name it with "
                f"{HOW_TO_NAME}"
            )
        program = str(expanded(python, "the calvin simulator's interpreter"))
        if shutil.which(program) is None:
            raise SimulatorMissing(
                f"{python} is no program that can be started; name the interpreter that calvin_env is installed in "
                f"with {HOW_TO_NAME}"
            )
        super().__init__(
            (program, str(SCRIPT)),
            {"scene": scene, "use_egl": renderer == EGL},
            answer_seconds,
            egl_environment() if renderer == EGL else None,
        )

    def _refusal(self, error: str) -> BatonError:
        if error.startswith(("ModuleNotFoundError: ", "ImportError: ")):
            return SimulatorMissing(
                f"{self._command[0]} cannot import calvin_env ({error}); {HOW_TO_INSTALL}"
            )
        return super()._refusal(error)
