"""What of the Hub an ablation needs on this machine, and whether the disks hold it and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from calvin.episode import FRAME_BYTES
from calvin.needed import Need, need_of, parts_of
from calvin.split import TRAINING, VALIDATION, Reading
from errors import ConfigError
from experiments.reconvla.arms import arms_of
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.demonstrations import PRETRAINING, place_of, reading_of
from experiments.reconvla.hub_data import copies
from experiments.reconvla.sections import Data
from hub.copies import FOLDER_VARIABLE, LARGER_DISK, SPARE_BYTES, Copy, brought
from hub.files import HubFile
from settings.disks import free_at, same_disk
from settings.shown import size_told
from tasks.data.copies import Asked, SetCopy

#: Left free beside what jobs make: checkpoints, logs, the state.
_SPARE_AT_HOME = SPARE_BYTES


@dataclass(frozen=True)
class Needed:
    """Of a copy. files: those that the ablation reads."""

    copy: Copy
    need: Need
    files: tuple[HubFile, ...]

    @property
    def is_here(self) -> bool:
        return not self.copy.missing(self.files)

    @property
    def made(self) -> int:
        """Bytes that jobs make of its demonstrations, as far as they are known before they are read."""
        return (self.need.frames or 0) * FRAME_BYTES


def needed_of(config: AblationConfig) -> list[Needed]:
    """All that it names on the Hub, each once; lists of LeRobot sets are fetched, and nothing else.

    Raises as `Copy.fetch`, and DatasetError where these lists tell already that a set cannot be used.
    """
    found = []
    for copy in copies(config):
        if copy.kind == "model":
            found.append(Needed(copy, Need(), copy.listing()))
            continue
        one = SetCopy(copy)
        brought(copy, one.list_files)
        need = asked_of(config, copy)(one.lists)
        found.append(Needed(copy, need, tuple(one.files_for(need))))
    return found


def absent(config: AblationConfig) -> list[Needed]:
    """Those that are not all on this machine. Raises as `needed_of`, and ConfigError where the disk does not hold what
    is missing: with what would fit."""
    found = [one for one in needed_of(config) if not one.is_here]
    to_come = sum(one.copy.to_come(one.files) for one in found)
    if found and to_come + SPARE_BYTES > (free := free_at(found[0].copy.folder)):
        raise ConfigError(_too_large(config, found, free - SPARE_BYTES, 0))
    return found


def asked_of(config: AblationConfig, copy: Copy) -> Asked:
    """What the ablation reads of a dataset."""
    asked = list(_asked(config, str(copy.name)))
    return lambda lists: need_of(lists, asked)


def told_room(config: AblationConfig, home: Path) -> str | None:
    """How much is yet to come, and what its jobs then make of it in `home`: a sentence; None where all is here.

    Raises ConfigError where the disk or disks do not hold it, with what would fit.
    """
    found = [one for one in needed_of(config) if not one.is_here]
    if not found:
        return None
    folder = found[0].copy.folder
    to_come, made = sum(one.copy.to_come(one.files) for one in found), sum(one.made for one in found)
    free, free_at_home = free_at(folder), free_at(home)
    told = f"{size_told(to_come)} are yet to come to {folder}, where {size_told(free)} are free"
    if not made:
        return told
    told += f"; its jobs make some {size_told(made)} of it in {home}"
    if same_disk(folder, home):
        told += f", on the same disk: {size_told(to_come + made)} in all"
        if to_come + made + _SPARE_AT_HOME > free:
            raise ConfigError(_too_large(config, found, free - _SPARE_AT_HOME, FRAME_BYTES))
    else:
        told += f", where {size_told(free_at_home)} are free"
        if made + _SPARE_AT_HOME > free_at_home:
            raise ConfigError(
                f"{found[0].copy.name}: {told}: name fewer in data.episodes, or a home on a larger disk"
            )
    return told


def _asked(config: AblationConfig, name: str) -> Iterator[tuple[str, Reading]]:
    """Splits of a dataset that are opened, and how."""
    known: dict[tuple[str, Reading], None] = {}
    for data in _datas(config):
        for purpose in (TRAINING, VALIDATION, PRETRAINING):
            if place_of(data, purpose) == name:
                split = VALIDATION if purpose == VALIDATION else TRAINING
                known[split, reading_of(data, purpose)] = None
    return iter(known)


def _datas(config: AblationConfig) -> Iterator[Data]:
    yield config.data
    for arm in arms_of(config):
        yield arm.config.data
        yield arm.judged.data


def _too_large(config: AblationConfig, found: Sequence[Needed], free: int, made_a_frame: int) -> str:
    """made_a_frame: bytes that jobs make on the same disk."""
    made = sum((one.need.frames or 0) * made_a_frame for one in found)
    largest = max(found, key=lambda one: one.copy.to_come(one.files))
    told = "; ".join(one.copy.told(one.files) for one in found)
    if made:
        told += f"; its jobs make some {size_told(made)} of it on the same disk"
    told += f"; {size_told(free + SPARE_BYTES)} are free where {largest.copy.folder} is"
    if config.data.root != str(largest.copy.name) or largest.need.episodes is None:
        return f"{told}: {LARGER_DISK}"
    others = sum(one.copy.to_come(one.files) + (one.need.frames or 0) * made_a_frame for one in found)
    others -= largest.copy.to_come(largest.files) + (largest.need.frames or 0) * made_a_frame
    fits = _fitting(config, largest, free - others, made_a_frame)
    if fits is None:
        return f"{told}, which does not hold a demonstration of each split: name a larger disk in {FOLDER_VARIABLE}"
    episodes, count, of = fits
    return (
        f"{told}: data.episodes={episodes} would fit, {count} of {of} demonstrations; or name a larger disk in "
        f"{FOLDER_VARIABLE}"
    )


def _fitting(
    config: AblationConfig, one: Needed, free: int, made_a_frame: int
) -> tuple[str, int, int] | None:
    """Episodes that fit, the same share of each split, how many, and of how many; None where none do."""
    asked = list(_asked(config, str(one.copy.name)))
    held = SetCopy(one.copy)
    parts = parts_of(held.lists, asked)
    of = sum(len(part) for part in parts)

    def fitted(share: float) -> tuple[int, dict[int, int]]:
        chosen: dict[int, int] = {}
        for part in parts:
            chosen |= dict(part[: ceil(share * len(part))])
        need = Need(episodes=_text(chosen), cameras=one.need.cameras)
        files = held.files_for(need)
        return one.copy.to_come(files) + sum(chosen.values()) * made_a_frame, chosen

    least, most = 0.0, 1.0
    best = None
    for _ in range(14):
        share = (least + most) / 2
        size, chosen = fitted(share)
        if size <= free:
            least, best = share, chosen
        else:
            most = share
    return None if best is None else (_text(best), len(best), of)


def _text(chosen: dict[int, int]) -> str:
    from calvin.lerobot_format.held_out import as_text

    return as_text(frozenset(chosen))
