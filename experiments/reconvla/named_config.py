"""Configurations as people name them: a preset, a YAML file, overrides and options, one over the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ValidationError

from errors import ChangesNothing, ConfigError
from experiments.reconvla.arms import arms_of, check_names, check_new, with_bases
from experiments.reconvla.config import MOST_ROWS, OF_ALL, AblationConfig, ArmEntry, PolicyRow
from experiments.reconvla.idle_settings import check_override
from experiments.reconvla.own_classes import with_digests
from experiments.reconvla.row_names import check_told_apart, tidied
from experiments.reconvla.vary import axes_of, varied
from experiments.reconvla.written import is_text, with_places
from experiments.registry import USUAL
from settings.documents import parse_yaml
from settings.json_values import JsonObject
from settings.names import tidy
from settings.overlays import check_consistent, merge, nested, override_of
from settings.regular import MOST_YAML_BYTES, text_of
from settings.shown import cut, shown
from settings.suggestions import did_you_mean
from settings.typed_json import reason_of

#: Of what a message says of a place in the configuration.
_LONGEST_PART = 160

_NOTHING = object()

#: The arm that `--vary` varies where nobody names one.
VARIED = "recon"

PRESETS = Path(__file__).resolve().parent / "presets"


def preset_names() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(
    preset: str | None = None,
    file: Path | None = None,
    overrides: tuple[str, ...] = (),
    *,
    vary: Sequence[str] = (),
    vary_with: Sequence[str] = (),
    vary_before: Sequence[int] = (),
    **direct: object,
) -> AblationConfig:
    """Preset, then file, then `key.path=value` overrides, then the values of direct options.

    Classes of the user's own lie beside `file` (`_with_own_classes`), or in the working folder, and are named with
    their digest in what is returned (`experiments.reconvla.own_classes`).
    vary, vary_with, vary_before: see `experiments.reconvla.vary`; what varies is the arms that somebody named, else
    `recon`.

    Raises ConfigError with one sentence that names the place and the key.
    """
    values: dict[str, object] = {}
    written: list[tuple[str, JsonObject]] = []  # by place, the last first where they disagree
    if preset is not None:
        if preset not in preset_names():
            raise ConfigError(
                f"unknown preset {shown(preset)}; known presets: {', '.join(preset_names())}"
                + did_you_mean(preset, preset_names())
            )
        written.append((f"preset {preset}", {"name": preset, **_read_yaml(PRESETS / f"{preset}.yaml")}))
    of_people = len(written)
    if file is not None:
        of_file = _read_yaml(file)
        if of_file.get("experiment") == USUAL:  # who asked for this one may say so
            del of_file["experiment"]
        written.append((str(file), tidied({"name": file.stem, **of_file}, str(file))))
    said = [override_of(text, is_text) for text in overrides]
    check_consistent(said)
    written += [(f"--set {key}", tidied(nested(key, value), f"--set {key}")) for key, value in said]
    for _, more in written:
        merge(values, more)
    said_by = written[of_people:]
    chosen: list[str] | None = None  # of rows that are described
    for key, value in direct.items():
        if value is not None:
            option = {"data__root": "--data"}.get(key, f"--{key}")
            described = values.get("arms")
            if key == "arms" and isinstance(described, dict) and not isinstance(value, Mapping):
                chosen = list(map(tidy, cast("Iterable[str]", value)))
                value = {**dict.fromkeys(chosen), **described}
            more = tidied(nested(key, value, "__"), option)
            merge(values, more)
            written.append((option, more))
    axes = axes_of(vary, vary_with, vary_before)
    if axes and not any("arms" in said for place, said in written if not place.startswith("preset ")):
        values["arms"] = [VARIED]
    try:
        config = AblationConfig.model_validate(with_places(values))
        if len(config.arms) > MOST_ROWS:
            raise ConfigError(f"arms: {len(config.arms):,} rows; an ablation has at most {MOST_ROWS:,}")
        check_names(config)
        check_told_apart(config)
        if chosen is not None:
            config = _of_rows(config, chosen)
        if axes:
            rows = varied(config, axes)
            written.append(("--vary", {"arms": dict.fromkeys(rows)}))
            config = config.model_copy(update={"arms": rows})
        check_names(config)
        arms = arms_of(config)
        check_override(config)
        for arm in arms:
            check_new(arm)
        if config.adaptive is not None:
            from experiments.reconvla.adaptive import (
                check_adaptive,  # on use: scipy takes longer than all else
            )

            check_adaptive(config, arms)
            if config.adaptive.planned is not None:
                raise ConfigError("seeds.adaptive.planned: the plan writes it; leave it out")
        config = _with_own_classes(config, file)
    except ConfigError as error:
        if str(error).startswith("--vary"):
            raise
        entry = str(error).partition(": ")[0]  # names of rows have colons too
        place = _place_of(entry.split("."), written)
        told = _told(place, entry, str(error).removeprefix(f"{entry}: "))
        if isinstance(error, ChangesNothing):
            raise ChangesNothing(told, error.because, error.row) from None
        raise ConfigError(told) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        loc = first["loc"]
        if loc[:1] == ("arms",) and len(loc) > 1:
            loc = ("arms", *loc[2:3], *loc[4:])  # without the names of the forms
        if loc[:1] == ("seeds",):
            loc = ("seeds", *loc[2:])
        if first["type"] == OF_ALL:
            entry = first["ctx"]["entry"]
            told = first["msg"]
            place = _place_of([entry], written)
            if place in (f"--set {entry}", f"--{entry}"):  # named there
                told = told.removeprefix(f"{entry}: ").replace(f"{entry} ", "it ", 1)
            raise ConfigError(f"{place}: {told}") from None
        place = _place_of([str(part) for part in loc], written)
        where = cut(".".join(cut(str(part)) for part in loc), _LONGEST_PART)
        if first["type"] == "extra_forbidden":
            near = _meant(where)
            which = "" if place == f"--set {where}" else f" {shown(where, _LONGEST_PART)}"
            raise ConfigError(f"{place}: unknown key{which}{near}") from None
        near = ""
        if first["type"] == "literal_error" and isinstance(first["input"], str):
            near = did_you_mean(first["input"], re.findall("'(.*?)'", first["ctx"]["expected"]))
        # Of what a whole section breaks, all of it would be shown.
        of_section = first["type"] == "value_error" and isinstance(first["input"], Mapping)
        told = reason_of(first) + ("" if of_section else f" (got {shown(first['input'])}){near}")
        raise ConfigError(_told(place, where, told)) from None
    if config.evaluation.protocol is not None:
        _check_protocol_decides(config.evaluation.protocol, said_by)
    return config


def _told(place: str, entry: str, sentence: str) -> str:
    """A sentence about an entry that somebody wrote at a place, which may be named like it."""
    return (
        f"{place}: {sentence}"
        if place in (f"--set {entry}", f"--{entry}")
        else f"{place}: {entry}: {sentence}"
    )


def _with_own_classes(config: AblationConfig, file: Path | None) -> AblationConfig:
    """Which lie beside the file; of a link beside what it leads to, where they are not beside the link."""
    try:
        return with_digests(config, Path.cwd() if file is None else file.parent)
    except ConfigError as error:
        if file is None or not file.is_symlink():
            raise
        try:
            return with_digests(config, file.resolve().parent)
        except ConfigError:
            raise error from None


def _meant(key: str) -> str:
    """The end of a sentence about a key that is none."""
    section, _, rest = key.partition(".")
    if section == "arms" and "." in rest:
        row, _, entry = rest.partition(".")
        if entry.partition(".")[0] in AblationConfig.model_fields:
            return f"; what differs in an arm stands in its `set`: arms.{row}.set.{entry}"
        known = [*ArmEntry.model_fields, *PolicyRow.model_fields]
        if entry in known:
            return "; a row with a policy is judged and not trained, so it has policy and title alone"
        return did_you_mean(entry, known) or f"; a row has {', '.join(dict.fromkeys(known))}"
    known = list(_keys(AblationConfig))
    if key in known:  # with its dot at the top of a mapping
        return f"; nest it: {{{key.replace('.', ': {')}: ...{'}' * (key.count('.') + 1)}"
    ends = [one for one in known if one.endswith(f".{key}")]  # without its section
    return f"; did you mean {' or '.join(ends)}?" if ends else did_you_mean(key, known)


def _place_of(entry: Sequence[str], written: Sequence[tuple[str, JsonObject]]) -> str:
    """Who wrote the entry last; the last who wrote anything where nobody did."""
    for depth in range(len(entry), 0, -1):
        for place, values in reversed(written):
            found: object = values
            for part in entry[:depth]:
                found = found.get(part, _NOTHING) if isinstance(found, Mapping) else _NOTHING
            if found is not _NOTHING:
                return place
    return written[-1][0] if written else "configuration"


def _of_rows(config: AblationConfig, names: Sequence[str]) -> AblationConfig:
    """With these of its rows alone, which keep what they have of others."""
    rows = cast("Mapping[str, ArmEntry | PolicyRow | None]", config.arms)
    chosen = {name: rows[name] for name in names}
    kept = {
        n: with_bases(row, config.trained) if isinstance(row, ArmEntry) else row for n, row in chosen.items()
    }
    if len(kept) < len(names):
        raise ConfigError(f"arms: something is named twice: {cut(', '.join(names))}")
    return AblationConfig.model_validate({**config.model_dump(), "arms": kept})


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


def _keys(section: type[BaseModel], above: str = "") -> list[str]:
    """Every key of a configuration, by dotted name."""
    found = []
    for name, field in section.model_fields.items():
        found.append(f"{above}{name}")
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found += _keys(inner, f"{above}{name}.")
    return found


def _read_yaml(path: Path) -> dict[str, object]:
    loaded = parse_yaml(text_of(path, ConfigError, MOST_YAML_BYTES), str(path), is_ours=True, is_text=is_text)
    if loaded is None:
        raise ConfigError(
            f"{path} sets nothing: it is empty, or all of it is comments; leave it out for the defaults"
        )
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} must hold a mapping, not {type(loaded).__name__}")
    return loaded
