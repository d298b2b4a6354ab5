"""What the rows of the table are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from experiments.reconvla.arms import built_in
from settings.json_values import JsonObject, section, text


def titles_of(settings: JsonObject) -> dict[str, str]:
    """By name of each row, no two alike: rows that were given one title have their names too. settings: of the
    ablation."""
    arms = settings.get("arms")
    said = {str(name): _said(settings, str(name)) for name in (arms if isinstance(arms, Iterable) else ())}
    counts = Counter(said.values())
    return {name: title if counts[title] == 1 else f"{title} ({name})" for name, title in said.items()}


def title_of(settings: JsonObject, name: str) -> str:
    """Of an arm, or of the row of a policy; the name itself where nothing says more."""
    return titles_of(settings).get(name) or _said(settings, name)


def _said(settings: JsonObject, name: str) -> str:
    title = text(section(section(settings, "arms"), name), "title")
    if title is None and name in built_in():
        title = built_in()[name].title
    return title or name
