"""What the rows of the table are called."""

from __future__ import annotations

from experiments.reconvla.arms import built_in
from settings.json_values import JsonObject, section, text


def title_of(settings: JsonObject, name: str) -> str:
    """Of an arm, or of the row of a policy; the name itself where nothing says more. settings: of the ablation."""
    said = text(section(section(settings, "arms"), name), "title")
    if said is None and name in built_in():
        said = built_in()[name].title
    return said or name
