"""How a split was recorded, as far as its own configuration tells."""

from __future__ import annotations

from pathlib import Path

from errors import DatasetError
from settings.documents import parse_yaml

#: The names that simulators give to PyBullet's renderers.
EGL, TINY = "egl", "tiny"


def recorded_renderer(split_folder: Path) -> str | None:
    """The renderer that drew the pictures of a split: `egl` or `tiny`, None where it is not told.

    calvin_env draws with EGL where `env.use_egl` is true, else with PyBullet's own renderer
    (calvin_env/envs/play_table_env.py). Raises DatasetError for a configuration that is not YAML or has a key
    twice.
    """
    file = split_folder / ".hydra" / "merged_config.yaml"
    if not file.is_file():
        return None
    try:
        config = parse_yaml(file.read_text(encoding="utf-8"), str(file), DatasetError)
    except UnicodeDecodeError:
        raise DatasetError(f"{file} is not YAML.") from None
    env = config.get("env") if isinstance(config, dict) else None
    used = env.get("use_egl") if isinstance(env, dict) else None
    return (EGL if used else TINY) if isinstance(used, bool) else None
