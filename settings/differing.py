"""What differs between two sets of settings, by dotted key."""

from __future__ import annotations

from collections.abc import Mapping


def differing(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    """(value before, value after) of each key whose values differ; None where one has none.

    before, after: leaves by dotted key. A section that only one of the two has, and that is None in the other, is one
    entry: None there and a mapping here.
    """
    sections = [*_sections(before, after), *_sections(after, before)]
    found: dict[str, tuple[object, object]] = {}
    for key in {**before, **after}:
        section = next((one for one in sections if key.startswith(f"{one}.")), key)
        if section in found or (before.get(key, ...) == after.get(key, ...) and section == key):
            continue
        if {} not in (before.get(key), after.get(key)):  # of a mapping that is empty in one its keys tell
            found[section] = _value(before, section), _value(after, section)
    return found


def _sections(off: Mapping[str, object], on: Mapping[str, object]) -> list[str]:
    """Those that are off in the first."""
    absent = [key for key, value in off.items() if value is None and key not in on]
    return [key for key in absent if any(other.startswith(f"{key}.") for other in on)]


def _value(leaves: Mapping[str, object], key: str) -> object:
    if key in leaves:
        return leaves[key]
    return {one[len(key) + 1 :]: value for one, value in leaves.items() if one.startswith(f"{key}.")} or None
