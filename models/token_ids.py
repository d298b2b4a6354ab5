"""Texts as ids of words that a model has, whatever its tokenizer says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from errors import CheckpointError
from settings.shown import cut, shown


def token_ids(tokenizer: Any, text: str, words: int | None = None, special: bool = False) -> list[int]:
    """Ids of `text`. special: with what the tokenizer puts around it. words: how many the model has.

    Raises CheckpointError as `need_known`, and for a tokenizer that cannot read the text.
    """
    try:
        ids: list[int] = tokenizer(text, add_special_tokens=special)["input_ids"]
    except Exception as error:  # tokenizers raises nothing more exact
        raise CheckpointError(
            f"{_place(tokenizer)} cannot read {shown(text)}: {cut(str(error), 300)}"
        ) from None
    if words is not None:
        need_known(tokenizer, ids, words)
    return ids


def need_known(tokenizer: Any, ids: Sequence[int | None], words: int) -> None:
    """Raises CheckpointError for an id that is no word of the model: a GPU would end the process for it."""
    for number in ids:
        if number is None or not 0 <= number < words:
            raise CheckpointError(
                f"{_place(tokenizer)} gives the id {number}, and the model has {words} words"
            )


def _place(tokenizer: Any) -> str:
    folder = getattr(tokenizer, "name_or_path", "")
    return f"the tokenizer in {folder}" if folder else "the tokenizer"
