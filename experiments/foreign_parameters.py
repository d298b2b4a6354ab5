"""What parameters of somebody else's jobs may be: the types and bounds of those that the planner writes.

Names that it does not write are read by no body.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from detectors.registry import DETECTORS
from errors import ConfigError, InvalidInput
from hub.names import is_hub_name, parse_name
from policies.registry import OpenVLAFolder, ReconVLAFolder, policy_from_json, reaches_out
from settings.code_source import reference_of
from settings.json_values import JsonObject
from settings.shown import cut, shown
from settings.typed_json import wrong_entry
from tasks.kind import JobResult, Kind, Spec

#: Entries of parameters that are paths; those of weights may be names on the hub.
_OF_HUB = frozenset({"root", "policy_folder"})
_PLACES, _WEIGHTS = frozenset({"root", "assets", "policy_folder"}), "weights"
#: Names on the hub whose weights a bundle may have fetched: GroundingDINO's own.
HUB = re.compile(r"IDEA-Research/grounding-dino-[a-z]+")
_REACHES_OUT = (
    "one that is asked over a network, or lies in a folder, is named by who runs the job; where you trust the bundle, "
    "import it with --policies"
)

#: Where files are what a process makes them, and where a bundle puts its own.
MADE_UP = re.compile(r"/(proc|dev|sys)(/|\Z)")
_IN_A_STORE = re.compile(r"(\A|/)artifacts/[0-9a-f]{2}/[0-9a-f]{64}")
_LONGEST_PATH_BYTES, _LONGEST_PART_BYTES = 4095, 255


def check_parameters(
    kind: Kind[Spec, JobResult], parameters: JsonObject, policies: bool, code: Collection[str] = ()
) -> list[str]:
    """The paths in them. policies: as for `check_policy`. code: digests of the source that came along.

    Raises ValueError naming the entry that is of another type, out of bounds, or leads to where nobody's data lie. One
    that is missing is no matter: a job that lacks it ends with an error of its own.
    """
    places = list(_places(parameters))
    # Of one that does not say which form it is, all forms are asked.
    for shape in [one for one in kind.specs if one.reads(parameters)] or kind.specs:
        try:
            wrong = wrong_entry(shape, shape.upgraded(parameters, "parameters"))
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        if wrong is not None:
            raise ValueError(wrong)
    for name in _detectors(parameters):
        if reference_of(name) is not None:
            need_code(name, "detector", code)
        elif name not in DETECTORS:
            raise ValueError(f"detector: {shown(name)} is none that this Baton knows")
    if reference_of(simulator := parameters.get("simulator")) is not None:
        need_code(simulator, "simulator", code)
    told = parameters.get("policy")
    if isinstance(told, Mapping) and "class" in told:
        need_code(told["class"], "policy.class", code)
    if isinstance(told, Mapping):
        folder = parameters.get("policy_folder")
        check_policy(told if folder is None else {**told, "folder": folder}, "policy", policies)
    return places


def need_code(name: object, entry: str, code: Collection[str]) -> None:
    """Raises ValueError unless a name is of a class whose source is known by its digest."""
    reference = reference_of(name)
    if reference is None or reference.digest not in code:
        raise ValueError(f"{entry}: {shown(name)} is a class whose source did not come along")


def check_policy(told: object, place: str, policies: bool) -> list[str]:
    """The paths in what a row is told of its policy. policies: whether it may ask over a network, and read folders.
    Raises ValueError naming `place`."""
    try:
        spec = policy_from_json(told, place)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if reaches_out(spec) and not policies:
        raise ValueError(f"{place}: {_REACHES_OUT}")
    if not isinstance(spec, OpenVLAFolder | ReconVLAFolder):
        return []
    return [
        _of_hub(spec.folder, f"{place}.folder") if is_hub_name(spec.folder) else lies_elsewhere(spec.folder)
    ]


def _detectors(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        if "detector" in value:
            yield value["detector"]
        for item in value.values():
            yield from _detectors(item)


def lies_elsewhere(text: str) -> str:
    """The same path. Raises ValueError where nobody's data lie, or where a bundle puts its own files."""
    # Two at the beginning are one to Linux, and kept there.
    path = re.sub(r"\A/+", "/", os.path.normpath(text))
    if MADE_UP.match(path):
        raise ValueError(f"{shown(text)} is no place of files that lie still")
    if _IN_A_STORE.search(path):
        raise ValueError(f"{shown(text)} is in the store of a home, where a bundle puts its own files")
    return text


def _places(value: object, entry: str = "") -> Iterator[str]:
    """JSON in a state has at most a hundred levels (`db.bundle.columns`)."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, str) and (name in _PLACES or (name == _WEIGHTS and not HUB.fullmatch(item))):
                yield _place(item, name)
            else:
                yield from _places(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _places(item, entry)


def _of_hub(text: str, place: str = "") -> str:
    """The same name. Raises ValueError for what is none, and for one that may mean something else tomorrow."""
    try:
        name = parse_name(text, place)
    except InvalidInput as error:
        raise ValueError(str(error)) from None
    if name.commit is None:
        raise ValueError(f"{shown(text)} names no commit")
    return text


def _place(text: str, entry: str) -> str:
    try:
        if not text.isprintable():
            raise ValueError("a path has characters that can be printed, and no others")
        if entry in _OF_HUB and is_hub_name(text):
            return _of_hub(text)
        if not Path(text).is_absolute():
            raise ValueError(f"{shown(text)} is no whole path")
        parts = text.encode().split(b"/")
        if max(map(len, parts)) > _LONGEST_PART_BYTES or len(text.encode()) > _LONGEST_PATH_BYTES:
            raise ValueError("no file system takes a path that is so long")
        return lies_elsewhere(text)
    except (ValueError, InvalidInput) as error:
        raise ValueError(f"{cut(entry)}: {error}") from None
