"""What a simulator from outside is made of, so that an evaluation is keyed by that and not by a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errors import ConfigError
from simulators.calvin_env import CalvinEnv
from simulators.playtable.scenes import load_scene

#: What decides states and pictures of the official simulator.
_DECIDES = ("digest", "pybullet", "numpy", "python")


def simulator_identity(simulator: str, scene: str, assets: str | None, python: str | None) -> dict[str, Any]:
    """Entries of an evaluation's description (`tasks.closed_loop`); none for Baton's own scenes.

    `assets_digest`: of the files that playtable reads for `scene` from `assets`, a clone of calvin_env.
    `calvin_env`: digest of the package that `python` imports, and the versions of what it stands on. Raises
    SimulatorMissing where a file or the package is not here, InvalidInput for a damaged file.
    """
    if simulator == "calvin":
        official = CalvinEnv(scene, python)
        try:
            return {"calvin_env": _decisive(official.description())}
        finally:
            official.close()
    return {} if assets is None else {"assets_digest": load_scene(scene, assets).digest}


def check_identity(spec: Mapping[str, Any], simulator: Any) -> None:
    """That `simulator`, made for the evaluation `spec`, is made of what was planned; files are read again.

    Raises ConfigError where it is not. Descriptions that say nothing, of an earlier version of Baton, pass.
    """
    if "calvin_env" in spec:
        now = _decisive(simulator.describe_again())
        for name, planned in spec["calvin_env"].items():
            if now[name] != planned:
                what = "files of calvin_env" if name == "digest" else name
                raise ConfigError(
                    f"evaluation.calvin_python: the {what} ({now[name][:12]}) are not those that this evaluation was "
                    f"planned with ({planned[:12]}); put them back, or submit the ablation again"
                )
    elif "assets_digest" in spec:
        digest = load_scene(spec["scene"], spec["assets"]).digest
        if digest != spec["assets_digest"]:
            raise ConfigError(
                f"evaluation.assets: the files in {spec['assets']} ({digest[:12]}) are not those that this evaluation "
                f"was planned with ({spec['assets_digest'][:12]}); put them back, or submit the ablation again"
            )


def _decisive(description: Mapping[str, str]) -> dict[str, str]:
    return {name: str(description[name]) for name in _DECIDES}
