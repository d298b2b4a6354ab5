"""Configurations as people name them: a preset, a YAML file, overrides and options, one over the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from errors import ConfigError
from experiments.reconvla.config import AblationConfig
from settings.documents import parse_yaml
from settings.json_values import JsonObject
from settings.overlays import check_consistent, merge, nested, override_of
from settings.regular import MOST_YAML_BYTES, text_of
from settings.shown import cut, shown

#: Of what a message says of a place in the configuration.
_LONGEST_PART = 160

PRESETS = Path(__file__).resolve().parent / "presets"


def preset_names() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(
    preset: str | None = None,
    file: Path | None = None,
    overrides: tuple[str, ...] = (),
    **direct: object,
) -> AblationConfig:
    """Preset, then file, then `key.path=value` overrides, then the values of direct options.

    Raises ConfigError with one sentence that names the place and the key.
    """
    values: dict[str, object] = {}
    place = "configuration"
    if preset is not None:
        if preset not in preset_names():
            raise ConfigError(f"unknown preset {shown(preset)}; known presets: {', '.join(preset_names())}")
        place = f"preset {preset}"
        merge(values, {"name": preset, **_read_yaml(PRESETS / f"{preset}.yaml")})
    said_by: list[tuple[str, JsonObject]] = []  # what people wrote, with its place
    if file is not None:
        place = str(file)
        said_by.append((place, _read_yaml(file)))
        merge(values, {"name": file.stem, **said_by[0][1]})
    said = [override_of(text) for text in overrides]
    check_consistent(said)
    for key, value in said:
        place = f"--set {key}"
        said_by.append((place, nested(key, value)))
        merge(values, said_by[-1][1])
    for key, value in direct.items():
        if value is not None:
            merge(values, nested(key, value, "__"))
    try:
        config = AblationConfig.model_validate(values)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = cut(".".join(cut(str(part)) for part in first["loc"]) or "the whole", _LONGEST_PART)
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{place}: unknown key {shown(where, _LONGEST_PART)}") from None
        if first["type"] == "model_type":
            raise ConfigError(
                f"{place}: {where}: it has settings of its own, a mapping (got {shown(first['input'])})"
            ) from None
        raise ConfigError(
            f"{place}: {where}: {cut(first['msg'].removeprefix('Value error, '), 300)} (got {shown(first['input'])})"
        ) from None
    if config.evaluation.protocol is not None:
        _check_protocol_decides(config.evaluation.protocol, said_by)
    return config


def _check_protocol_decides(protocol: str, said_by: list[tuple[str, JsonObject]]) -> None:
    """A preset's numbers give way to a protocol that is named over it; numbers that somebody wrote are not ignored."""
    for place, values in said_by:
        section = values.get("evaluation")
        for name in ("sequences", "max_steps"):
            if isinstance(section, Mapping) and name in section:
                raise ConfigError(
                    f"{place}: evaluation.{name} would be ignored, as evaluation.protocol {protocol} decides it; leave "
                    "it out, or set evaluation.protocol to null"
                )


def _read_yaml(path: Path) -> dict[str, object]:
    loaded = parse_yaml(text_of(path, ConfigError, MOST_YAML_BYTES), str(path), is_ours=True)
    if loaded is None:
        raise ConfigError(
            f"{path} sets nothing: it is empty, or all of it is comments; leave it out for the defaults"
        )
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} must hold a mapping, not {type(loaded).__name__}")
    return loaded
