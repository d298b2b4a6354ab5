"""The official calvin_env in an interpreter of its own, whose pins may be other than ours."""

from __future__ import annotations

from pathlib import Path

from errors import SimulatorMissing
from simulators.piped import ANSWER_SECONDS, PipedSimulator
from simulators.rendering import EGL, TINY

SCRIPT = Path(__file__).parent / "external" / "calvin_env_script.py"


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
        """renderer: `tiny` or `egl`. Raises SimulatorMissing when `python` is no interpreter that can import
        calvin_env.
        """
        if python is None:
            raise SimulatorMissing(
                "the calvin simulator needs the interpreter that calvin_env is installed in; name it"
            )
        command = (str(Path(python).expanduser()), str(SCRIPT))
        try:
            super().__init__(command, {"scene": scene, "use_egl": renderer == EGL}, answer_seconds)
        except SimulatorMissing as error:
            raise SimulatorMissing(
                f"{error}; clone github.com/mees/calvin_env with its submodules and install it with pip install -e"
            ) from None
