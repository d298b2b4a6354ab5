"""Datasets and pretrained parts of an ablation that lie on the Hub: pinned to a commit once, and then read as their
copies here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from errors import ConfigError, InvalidInput
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.sections import Backbones
from hub.copies import Copy, copy_of
from hub.copies import pin as pin_now
from hub.names import HubName, RepoKind, is_hub_name, parse_name
from settings.json_values import JsonObject

#: Settings that name datasets and models, by how their keys end.
_ENDS: dict[RepoKind, tuple[str, ...]] = {
    "dataset": tuple(f"data.{name}" for name in ("root", "validation_root", "pretraining_root")),
    "model": (
        "gaze.weights",
        "policy.folder",
        *(f"model.backbones.{name}" for name in Backbones.model_fields),
    ),
}


def pinned(config: AblationConfig, known: Iterable[JsonObject] = ()) -> AblationConfig:
    """The same with a commit in every name of the Hub. known: settings of the ablation that has this name already: a
    name without a revision means there what it meant then.

    Raises ConfigError, InvalidInput, HubUnreachable.
    """
    asked = config.model_dump(mode="json")
    if not any(True for _ in _named(asked)):
        return config
    before = {
        (kind, _plain(name)): name for settings in known for kind, name in _named(settings) if name.commit
    }

    def pin(kind: RepoKind, name: HubName) -> HubName:
        if name.commit is not None:
            return name
        if name.revision is None and (kind, name) in before:
            return before[kind, name]
        return pin_now(name, kind)

    return AblationConfig.model_validate(_replaced(asked, pin))


def local(root: str) -> Path:
    """Where a dataset lies on this machine. Raises InvalidInput for a name of the Hub without a commit."""
    return copy_of(root, "dataset").place if is_hub_name(root) else Path(root).expanduser()


def copies(config: AblationConfig) -> list[Copy]:
    """Of all that it names on the Hub, each once."""
    named = dict.fromkeys((kind, str(name)) for kind, name in _named(_settings(config)))
    return [copy_of(text, kind) for kind, text in named]


def _settings(config: AblationConfig) -> JsonObject:
    values: JsonObject = config.model_dump(mode="json")
    return values


def _plain(name: HubName) -> HubName:
    return HubName(name.owner, name.name, None, name.path)


def _named(value: object, entry: str = "") -> Iterator[tuple[RepoKind, HubName]]:
    """Names on the Hub, and of what; also in `set` of arms, where keys may be `data.root`."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named(item, f"{entry}.{key}" if entry else str(key))
    elif isinstance(value, str) and is_hub_name(value):
        for kind, ends in _ENDS.items():
            if any(entry == end or entry.endswith(f".{end}") for end in ends):
                yield kind, _parsed(value, entry)


def _parsed(text: str, entry: str) -> HubName:
    try:
        return parse_name(text, entry)
    except InvalidInput as error:
        raise ConfigError(str(error)) from None


def _replaced(value: object, pin: Callable[[RepoKind, HubName], HubName], entry: str = "") -> object:
    if isinstance(value, Mapping):
        return {
            key: _replaced(item, pin, f"{entry}.{key}" if entry else str(key)) for key, item in value.items()
        }
    for kind, name in _named(value, entry):
        return str(pin(kind, name))
    return value
