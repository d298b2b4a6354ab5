"""How a split was recorded, as far as its own configuration tells."""

from __future__ import annotations

from pathlib import Path

import yaml

from errors import DatasetError

#: The names that simulators give to PyBullet's renderers.
EGL, TINY = "egl", "tiny"


def recorded_renderer(split_folder: Path) -> str | None:
    """The renderer that drew the pictures of a split: `egl` or `tiny`, None where it is not told.

    calvin_env draws with EGL where `env.use_egl` is true, else with PyBullet's own renderer
    (calvin_env/envs/play_table_env.py). Raises DatasetError for a configuration that is not YAML.
    """
    file = split_folder / ".hydra" / "merged_config.yaml"
    if not file.is_file():
        return None
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise DatasetError(f"{file} is not YAML.") from None
    env = config.get("env") if isinstance(config, dict) else None
    used = env.get("use_egl") if isinstance(env, dict) else None
    return (EGL if used else TINY) if isinstance(used, bool) else None
