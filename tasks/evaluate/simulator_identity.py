"""What a simulator from outside is made of, so that an evaluation is keyed by that and not by a path."""

from __future__ import annotations

from collections.abc import Mapping

from errors import ConfigError
from simulators.base import Simulator
from simulators.calvin_env import CalvinEnv
from simulators.playtable.scenes import load_scene
from tasks.evaluate.chains import OfficialSimulator, SimulatedScene


def official_identity(scene: str, python: str | None) -> OfficialSimulator:
    """Of the package calvin_env that the interpreter `python` imports. Raises SimulatorMissing where it is not here."""
    official = CalvinEnv(scene, python)
    try:
        return _decisive(official.description())
    finally:
        official.close()


def assets_identity(scene: str, assets: str) -> str:
    """Digest of the files that playtable reads for `scene` from `assets`, a clone of calvin_env.

    Raises SimulatorMissing where a file is not here, InvalidInput for a damaged one.
    """
    return load_scene(scene, assets).digest


def check_identity(scenes: SimulatedScene, simulator: Simulator) -> None:
    """That `simulator`, made for `scenes`, is made of what was planned; files are read again.

    Raises ConfigError where it is not. What an earlier version of Baton planned says nothing, and passes.
    """
    if scenes.calvin_env is not None:
        assert isinstance(simulator, CalvinEnv)
        now = _decisive(simulator.describe_again())
        for name, planned in vars(scenes.calvin_env).items():
            found = getattr(now, name)
            if found != planned:
                what = "files of calvin_env" if name == "digest" else name
                raise ConfigError(
                    f"evaluation.calvin_python: the {what} ({found[:12]}) are not those that this evaluation was "
                    f"planned with ({planned[:12]}); put them back, or submit the ablation again"
                )
    elif scenes.assets_digest is not None and scenes.assets is not None:
        digest = assets_identity(scenes.scene, scenes.assets)
        if digest != scenes.assets_digest:
            raise ConfigError(
                f"evaluation.assets: the files in {scenes.assets} ({digest[:12]}) are not those that this evaluation "
                f"was planned with ({scenes.assets_digest[:12]}); put them back, or submit the ablation again"
            )


def _decisive(description: Mapping[str, str]) -> OfficialSimulator:
    """What decides states and pictures of the official simulator."""
    names = ("digest", "pybullet", "numpy", "python")
    return OfficialSimulator(**{name: str(description[name]) for name in names})
